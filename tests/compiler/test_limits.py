"""No event makes more than its mapping allows: bodies, requests, copies, and what is kept while they are made."""

from __future__ import annotations

import json
import time
import tracemalloc
from math import inf
from typing import cast

import orjson
import pytest
from hypothesis import given, settings

from engine.compiler.growth import MOST_TOGETHER, READ, REWRITTEN, ValueGrowth, converted, either
from engine.events.normalizing import normalize_json
from engine.language.bodies import encoded
from engine.language.budget import COPIED
from engine.language.functions import FUNCTIONS, CannotConvert, Noted, bind
from engine.language.sizes import ENDLESS, json_size
from engine.plan import BYTES_PER_CHARACTER, Connection
from engine.records import Json, JsonObject, Plan
from tests import oracle
from tests.compiler.hostile import LAST, PARTS, PROPERTIES, SIZE, VALUES
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING, DEFAULT_NOW
from tests.language.generate import Generated, generated
from tests.runners import destination
from tests.test_language_property import QUIET, RECEIVED

MEGABYTE = 1024 * 1024
COPIES = "the mapping would copy more than 2,000,000 characters and values of this event"
MOST_MEMORY = 48 * MEGABYTE
"""Most is needed where a list is doubled six times, the most that the checks allow, and every item becomes a member of
one object: 410,000 members of 115 bytes, which `max_bytes` refuses afterwards. All else stays below 32 MB."""
MEGABYTE_BUT_A_BIT = MEGABYTE - 10
MOST_READ = 2_000_000
"""Characters that loops read at most; how many it were is not known here."""
EVENTS = {name: orjson.dumps({**DEFAULT_EVENT, "event": "E", "properties": each}) for name, each in PROPERTIES.items()}


def connection(step: JsonObject, **more: Json) -> Connection:
    mapping = {**DEFAULT_MAPPING, "calls": {"track": [{"request": "send", **step}]}, **more}
    return Connection(destination(json.dumps(mapping)), {})


def planned(step: JsonObject, properties: JsonObject, **more: Json) -> Plan:
    event = {**DEFAULT_EVENT, "event": "E", "properties": properties}
    plan = connection(step, **more).plan_json(orjson.dumps(event), now=DEFAULT_NOW)
    assert plan[:3] == connection(step, **more).plan(event, now=DEFAULT_NOW)[:3]  # the size is not known here
    return plan


def _cases() -> list[object]:
    found = []
    for name, value in VALUES.items():
        parts = PARTS if LAST in json.dumps(value) else {"no parts": {}}
        found += [pytest.param(value, made, id=f"{name}, {which}") for which, made in parts.items()]
    return found


@pytest.mark.parametrize(("value", "parts"), _cases())
def test_a_hostile_event_makes_a_body_within_the_limit_or_none(value: Json, parts: JsonObject) -> None:
    target = connection({"fields": {"a": value}}, **({"parts": parts} if parts else {}))
    for name in ("many objects",):
        plan = target.plan_json(EVENTS[name], now=DEFAULT_NOW)
        assert all(len(orjson.dumps(request.body)) <= MEGABYTE for request in plan.requests), name


@pytest.mark.slow
@pytest.mark.parametrize(("value", "parts"), _cases())
def test_nothing_large_is_made_on_the_way_to_a_body(value: Json, parts: JsonObject) -> None:
    """Neither by what is left out of the body later, nor by what makes the event invalid in the end."""
    target = connection({"fields": {"a": value}}, **({"parts": parts} if parts else {}))
    for name, raw in EVENTS.items():
        assert len(raw) < SIZE * 1.1, name
        tracemalloc.start()
        try:
            plan = target.plan_json(raw, now=DEFAULT_NOW)
            assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY, name
        finally:
            tracemalloc.stop()
        assert all(len(orjson.dumps(request.body)) <= MEGABYTE for request in plan.requests), name
        assert len(plan.reports) <= 1000, name


@pytest.mark.slow
@pytest.mark.parametrize(("value", "parts"), _cases())
def test_no_hostile_event_takes_long(value: Json, parts: JsonObject) -> None:
    """Some 50 ms where nothing else runs; this is only far from the minutes that it once was."""
    target = connection({"fields": {"a": value}}, **({"parts": parts} if parts else {}))
    for name, raw in EVENTS.items():
        began = time.process_time()
        target.plan_json(raw, now=DEFAULT_NOW)
        assert time.process_time() - began < 5, name


# The reasons, whole.

CASES: dict[str, tuple[JsonObject, JsonObject, str]] = {
    "a body of more characters than bytes are allowed": (
        {"fields": {"a": "properties.a"}},
        {"a": "a" * MEGABYTE},
        "the body has more than 1,048,576 bytes; max_bytes allows no more (requests.send)",
    ),
    "a body whose characters take several bytes": (
        {"fields": {"a": "properties.a"}},
        {"a": "ä" * (MEGABYTE // 2)},
        "the body has 1,048,584 bytes; max_bytes allows 1,048,576 (requests.send)",
    ),
    "what a loop reads of what is outside it": (
        {"fields": {"a": {"each": "properties.list", "value": "properties.text"}}},
        {"list": [0] * 1000, "text": "t" * 2000},
        f"{COPIES} (calls.track[0].fields.a.value)",
    ),
    "keys that a long one is put before": (
        {"fields": {"a": {"from": "properties", "flatten": True}}},
        {"k" * 16_000: {str(number): 0 for number in range(1900)}},
        f"{COPIES} (calls.track[0].fields.a)",
    ),
    "a long prefix": (
        {"fields": {"a": {"from": "properties", "prefix": "${properties.text}"}}},
        {"text": "t" * 16_000, **{str(number): 0 for number in range(1900)}},
        f"{COPIES} (calls.track[0].fields.a)",
    ),
    "for_each": (
        {"for_each": "properties.list", "where": "item", "fields": {"a": "item"}},
        {"list": [0, 1] * 1001},
        "for_each would make more than 1,000 requests (calls.track[0].for_each)",
    ),
    "for_each with a limit of its own": (
        {"for_each": "properties.list", "max_requests": 2, "fields": {"a": "item"}},
        {"list": [1, 2, 3]},
        "for_each would make more than 2 requests (calls.track[0].for_each)",
    ),
    "all requests together": (
        {"for_each": "properties.list", "fields": {"a": "item"}},
        {"list": ["a" * MEGABYTE_BUT_A_BIT] * 11},
        "the bodies of all requests have more than 10,485,760 bytes together (requests)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_too_much_is_invalid(name: str) -> None:
    step, properties, reason = CASES[name]
    plan = planned(step, properties)
    assert (plan.outcome.value, plan.reason, plan.requests) == ("invalid", reason, ())
    event = {**DEFAULT_EVENT, "event": "E", "properties": properties}
    if "would copy" not in reason:  # the oracle copies whatever it is told to
        mapping = {**DEFAULT_MAPPING, "calls": {"track": [{"request": "send", **step}]}}
        expected = oracle.plan(mapping, {}, event, received_at=None, now=DEFAULT_NOW)
        assert (expected.outcome, expected.place) == ("invalid", reason.rpartition("(")[2].rstrip(")"))


@pytest.mark.parametrize(
    ("step", "properties"),
    [
        ({"fields": {"a": "properties.a"}}, {"a": "a" * (MEGABYTE - len('{"a":""}'))}),
        ({"for_each": "properties.list", "fields": {"a": "item"}}, {"list": [1] * 1000}),
        ({"for_each": "properties.list", "fields": {"a": "item"}}, {"list": ["a" * MEGABYTE_BUT_A_BIT] * 10}),
    ],
    ids=["a body", "for_each", "all requests together"],
)
def test_what_is_just_enough_is_planned(step: JsonObject, properties: JsonObject) -> None:
    assert planned(step, properties).outcome.value == "planned"


@pytest.mark.parametrize(("encode", "size"), [("json", 14), ("form", 12)])
def test_max_bytes_is_for_what_is_sent(encode: str, size: int) -> None:
    """`{"a":"ä b"}` has two bytes more than characters; `a=%C3%A4+b` has ten."""
    requests: JsonObject = {"send": {"path": "/send", "encode": encode, "max_bytes": size - 2}}
    step: JsonObject = {"fields": {"a": "properties.a"}}
    assert planned(step, {"a": "ä b"}, requests=requests).outcome.value == "planned"
    plan = planned(step, {"a": "ä bc"}, requests={"send": {**requests["send"], "max_bytes": size - 2}})  # type: ignore[dict-item]
    assert plan.reason == f"the body has {size - 1} bytes; max_bytes allows {size - 2} (requests.send)"


def test_the_request_for_what_is_missing_has_the_same_body() -> None:
    requests: JsonObject = {
        "send": {"path": "/send", "if_missing": "make"},
        "make": {"path": "/make", "max_bytes": 10},
    }
    plan = planned({"fields": {"a": "properties.a"}}, {"a": "abc"}, requests=requests)
    assert plan.reason == "the body has more than 10 bytes; max_bytes allows no more (requests.send)"


def test_an_item_of_a_batch_is_made_within_the_limits_too() -> None:
    """It is made when the batch is, where nothing could be done about it any more."""
    step: JsonObject = {"fields": {"a": "properties"}}
    more: JsonObject = {
        "requests": {"send": {"batch": "all", "item": {"from": "body", "flatten": True}}},
        "batches": {"all": {"path": "/all", "fields": {"items": "items"}}},
    }
    assert planned(step, {"a": 1}, **more).outcome.value == "planned"
    plan = planned(step, {"k" * 16_000: {str(number): 0 for number in range(1900)}}, **more)
    assert plan.reason == (
        "the mapping would copy more than 2,000,000 characters and values of this event (requests.send.item)"
    )


# The bound that says which bodies need no measuring.


@settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(generated())
def test_no_body_exceeds_its_bound(one: Generated) -> None:
    assert_bounded(one)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, database=None, suppress_health_check=QUIET)
@given(generated())
def test_no_body_exceeds_its_bound_in_many_more(one: Generated) -> None:
    assert_bounded(one)


def assert_bounded(one: Generated) -> None:
    target = Connection(destination(json.dumps(one.mapping, ensure_ascii=False)), one.settings)
    size = len(orjson.dumps(one.event)) + len(orjson.dumps([one.settings, one.replies])) + 500
    check_bound(target, target.plan(one.event, received_at=RECEIVED, now=DEFAULT_NOW, replies=one.replies), 2 * size)


@pytest.mark.parametrize(("value", "parts"), _cases())
def test_no_hostile_body_exceeds_its_bound(value: Json, parts: JsonObject) -> None:
    """Of events a tenth as large, which no limit ends."""
    target = connection({"fields": {"a": value}}, **({"parts": parts} if parts else {}))
    for name in ("quotes", "many keys"):
        properties = {key: _tenth(each) for key, each in PROPERTIES[name].items()}
        raw = orjson.dumps({**DEFAULT_EVENT, "event": "E", "properties": properties})
        check_bound(target, target.plan_json(raw, now=DEFAULT_NOW), len(raw))


def _tenth(value: Json) -> Json:
    if isinstance(value, dict):
        return dict(list(value.items())[: len(value) // 10 + 1])
    return value[: len(value) // 10] if isinstance(value, str | list) else value


def check_bound(target: Connection, plan: Plan, size: float) -> None:
    growth = ValueGrowth(target.mapping)
    size += MOST_READ * BYTES_PER_CHARACTER
    for request in plan.requests:
        steps = (step for steps in target.mapping.calls.values() for step in steps if step.request == request.request)
        bound = either(*(each for step in steps for _, each in growth.bodies(step)))
        body = encoded(request.body, target.mapping.requests[request.request].encode) or b""
        assert len(body) <= REWRITTEN * (bound.times * size + bound.plus)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_makes_more_than_its_entry_says(name: str) -> None:
    function = FUNCTIONS[name]
    values = [value for properties in PROPERTIES.values() for value in [*properties.values(), properties]]
    values += [
        "İ" * 100,
        "ﬃ" * 100,
        "aB" * 100,
        "?aa&bb&cc&" * 50,
        "%ff" * 100,
        1e308,
        5e-324,
        10**18,
        True,
        "a=1&" * 99,
    ]
    for parameters in {json.dumps(dict(example.parameters)) for example in function.examples if not example.reason}:
        given = json.loads(parameters)
        run = bind(name, given)
        bound = converted(READ, name, given)
        for value in values:
            try:
                made = run(value)
            except CannotConvert:
                continue
            while isinstance(made, Noted):
                made = made.value
            assert len(orjson.dumps(made)) <= bound.times * len(orjson.dumps(value)) + bound.plus, (given, value)


# Sizes.


def test_a_size_is_never_more_than_that_of_the_json() -> None:
    shared: Json = {"a": [1, "b", None, True, {}], "ä": []}
    for value in ("", "a", "ä", 1, 1.5, None, [], {}, [[]], shared, [shared] * 3, {"x": shared, "y": shared}):
        assert json_size(cast("Json", value)) <= len(orjson.dumps(value))
    assert json_size([1, {"a": "b"}, []]) == len(b'[1,{"a":"b"},[]]')


def test_a_size_is_found_where_the_json_could_not_be_written() -> None:
    value: Json = "a" * 10
    for _ in range(100):
        value = [value, value]
    assert json_size(value) > 2**100
    deep: Json = []
    for _ in range(5000):
        deep = [deep]
    assert json_size(deep) >= ENDLESS


def test_most_ordinary_events_are_not_measured() -> None:
    """What makes the limits free: 1 KB of a mapping that copies what it reads a few times."""
    target = connection({"fields": {"a": "properties", "b": {"from": "context", "flatten": True}, "c": "userId"}})
    assert target.compiled.calls["track"].largest > 4000
    assert (
        connection({"fields": {"a": "parts.p"}}, parts={"p": {"list": ["properties"] * 400}})
        .compiled.calls["track"]
        .largest
        < 1000
    )
    raw = orjson.dumps({**DEFAULT_EVENT, "event": "E"})
    assert normalize_json(raw).size == len(raw) < inf
    assert (COPIED, MOST_TOGETHER) == (2, 10 * MEGABYTE)


ENVELOPED: dict[str, tuple[Json, int, str]] = {
    "one copy": ({"fields": {"data": "body"}}, 900_000, "planned"),
    "two copies": ({"list": ["body", "body"]}, 600_000, "invalid"),
    "a copy for every item of the event": ({"each": "properties.few", "value": "body"}, 100_000, "invalid"),
    "a copy of what the body copies": ({"list": ["body.a", "body.a", "body.a"]}, 400_000, "invalid"),
    "a text that is written again": ({"fields": {"data": {"from": "body", "as": "json"}}}, 900_000, "planned"),
}


@pytest.mark.parametrize("name", ENVELOPED)
def test_an_envelope_counts_what_it_makes_of_the_body(name: str) -> None:
    envelope, size, outcome = ENVELOPED[name]
    requests: JsonObject = {"send": {"path": "/send", "envelope": envelope}}
    found = planned({"fields": {"a": "properties.x"}}, {"x": "x" * size, "few": [1] * 12}, requests=requests)
    assert found.outcome == outcome, found.reason


def test_bodies_of_a_loop_are_not_copied_by_their_envelopes() -> None:
    """Each is made once for its item, so a thousand of them count no more than without an envelope."""
    envelope: JsonObject = {"fields": {"data": "body", "json": {"from": "body", "as": "json"}}}
    requests: JsonObject = {"send": {"path": "/send", "envelope": envelope}}
    items: Json = [{"a": "x" * 1000} for _ in range(1000)]
    found = planned({"for_each": "properties.list", "from": "item"}, {"list": items}, requests=requests)
    assert (found.outcome, len(found.requests)) == ("planned", 1000)


def test_an_envelope_that_repeats_the_event_for_every_item_is_stopped() -> None:
    requests: JsonObject = {"send": {"path": "/send", "envelope": {"fields": {"data": "body", "all": "properties"}}}}
    items: Json = [{"a": "x" * 100} for _ in range(1000)]
    found = planned({"for_each": "properties.list", "from": "item"}, {"list": items}, requests=requests)
    assert (found.outcome, found.reason) == ("invalid", f"{COPIES} (requests.send.envelope.fields.all)")
