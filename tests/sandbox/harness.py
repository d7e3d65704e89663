"""Running the case files: one scenario is a fresh sandbox, a stopped clock, and steps in order.

A step sends a request and states the expected response. In expected values `"*"` matches anything. Long values are
generated: `{$text: 16384}`, `{$list: 51, of: ...}`, `{$keys: 256}`; in a step with `repeat: 65`, the text `<n>`
becomes 1, 2, ... 65.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from engine.sandbox.app import create_app
from engine.sandbox.world import read_config
from tests.yaml_files import read_yaml

CASES = Path(__file__).parent / "cases"
NOW = 1_700_000_000.0
HEADERS = {
    "exponea": {"Authorization": "Token public-key"},
    "extole": {"Authorization": "Bearer access-token"},
    "user_com": {"Authorization": "Token api-key", "Accept": "*/*; version=2"},
}
PRIVATE = "Basic a2V5LWlkOnByaXZhdGUtc2VjcmV0"  # key-id:private-secret
SHORT = {
    "TRACK": "/exponea/track/v2/projects/project-token",
    "DATA": "/exponea/data/v2/projects/project-token/customers",
    "API": "/user_com/api/public",
}


def scenarios():
    for path in sorted(CASES.glob("*.yaml")):
        for title, scenario in read_yaml(path).items():
            yield path.stem, title, scenario


class Clock:
    """A clock that stops until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def play(vendor: str, scenario: dict) -> None:
    asyncio.run(_play(vendor, scenario))


async def _play(vendor: str, scenario: dict) -> None:
    clock = Clock()
    app = create_app(read_config(scenario.get("config")), clock=clock)
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for number, step in enumerate(scenario["steps"], 1):
                clock.now += step.get("wait", 0)
                for n in range(1, step.get("repeat", 1) + 1):
                    await _take(client, vendor, step, f"step {number}", n)
    finally:
        app.state.world.close()


async def _take(client: httpx.AsyncClient, vendor: str, step: dict, place: str, n: int) -> None:
    unknown = set(step) - {
        "send",
        "repeat",
        "wait",
        "headers",
        "json",
        "text",
        "status",
        "response",
        "has",
        "out",
        "bare",
    }
    assert not unknown, f"{place}: {unknown}"
    response = await client.send(_request(client, vendor, step, n))
    context = f"{place}: {step['send']}\n{response.status_code} {response.text}"
    assert response.status_code == step.get("status", 200), context
    for name, value in step.get("out", {}).items():
        assert fits(value, response.headers.get(name)), f"{context}\n{dict(response.headers)}"
    if "response" in step:
        actual = response.text if isinstance(step["response"], str) else response.json()
        assert fits(made(step["response"], n), actual), f"{context}\nexpected {json.dumps(step['response'])}"
    if "has" in step:
        assert holds(made(step["has"], n), response.json()), f"{context}\nexpected in it {json.dumps(step['has'])}"


def _request(client: httpx.AsyncClient, vendor: str, step: dict, n: int) -> httpx.Request:
    method, path = step["send"].replace("<n>", str(n)).split(" ", 1)
    for short, long in SHORT.items():
        path = path.replace(short, long, 1) if path.startswith(short) else path
    given = {} if step.get("bare") else dict(HEADERS.get(vendor, {}))
    if "/data/v2/" in path:
        given["Authorization"] = PRIVATE
    given |= step.get("headers", {})
    headers = {name: value for name, value in given.items() if value is not None}
    content = step["text"].encode() if "text" in step else None
    if "json" in step:
        content = json.dumps(made(step["json"], n)).encode()
    if content is not None and "Content-Type" not in given:
        headers["Content-Type"] = "application/json"
    return client.build_request(method, path, headers=headers, content=content)


def made(value, n: int = 1):
    """Generate the values that a case describes."""
    if isinstance(value, str):
        return value.replace("<n>", str(n))
    if isinstance(value, list):
        return [made(one, n) for one in value]
    if not isinstance(value, dict):
        return value
    if "$text" in value:
        return "x" * value["$text"]
    if "$list" in value:
        return [made(value["of"], number) for number in range(1, value["$list"] + 1)]
    if "$keys" in value:
        return {f"key_{number}": number for number in range(1, value["$keys"] + 1)}
    return {made(key, n): made(one, n) for key, one in value.items()}


def fits(expected, actual) -> bool:
    """Whether the values are equal; `"*"` matches anything."""
    if expected == "*":
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(fits(one, actual[key]) for key, one in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(fits, expected, actual))
    return type(expected) is type(actual) and expected == actual


def holds(expected, actual) -> bool:
    """Whether every key of the expected objects exists; lists are compared entry by entry."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and holds(one, actual[key]) for key, one in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(holds, expected, actual))
    return fits(expected, actual)
