"""Headers and query parameters from hostile objects: what is too much, what HTTP cannot carry, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pytest

from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Plan, Report, Secret
from engine.responses import ResponseReader, Unbatchable
from tests import oracle
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING, DEFAULT_NOW
from tests.oracle import OraclePlan
from tests.runners import compiled_plan, destination, load
from tests.sendable import written

RUNNERS = {"oracle": oracle.plan, "compiler": compiled_plan}
KILOBYTE = 1024
TOO_MANY = "{} left out: at most 100 names with 16,384 bytes are sent"


def mapping(word: str, **more: Json) -> JsonObject:
    return {**DEFAULT_MAPPING, "requests": {"send": {"path": "/send", word: "properties", **more}}}


def event(properties: JsonObject) -> JsonObject:
    return {**DEFAULT_EVENT, "event": "Tested", "properties": properties}


def planned(word: str, properties: JsonObject) -> Plan:
    connection = Connection(destination(json.dumps(mapping(word))), {})
    return connection.plan(event(properties), now=DEFAULT_NOW)


def left_out(word: str, properties: JsonObject) -> list[str]:
    return [report.message for report in planned(word, properties).reports]


def names(word: str, runner: Callable[..., OraclePlan], properties: JsonObject) -> tuple[int, list[tuple[str, str]]]:
    plan = runner(mapping(word), {}, event(properties), received_at=None, now=DEFAULT_NOW)
    assert plan.outcome == "planned", plan.reason
    key = "headers" if word == "headers_from" else "query"
    return len(cast("JsonObject", plan.requests[0][key])), plan.reports


LARGE: dict[str, tuple[JsonObject, int]] = {
    "10,000 names": ({f"X-{number}": number for number in range(10_000)}, 100),
    "a hundred names": ({f"X-{number}": number for number in range(100)}, 100),
    "null does not count": ({f"X-{number}": None if number % 2 else 1 for number in range(200)}, 100),
    "16 KB": ({"X-1": "x" * (16 * KILOBYTE - 5)}, 1),
    "a byte more": ({"X-1": "x" * (16 * KILOBYTE - 4)}, 0),
    "a megabyte": ({"X-1": "x" * KILOBYTE * KILOBYTE, "X-2": "y"}, 1),
    "a name of a megabyte": ({"X" * KILOBYTE * KILOBYTE: "x", "X-2": "y"}, 1),
    "what fits after what does not": ({"X-1": "x" * 10 * KILOBYTE, "X-2": "x" * 10 * KILOBYTE, "X-3": "x"}, 2),
}


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
@pytest.mark.parametrize("word", ["headers_from", "query_from"])
@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_much_is_left_out_and_reported(word: str, name: str, runner: Callable[..., OraclePlan]) -> None:
    properties, kept = LARGE[name]
    there = sum(value is not None for value in properties.values())
    reports = [] if kept == there else [("too-many-names", f"requests.send.{word}")]
    assert names(word, runner, properties) == (kept, reports)


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
def test_the_values_of_a_list_count_together(runner: Callable[..., OraclePlan]) -> None:
    too_long = [("too-many-names", "requests.send.query_from")]
    assert names("query_from", runner, {"a": ["x"] * 4 * (KILOBYTE - 1), "b": 1}) == (2, [])
    assert names("query_from", runner, {"a": ["x"] * 5 * KILOBYTE, "b": 1}) == (1, too_long)
    assert names("query_from", runner, {"a": "é" * 9 * KILOBYTE, "b": 1}) == (1, too_long)


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
def test_16_kb_always_fit_into_a_url(runner: Callable[..., OraclePlan]) -> None:
    for text in ("𝄞" * (4 * KILOBYTE - 1), ["&"] * 4 * KILOBYTE):
        assert names("query_from", runner, {"": None, "&": text}) == (1, [])


def test_reports_of_many_members_are_bounded() -> None:
    assert len(planned("headers_from", {f"X-{number}": {} for number in range(10_000)}).reports) == 1000


MESSAGES: list[tuple[str, JsonObject, str]] = [
    ("headers_from", {"Host": "evil.example"}, '"Host" was left out: data cannot give this header'),
    (
        "headers_from",
        {"Authorization": "x"},
        '"Authorization" was left out: only a secret setting may give this header',
    ),
    ("headers_from", {"X-A": 1, "x-a": 2}, '"x-a" was left out: the request already has this header'),
    ("headers_from", {"X-A": {"b": 1}}, '"X-A" was left out: an object has no text'),
    ("headers_from", {"X-A": "x" * 20_000}, TOO_MANY.format("1 name was")),
    ("query_from", {f"a{number}": 1 for number in range(1234)}, TOO_MANY.format("1,134 names were")),
    ("query_from", {"a": [[1]]}, '"a" was left out: a list has no text'),
]


@pytest.mark.parametrize(("word", "properties", "message"), MESSAGES)
def test_reports_name_what_is_left_out(word: str, properties: JsonObject, message: str) -> None:
    assert left_out(word, properties) == [message]


REASONS: list[tuple[str, JsonObject, str]] = [
    ("headers_from", {"": 1}, '"" is not the name of a header (requests.send.headers_from)'),
    ("headers_from", {"X\r\nY": 1}, '"X\\r\\nY" is not the name of a header (requests.send.headers_from)'),
    (
        "headers_from",
        {"X-A": "1\r\nX-B: 2"},
        '"X-A": a header cannot contain control characters or characters outside ASCII (requests.send.headers_from)',
    ),
    ("query_from", {"": 1}, '"" is not the name of a query parameter (requests.send.query_from)'),
]


@pytest.mark.parametrize(("word", "properties", "reason"), REASONS)
def test_what_http_does_not_carry_makes_the_event_invalid(word: str, properties: JsonObject, reason: str) -> None:
    plan = planned(word, properties)
    assert (plan.outcome, plan.reason) == ("invalid", reason)


def test_settings_alone_make_headers_once() -> None:
    """The loop over them is not part of any event's function."""
    settings: JsonObject = {"headers": {"title": "Headers", "type": "table"}}
    value: JsonObject = {"entries": "settings.headers", "key": {"text": "X-${key}"}}
    whole = {**mapping("headers_from"), "settings": settings}
    whole["requests"] = {"send": {"path": "/send", "headers_from": value}}
    target = destination(json.dumps(whole))
    step = target.compiled.code.partition("def step_1")[2].partition("return [")[0]
    assert "add_headers" not in step
    connection = Connection(target, {"headers": {"A": "1", "B\n": "2"}})
    assert connection.plan(event({})).reason == '"X-B\\n" is not the name of a header (requests.send.headers_from)'


def test_a_secret_stays_masked() -> None:
    settings: JsonObject = {"key": {"title": "Key", "type": "string", "secret": True}}
    value: JsonObject = {"fields": {"Authorization": {"text": "Token ${settings.key}"}}}
    whole = {**mapping("headers_from"), "settings": settings}
    whole["requests"] = {"send": {"path": "/send", "headers_from": value}}
    plan = Connection(destination(json.dumps(whole)), {"key": Secret("sesame")}).plan(
        event({}), received_at="2024-01-01T00:00:00Z"
    )
    assert str(plan.requests[0].headers["Authorization"]) == "Token ***"


def test_an_object_for_each_item_leaves_out_the_same() -> None:
    whole = {**mapping("headers_from"), "calls": {"track": [{"request": "send", "for_each": "properties.list"}]}}
    whole["requests"] = {"send": {"path": "/send", "headers_from": "item"}}
    plan = Connection(destination(json.dumps(whole)), {}).plan(event({"list": [{"Host": "a"}, {"X-A": "b"}]}))
    assert [request.headers for request in plan.requests] == [{}, {"X-A": "b"}]
    place = "requests.send.headers_from"
    assert plan.reports == (Report("refused-name", place, '"Host" was left out: data cannot give this header'),)


BATCH = """
mapping: 1
name: case
title: Case
settings: { key: { title: Key, type: string, secret: true, sent_in: url, example: k } }
http: { base_url: "https://api.example.com" }
requests: { save: { batch: all } }
batches:
  all:
    path: /batch
    query: { key: "${settings.key}", count: "${length(items)}", note: { from: "items[*].note" } }
    query_from: { fields: { id: "items[*].id" } }
    headers_from: items[-1].headers
    fields: { rows: "items[*].id" }
calls: { track: [{ request: save, from: properties }] }
"""


def sent(*items: JsonObject) -> bytes:
    responses = ResponseReader(Connection(Destination(load(BATCH)), {"key": Secret("sesame")}))
    request = responses.connection.plan(event({}), now=DEFAULT_NOW).requests[0]
    return written(responses.batched([request._replace(body=item) for item in items], 0.0))


def test_a_batch_asks_all_its_items_for_query_and_headers() -> None:
    request = sent({"id": 1}, {"id": "b c", "headers": {"X-Last": True, "Host": "evil.example"}})
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /batch?key=sesame&count=2&id=1&id=b+c HTTP/1.1\r\nHost: api.example.com\r\n")
    assert b"\r\nX-Last: true\r\n" in head
    assert json.loads(body) == {"rows": [1, "b c"]}


TOGETHER: list[tuple[JsonObject, str]] = [
    ({"id": "x" * 9000}, TOO_MANY.format("1 name was") + " (batches.all.query_from)"),
    (
        {"note": "x" * 40_000},
        "the URL has 80,060 characters with its query; at most 65,536 are possible (batches.all.query)",
    ),
    (
        {"headers": {"X-A": "\n"}},
        '"X-A": a header cannot contain control characters or characters outside ASCII (batches.all.headers_from)',
    ),
]


@pytest.mark.parametrize(("item", "message"), TOGETHER)
def test_what_items_cannot_have_together_is_not_left_out_but_sent_in_halves(item: JsonObject, message: str) -> None:
    with pytest.raises(Unbatchable) as caught:
        sent(item, item)
    assert str(caught.value) == message
