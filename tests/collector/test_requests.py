"""Requests and what becomes of them, from the tables in `cases/`."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from engine.collector.openapi import CALLS, CODES, description
from engine.collector.responses import CollectorLimits
from tests.collector.harness import Answer, Inside
from tests.yaml_files import read_yaml

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
CASES = [(f"{file.stem}: {case['name']}", case) for file in FILES for case in read_yaml(file)]
WORDS = {
    "name",
    "path",
    "method",
    "key",
    "headers",
    "json",
    "body",
    "gzip",
    "status",
    "answer",
    "kept",
    "types",
    "fields",
    "discarded",
    "refused",
}


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_request(case: dict) -> None:
    assert set(case) <= WORDS
    body = orjson.dumps(case["json"]) if "json" in case else case.get("body", "").encode()
    inside = Inside()
    answer = inside.ask(
        case["path"],
        gzip.compress(body) if case.get("gzip") else body,
        headers=case.get("headers"),
        method=case.get("method", "POST"),
        key=case.get("key", "wk"),
    )
    assert (answer.status, orjson.loads(answer.body)) == (
        case.get("status", 200),
        case.get("answer", {"success": True}),
    )
    assert answer.headers["access-control-allow-origin"] == case.get("headers", {}).get("Origin", "*")
    if answer.status not in (404, 405):
        assert_described(case["path"].rstrip("/"), answer)
    assert [[each.code, each.reason] for each in inside.observer.discards] == case.get("discarded", [])
    assert inside.observer.refusals == case.get("refused", [])
    kept = inside.events()
    if "kept" in case:
        assert kept == case["kept"]
    elif "fields" in case:
        assert [{name: event.get(name) for name in case["fields"]} for event in kept] == [case["fields"]]
    else:
        assert [event["type"] for event in kept] == case.get("types", [])


DESCRIPTION = description(CollectorLimits())


def assert_described(path: str, answer: Answer) -> None:
    """The OpenAPI document has the status of this address, and the body is as it says."""
    response = DESCRIPTION["paths"][path]["post"]["responses"][str(answer.status)]  # type: ignore[index,call-overload]
    schema = response["content"]["application/json"]["schema"]
    body = orjson.loads(answer.body)
    Draft202012Validator({**schema, "components": DESCRIPTION["components"]}).validate(body)
    assert answer.status == 200 or body["code"] in CODES[answer.status]


def test_the_description_is_served_and_whole() -> None:
    inside = Inside()
    served = orjson.loads(inside.ask("/openapi.json", method="GET", key=None).body)
    assert served == DESCRIPTION
    for path, operations in served["paths"].items():
        assert inside.ask(path, method=next(iter(operations)).upper()).status in (200, 400)
    assert {call["operationId"] for operations in served["paths"].values() if (call := operations.get("post"))} == {
        path.removeprefix("/v1/") for path in CALLS
    }
