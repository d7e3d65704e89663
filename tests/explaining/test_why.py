"""Why each field is absent, what was made of each that is sent, and what decides about the whole event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.compiler.recording import Recorder
from engine.events.normalizing import normalize
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.explaining.selection import only_field
from engine.mapping.load import Library
from engine.plan import Destination, destination
from engine.records import Json

MAPPING = Path(__file__).parent / "mapping.yaml"
NOW = 1709633730.0


def event(call: str, **fields: Any) -> Json:
    known = {"type": call, "messageId": "m1", "userId": "u1", "timestamp": "2024-03-05T10:15:30Z"}
    return {**known, **({"event": "Bought"} if call == "track" else {}), **fields}


@pytest.fixture(scope="module")
def target() -> Destination:
    loaded = Library([]).read(MAPPING)
    destination(loaded)
    return Destination(loaded, Recorder())


def explained(target: Destination, value: Json) -> Any:
    connection = target.connect(target.example_settings())
    return explain(connection, OriginalEvent(value, normalize(value, now=NOW), None, NOW), connection.secrets)


def lines(details: list[Any], indent: str = "") -> list[str]:
    """Write details as text: what, what it gave, why it gave nothing."""
    result = []
    for each in details:
        value = "" if each["value"] is None else f" = {each['value']!r}"
        result.append(f"{indent}{each['kind']} {each['text']}{value} {each['note']}".rstrip())
        result += lines(each["inner"], indent + "  ")
    return result


def requests(explanation: Any) -> list[Any]:
    return [request for step in explanation["steps"] for request in step["requests"]]


PROPERTIES = {"size": "BIG", "gone": None, "blank": " ", "gift": False, "box": {"depth": 3}, "extra": 1}
ABSENT = {
    "missing": ["path properties.missing not there"],
    "deep": ["path context.device.name no context"],
    "scalar": ["path properties.size.unit properties.size is text, not an object"],
    "null": ["path properties.gone null"],
    "blank": ["path properties.blank = ' '", "value  blank text is left out (empty_text: drop)"],
    "note": ["path settings.note not set"],
    "of_other_calls": [
        "path parts.mail",
        "  path traits.email track calls have no traits",
        "  path context.traits.email no context",
    ],
    "wrong": ["path properties.size = 'BIG'", 'function integer "BIG" was left out: not a number'],
    "second": [
        "path properties.size = 'BIG'",
        "function lowercase = 'big'",
        'function rest_words "big" was left out: nothing after the first word',
    ],
    "unmapped": ["path properties.size = 'BIG'", 'word map has no entry for "BIG"'],
    "unwanted": [
        "condition when properties.gift && properties.size == 'small' = False does not hold",
        "  path properties.gift = False",
        "  path properties.size = 'BIG'",
    ],
    "except": [
        "path properties.box = {'depth': 3}",
        "word except = {} takes away depth",
        "value  an empty object that was made here is left out",
    ],
    "empty": [
        "key inner",
        "  path properties.missing not there",
        "value  an empty object that was made here is left out",
    ],
    "text": ["path properties.size = 'BIG'", "path properties.missing not there"],
    "choice": ["path properties.missing not there", "path properties.other not there"],
    "expression": [
        "path properties.missing && properties.gift gives nothing",
        "  path properties.missing not there",
        "  path properties.gift = False",
    ],
    '["${properties.missing}"]': [
        "path properties.missing not there",
        "key ${properties.missing} the key has no text, so there is no field",
    ],
    "family": [
        "path parts.agent.browser.family",
        "  path context.userAgent no context",
    ],
}


def test_why_a_field_is_absent(target: Destination) -> None:
    [request] = requests(explained(target, event("track", properties=PROPERTIES)))
    assert {each["output"]: lines(each["details"]) for each in request["absent"]} == ABSENT


SHIPPED = Destination(Library([]).load("user_com"), Recorder())
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(("file", "line", "count"), [("web", 4, 4), ("server", 1, 17), ("mobile", 4, 10)])
def test_every_absent_field_of_a_sample_has_a_reason(file: str, line: int, count: int) -> None:
    """Each member of `fields` is sent or absent; what is absent says what was tried, and what came of it."""
    value = orjson.loads((SAMPLES / f"{file}.ndjson").read_bytes().splitlines()[line - 1])
    found = requests(explained(SHIPPED, value))
    absent = [each for request in found for each in request["absent"]]
    assert len(absent) == count
    assert [each["output"] for each in absent if not any(detail["note"] for detail in flat(each["details"]))] == []


def flat(details: list[Any]) -> list[Any]:
    return [each for detail in details for each in (detail, *flat(detail["inner"]))]


TRAITS = {"email": "a@example.com", "password": "p", "plan": " pro ", "bells": [{"tone": 1}, {"tone": 2, "loud": 1}]}
SENT = {
    "email": (["traits.email"], []),
    "bells[0].tone": (["traits.bells[0].tone"], []),
    "bells[1].tone": (["traits.bells[1].tone"], []),
    "bells[1].loud": (["traits.bells[1].loud"], []),
    "id": (["userId"], ["path userId = 'u1'"]),
    "mail": (["traits.email"], ["path parts.mail = 'a@example.com'", "  path traits.email = 'a@example.com'"]),
    "key": ([], ["path settings.api_key = '***'", "function sha256 = '***'"]),
    "plan": (["traits.plan"], ["path traits.plan = ' pro '", "function trim = 'pro'", "function uppercase = 'PRO'"]),
}


def test_what_was_made_of_what_is_sent(target: Destination) -> None:
    send, ring = explained(target, event("identify", traits=TRAITS))["steps"]
    [request] = send["requests"]
    found = {each["output"]: (each["from"], lines(each["details"])) for each in request["fields"]}
    assert found == SENT
    assert lines(send["decisions"]) == ["condition when traits.email = True holds"]
    assert [[each["output"] for each in request["fields"]] for request in ring["requests"]] == [["tone", "number"]]
    assert lines(ring["decisions"]) == [
        "condition unless traits.quiet = True does not hold",
        f"path traits.bells = {TRAITS['bells']!r}",
    ]


def test_each_output_field_names_its_line(target: Destination) -> None:
    [request] = requests(explained(target, event("page", properties={"url": "u", "lines": [{"sku": "a"}]})))
    text = MAPPING.read_text(encoding="utf-8").splitlines()
    found = {each["output"]: text[each["line"] - 1].split(":")[0].strip() for each in request["fields"]}
    assert found == {"lines[0].sku": "lines", "list[0]": "list", "list[1]": "list", "whole.url": "whole"}


DECIDED = {
    "no such call": (event("group", groupId="g"), ["calls calls the mapping has identify, track, page"]),
    "no id": (event("track", userId=None), ["event the event itself"]),
    "switched off": (event("track", integrations={"All": False}), ["event its integrations"]),
    "required": (
        event("identify", userId=None, anonymousId="a", traits={"email": "e"}),
        ["value calls.identify[0].merge[1].fields.id", "  path userId null"],
    ),
    "when": (
        event("identify", traits={"quiet": True}),
        [
            "condition when traits.email = False does not hold",
            "condition unless traits.quiet = False holds",
        ],
    ),
    "require": (event("page"), ["condition require properties.url = False does not hold"]),
}


@pytest.mark.parametrize("name", DECIDED)
def test_what_decides(name: str, target: Destination) -> None:
    value, expected = DECIDED[name]
    explanation = explained(target, value)
    assert explanation["outcome"] in ("ignored", "invalid")
    assert lines(explanation["decided_by"]) == expected


def test_what_reached_no_request(target: Destination) -> None:
    explanation = explained(target, event("track", properties=PROPERTIES, context={"userAgent": "curl/8"}))
    assert explanation["reached_no_request"] == [
        "timestamp",
        "event",
        "properties.size",
        "properties.blank",
        "properties.gift",
        "properties.box.depth",
        "properties.extra",
    ]
    read_in = {
        each["path"]: [(one["call"], one["line"]) for one in each["read_in"]] for each in explanation["event_fields"]
    }
    assert read_in["properties.extra"] == [("page", 63)]
    assert read_in["event"] == []


TRAITS_OF_CONTEXT = {"traits": {"email": "e@example.com"}}
EMPTY = [[], [[]], {}]
AS_IT_CAME: dict[str, tuple[Json, str, list[tuple[Json, list[str], bool]]]] = {
    "traits of the context": (
        event("identify", context=TRAITS_OF_CONTEXT),
        "context.traits",
        [("e@example.com", ["email", "mail"], True)],
    ),
    "a number that becomes text": (
        event("page", userId=5, properties={"url": "u"}),
        "userId",
        [(5, ["list", "list[1]"], False)],
    ),
    "a time that cannot be read": (event("track", timestamp="noon"), "timestamp", [("noon", [], False)]),
    "blank text": (event("track", anonymousId=" "), "anonymousId", [(" ", [], False)]),
    "what nothing is sent without": (
        event("page", properties={"url": "u"}),
        "properties",
        [("u", ["list[0]", "whole.url"], True)],
    ),
    "an object that a condition asks for": (
        event("identify", traits={"email": {"a": 1, "b": 2}}),
        "traits.email",
        [(1, ["email.a", "mail.a"], False), (2, ["email.b", "mail.b"], False)],
    ),
    "empty lists and objects": (
        event("identify", traits={"email": "e", "nested": EMPTY}),
        "traits.nested",
        [([], ["nested[0]"], False), ([], ["nested[1][0]"], False), ({}, ["nested[2]"], False)],
    ),
}


@pytest.mark.parametrize("name", AS_IT_CAME)
def test_a_field_is_what_its_author_wrote(name: str, target: Destination) -> None:
    value, asked, expected = AS_IT_CAME[name]
    explanation: Any = only_field(explained(target, value), asked)
    fields = explanation["event_fields"]
    assert [(each["value"], [one["output"] for one in each["reaches"]], each["decides"]) for each in fields] == expected


REPORTED = {
    "userId": ["id-converted"],
    "context": ["trait-hidden"],
    "context.traits.email": ["trait-hidden"],
    "context.traits.phone": [],
    "timestamp": ["timestamp-unreadable", "no-timestamp"],
}


@pytest.mark.parametrize("asked", REPORTED)
def test_a_field_keeps_the_reports_on_it(asked: str, target: Destination) -> None:
    context = {"traits": {"email": "old", "phone": "1"}}
    value = event("identify", userId=5, timestamp="noon", traits={"email": None}, context=context)
    explanation: Any = only_field(explained(target, value), asked)
    assert [each["code"] for each in explanation["reports"]] == REPORTED[asked]


def test_of_a_large_event_it_is_said_what_was_not_looked_at(target: Destination) -> None:
    explanation = explained(target, event("group", groupId="g", traits={f"t{number}": 1 for number in range(1200)}))
    assert (len(explanation["event_fields"]), explanation["event_fields_left_out"]) == (332, 871)


def test_what_a_field_reaches(target: Destination) -> None:
    explanation = explained(target, event("identify", traits=TRAITS))
    found = {
        each["path"]: [(one["name"], one["output"], one["line"]) for one in each["reaches"]]
        for each in explanation["event_fields"]
        if each["path"].startswith(("userId", "traits.email", "traits.bells[1]"))
    }
    assert found == {
        "userId": [("send", "id", 48)],
        "traits.email": [("send", "email", 45), ("send", "mail", 49)],
        "traits.bells[1].tone": [("send", "bells[1].tone", 45), ("ring", "tone", 56)],
        "traits.bells[1].loud": [("send", "bells[1].loud", 45)],
    }
    assert {each["path"]: each["decides"] for each in explanation["event_fields"]}["traits.bells[1].loud"]
