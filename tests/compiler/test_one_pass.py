"""One pass gives what the words give one after the other: the same objects in the same order, and the same reports."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiler import optimizations
from engine.compiler.build import build
from engine.compiler.one_pass import LONGEST_KEY, MANY_MEMBERS, MOST_KEYS, Allowed, Keys, NotInOnePass, Whole, put_whole
from engine.language.regex import compile_pattern
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Plan
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING, DEFAULT_NOW
from tests.runners import destination

CHOSEN: JsonObject = {"from": "context", "only": ["a", "A", "b", "a_b"], "rename": {"A": "a"}, "flatten": True}
PATTERN: JsonObject = {"pattern": "^[a-z_]+$", "else": "drop"}
VALUES: dict[str, JsonObject] = {
    "an object of which some keys are kept": CHOSEN,
    "with keys, prefix and default": {**CHOSEN, "keys": PATTERN, "prefix": "p_", "default": {}},
    "kept, then whole": {"merge": ["parts.chosen", "properties"], "flatten": True},
    "whole, then kept": {"merge": ["properties", "parts.chosen"], "flatten": True, "keys": PATTERN},
    "two whole": {"merge": ["properties", "properties.a", "context"], "flatten": True},
    "whole, with fields": {
        "merge": [{"fields": {"a": "userId"}}, "properties", {"fields": {"${event}_b": "properties.b"}}],
        "flatten": "settings.flatten",
        "keys": PATTERN,
    },
    "other separators": {"merge": [{**CHOSEN, "flatten": {"separator": "."}}, "properties"], "flatten": True},
    "fields that report": {"merge": [{"fields": {"${properties.b}": "userId"}}, "properties"], "flatten": True},
}
MEMBERS = st.recursive(
    st.sampled_from([None, 1, "x", [], {}, [{"a": 1}]]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "a_b", "A", "é", "b_a_b", "a.b"]), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "A", "b", "a_b", "a_a", "é", "b_a"]), MEMBERS, max_size=5)


@cache
def both(name: str, flatten: bool) -> tuple[Connection, Connection]:
    """Connect a mapping as it is compiled, and as it is without optimizations."""
    mapping = {
        **DEFAULT_MAPPING,
        "settings": {"flatten": {"title": "F", "about": "F.", "type": "boolean", "default": True}},
        "parts": {"chosen": CHOSEN},
        "calls": {"track": [{"request": "send", "fields": {"it": VALUES[name]}}]},
    }
    one = destination(json.dumps(mapping))
    other = Destination(one.loaded)
    other._compiled = build(other.loaded, optimizations.NONE)
    assert ("put_" in one.compiled.code, "put_" in other.compiled.code) == (True, False)
    return one.connect({"flatten": flatten}), other.connect({"flatten": flatten})


def plans(name: str, flatten: bool, properties: JsonObject, context: JsonObject) -> tuple[Plan, Plan]:
    event: JsonObject = {**DEFAULT_EVENT, "event": "E", "properties": properties, "context": context}
    one, other = both(name, flatten)
    return one.plan(event, now=DEFAULT_NOW), other.plan(event, now=DEFAULT_NOW)


def written(plan: Plan) -> tuple[Any, ...]:
    """Return a plan whose bodies tell the order of their members too."""
    return plan[:2], plan.reports, [json.dumps(request.body) for request in plan.requests]


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=25)
@given(properties=OBJECTS, context=OBJECTS, flatten=st.booleans())
def test_the_words_give_the_same(name: str, properties: JsonObject, context: JsonObject, flatten: bool) -> None:
    one, other = plans(name, flatten, properties, context)
    assert written(one) == written(other)


@pytest.mark.parametrize("last", [{}, {"nested": {"a": 1}}, {"k1": {"a": 1}, "k1_a": 2}, {"é": 1}])
def test_many_members(last: JsonObject) -> None:
    properties = {f"k{number}": number for number in range(2, MANY_MEMBERS + 3)} | last
    for name in ("kept, then whole", "whole, then kept"):
        one, other = plans(name, True, properties, {"a": 1})
        assert written(one) == written(other)


def put(keys: Whole, value: JsonObject) -> JsonObject | None:
    """Put an object into one pass; None where it has to be done word by word."""
    into: JsonObject = {}
    try:
        return into if put_whole(into, value, keys, True, None) == len(into) else None
    except NotInOnePass:
        return None


def held(keys: Keys) -> int:
    return len(keys.names) + sum(1 + held(inner) for inner in keys.inside.values())


def test_keys_are_learned_from_the_first_object_that_has_them() -> None:
    keys = Whole("_", Allowed(compile_pattern("^[ -~]+$")))
    value: JsonObject = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert [put(keys, value), put(keys, value)] == [None, {"a_b": 1, "a_c_d": 2, "e": 3}]


def test_fresh_keys_do_not_fill_the_memory() -> None:
    keys = Whole("_", Allowed(compile_pattern("^[ -~]+$")))
    for number in range(3 * MOST_KEYS):
        value: JsonObject = {f"outer {number % 7} {number // 1000}": {f"key {number}": 1}}
        assert put(keys, value) is None
        assert held(keys) <= MOST_KEYS
    assert put(keys, value) == {f"outer {number % 7} {number // 1000}_key {number}": 1}


@pytest.mark.parametrize("key", ["k" * LONGEST_KEY, "größe"])
def test_a_key_that_is_long_or_not_allowed_is_never_kept(key: str) -> None:
    keys = Whole("_", Allowed(compile_pattern("^[ -~]+$")))
    for _ in range(3):
        assert put(keys, {"a": {"b": 1, key: 2}}) is None
    assert list(keys.inside["a"].names) == ["b"]


def test_what_is_nested_very_deep_is_not_for_one_pass() -> None:
    value: Json = 1
    for _ in range(90):
        value = {"a": value}
    one, other = plans("kept, then whole", True, {"a": value}, {})
    assert written(one) == written(other)
