"""Which pages may use the control API: none but those of the sandbox itself, whatever name they have."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from engine.sandbox.app import create_app

PORT = 8900
CROSS_SITE = "The control API does not answer to pages of other sites."
WRONG_HOST = (
    "The control API does not answer to the host {}. Use localhost, or the address that the sandbox listens on."
)
ALLOWED = [
    {},
    {"host": "localhost:8900"},
    {"host": "LOCALHOST"},
    {"host": "127.0.0.1:8900"},
    {"host": "127.7.7.7:8900"},
    {"host": "[::1]:8900"},
    {"host": "192.0.2.1:8900"},  # where the connection arrived
    {"host": "Sandbox.example:8900"},  # what it was told to listen on
    {"host": "localhost:8900", "origin": "http://localhost:8900"},
    {"host": "localhost:8900", "sec-fetch-site": "same-origin"},
    {"host": "localhost:8900", "sec-fetch-site": "none"},
]
REFUSED = [
    ({"host": "evil.example:8900"}, WRONG_HOST.format("evil.example:8900")),
    ({"host": "evil.example:8900", "origin": "http://evil.example:8900"}, WRONG_HOST.format("evil.example:8900")),
    ({"host": "localhost.evil.example"}, WRONG_HOST.format("localhost.evil.example")),
    ({"host": "192.0.2.2:8900"}, WRONG_HOST.format("192.0.2.2:8900")),
    ({"host": ""}, WRONG_HOST.format('""')),
    ({"host": "[localhost"}, WRONG_HOST.format("[localhost")),
    ({"host": "localhost:8900", "origin": "http://evil.example"}, CROSS_SITE),
    ({"host": "localhost:8900", "origin": "null"}, CROSS_SITE),
    ({"host": "localhost:8900", "origin": "http://localhost:3000"}, CROSS_SITE),
    ({"host": "localhost:8900", "origin": "https://localhost:8900"}, CROSS_SITE),
    ({"host": "localhost:8900", "sec-fetch-site": "cross-site"}, CROSS_SITE),
    ({"host": "localhost:8900", "sec-fetch-site": "same-site"}, CROSS_SITE),
]
EVENT = {"customer_ids": {"registered": "a"}, "event_type": "e", "properties": {}, "timestamp": 1}


def asked(method: str, path: str, headers: dict[str, str], **content: object) -> httpx.Response:
    """Send one request to a sandbox that was told to listen on sandbox.example, at 192.0.2.1."""

    async def work() -> httpx.Response:
        app = create_app(host="sandbox.example")
        url = f"http://192.0.2.1:{PORT}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as client:
            response = await client.request(method, path, headers=headers, **content)
        app.state.world.close()
        return response

    return asyncio.run(work())


@pytest.mark.parametrize("headers", ALLOWED)
def test_the_sandbox_itself_and_programs(headers) -> None:
    assert asked("GET", "/_sandbox/state", headers).status_code == 200
    assert asked("POST", "/_sandbox/faults", headers, json={"kind": "status"}).status_code == 201


@pytest.mark.parametrize(("headers", "text"), REFUSED)
def test_pages_of_other_sites_can_neither_read_nor_change(headers, text) -> None:
    paths = ("GET /_sandbox/", "GET /_sandbox/state", "GET /_sandbox/requests", "GET /_sandbox/none")
    changes = ("POST /_sandbox/reset", "POST /_sandbox/faults", "DELETE /_sandbox/faults", "OPTIONS /_sandbox/faults")
    for line in (*paths, *changes):
        response = asked(*line.split(), headers, content=b'{"kind": "status"}')
        assert (line, response.status_code, response.json()) == (line, 403, {"error": text})
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("headers", [{}, *(headers for headers, _ in REFUSED if headers["host"])])
def test_the_vendors_answer_to_any_host_and_origin(headers) -> None:
    given = {"authorization": "Token public-key", **headers}
    path = "/exponea/track/v2/projects/project-token/customers/events"
    assert asked("POST", path, given, json=EVENT).status_code == 200
