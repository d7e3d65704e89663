"""What the client would refuse is invalid when it is planned, with the reason; everything else can be sent."""

from __future__ import annotations

import json

import pytest

from engine.plan import Connection
from engine.records import Json, JsonObject, Plan
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING, DEFAULT_NOW
from tests.runners import destination
from tests.sendable import written

HEADER = 'requests.send.headers["X-User"]'
SPACES = f"a header cannot begin or end with a space ({HEADER})"
CHARACTERS = f"a header cannot contain control characters or characters outside ASCII ({HEADER})"
LONG = "a" * 65_536


def planned(request: JsonObject, x: Json, settings: JsonObject | None = None, **more: Json) -> Plan:
    step: JsonObject = {"request": "send", "fields": {"a": {"const": 1}}}
    mapping = {**DEFAULT_MAPPING, "requests": {"send": request}, "calls": {"track": [step]}, **more}
    event = {**DEFAULT_EVENT, "event": "E", "properties": {"x": x}}
    return Connection(destination(json.dumps(mapping)), settings or {}).plan(event, now=DEFAULT_NOW)


def header(text: str = "${properties.x}") -> JsonObject:
    return {"path": "/send", "headers": {"X-User": text}}


URL: JsonObject = {"path": "/u/${properties.x}"}
QUERY: JsonObject = {"path": "/send", "query": {"q": "${properties.x}"}}
LIST: JsonObject = {"path": "/send", "query": {"q": {"from": "properties.x"}}}
METHOD: JsonObject = {"path": "/send", "method": "${properties.x}"}

REFUSED = [
    (header(), " u1", SPACES),
    (header(), "u1 ", SPACES),
    (header(), " ", SPACES),
    (header("a ${properties.x}"), "", SPACES),
    (header(), "\tu1", CHARACTERS),
    (header(), "u\r\nX-Evil: 1", CHARACTERS),
    (header(), "u\x00", CHARACTERS),
    (header(), "u\x7f", CHARACTERS),
    (header(), "é", CHARACTERS),
    (header(), "\u2028", CHARACTERS),
    (URL, LONG, "the URL has 65,562 characters; at most 65,536 are possible (requests.send.path)"),
    (URL, "ä" * 11_000, "the URL has 66,026 characters; at most 65,536 are possible (requests.send.path)"),
    (QUERY, LONG, "the URL has 65,567 characters with its query; at most 65,536 are possible (requests.send.query)"),
    (
        QUERY,
        "é" * 11_000,
        "the URL has 66,031 characters with its query; at most 65,536 are possible (requests.send.query)",
    ),
    (
        LIST,
        ["a" * 8000] * 9,
        "the URL has 72,055 characters with its query; at most 65,536 are possible (requests.send.query)",
    ),
    (METHOD, "CONNECT", '"CONNECT" is not an HTTP method (requests.send.method)'),
    (METHOD, "connect", '"connect" is not an HTTP method (requests.send.method)'),
    (METHOD, "", '"" is not an HTTP method (requests.send.method)'),
    (METHOD, "GET /", '"GET /" is not an HTTP method (requests.send.method)'),
    (
        {"path": {"from": "properties.x", "map": {"a": "/b\nc"}}},
        "a",
        "the URL would contain a control character (requests.send.path)",
    ),
    (
        {"path": {"from": "properties.x", "map": {"a": "/b/../c"}}},
        "a",
        'a segment of the URL would be "..", which leads to another address (requests.send.path)',
    ),
    (
        {"path": "/a/./${properties.x}"},
        "a",
        'a segment of the URL would be ".", which leads to another address (requests.send.path)',
    ),
]


@pytest.mark.parametrize(("request_", "x", "reason"), REFUSED)
def test_what_cannot_be_sent_is_invalid(request_: JsonObject, x: Json, reason: str) -> None:
    plan = planned(request_, x)
    assert (plan.outcome.value, plan.reason) == ("invalid", reason)


SENT = [
    (header(), "a  b\x21~"),
    (header(), ""),
    (URL, "a" * 65_000),
    (URL, "../../x?y#z\x00\r\n é\U0001f600%2e%2e"),
    (URL, "%2e%2e"),
    (QUERY, "a" * 65_000),
    (QUERY, "\x00\r\n&=#é\U0001f600+ %zz"),
    (LIST, ["", "&", "é", 1, True]),
    (METHOD, "get"),
    (METHOD, "PROPFIND"),
]


@pytest.mark.parametrize(("request_", "x"), SENT)
def test_what_is_planned_can_be_sent(request_: JsonObject, x: Json) -> None:
    plan = planned(request_, x)
    assert plan.outcome.value == "planned", plan.reason
    assert written(plan.requests[0]).startswith(plan.requests[0].method.upper().encode() + b" /")


def test_a_body_that_no_writer_takes_is_invalid() -> None:
    """An event is at most 100 levels deep, and a response has what the vendor likes."""
    steps: JsonObject = {
        "track": [
            {"request": "send", "save": {"deep": "body"}},
            {"request": "send", "fields": {"a": "saved.deep"}},
        ]
    }
    mapping = {**DEFAULT_MAPPING, "calls": steps}
    event = {**DEFAULT_EVENT, "event": "E", "properties": {}}
    deep: Json = "an end"
    for _ in range(254):
        deep = [deep]
    replies: list[JsonObject] = [{"request": "send", "body": deep}]
    plan = Connection(destination(json.dumps(mapping)), {}).plan(event, now=DEFAULT_NOW, replies=replies)
    assert plan.reason == "the body cannot be written: Recursion limit reached (requests.send)"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", float("inf")),
        ("number", float("nan")),
        ("integer", 2**64),
        ("string", "\ud800"),
        ("list", ["\ud800"]),
    ],
)
def test_a_setting_that_no_request_can_contain_is_refused(kind: str, value: Json) -> None:
    from engine.errors import SettingsError

    settings: JsonObject = {"s": {"title": "S", "type": kind, "example": {"list": ["a"], "string": "a"}.get(kind, 1)}}
    calls: JsonObject = {"track": [{"request": "send", "fields": {"a": "settings.s"}}]}
    mapping = {**DEFAULT_MAPPING, "settings": settings, "calls": calls}
    reason = "the text is not valid UTF-8." if kind in ("string", "list") else "the number does not fit into 64 bits."
    with pytest.raises(SettingsError) as raised:
        destination(json.dumps(mapping)).connect({"s": value})
    assert str(raised.value) == f"Invalid settings for Case:\n  S (s): {reason}"
