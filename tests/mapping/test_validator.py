"""Schemas that authors write (`must`, `body_schema`): what they say of a value, and which are refused."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from engine.mapping.schema import check_schema, validator
from engine.records import Secret

TREE = {
    "definitions": {"node": {"properties": {"next": {"$ref": "#/definitions/node"}, "name": {"type": "string"}}}},
    "$ref": "#/definitions/node",
}
VALUES = [
    # schema, value, what is said or None
    ({}, {"a": [1]}, None),
    (True, 1, None),
    (False, 1, "1 is not allowed here"),
    ({"type": "string"}, "a", None),
    ({"type": "number"}, "a", '"a" is not a number'),
    ({"type": "integer"}, 1.5, "1.5 is not a whole number"),
    ({"type": "integer"}, 2.0, None),
    ({"type": "integer"}, True, "true is not a whole number"),
    ({"type": ["string", "null"]}, 5, "5 is not text or null"),
    ({"type": "boolean"}, {}, "an object is not true or false"),
    ({"enum": ["a", 1, None]}, "b", '"b" is not one of "a", 1, null'),
    ({"enum": [1]}, True, "true is not one of 1"),
    ({"enum": list(range(11))}, -1, "-1 is not one of the 11 allowed values"),
    ({"const": {"a": 1}}, {"a": 2}, 'an object is not {"a":1}'),
    ({"minimum": 0}, -1, "-1 is less than 0"),
    ({"maximum": 5}, 6, "6 is more than 5"),
    ({"exclusiveMinimum": 0}, 0, "0 is not more than 0"),
    ({"exclusiveMaximum": 5}, 5, "5 is not less than 5"),
    ({"multipleOf": 0.1}, 0.25, "0.25 is not a multiple of 0.1"),
    ({"minLength": 3}, "ab", '"ab" is shorter than 3 characters'),
    ({"maxLength": 3}, "abcd", '"abcd" is longer than 3 characters'),
    ({"maxLength": 3}, "x" * 100, f'"{"x" * 59}…" is longer than 3 characters'),
    ({"pattern": "^[a-z]+$"}, "abc", None),
    ({"pattern": "^[a-z]+$"}, "abc\n", '"abc\\n" does not match the pattern ^[a-z]+$'),
    ({"pattern": "b"}, "abc", None),
    ({"pattern": "é"}, "café", None),
    ({"pattern": "a"}, "\ud800", '"\\ud800" does not match the pattern a'),
    ({"pattern": "a"}, 5, None),
    ({"format": "email"}, "no address", None),
    ({"minItems": 1}, [], "a list has fewer than 1 entries"),
    ({"maxItems": 1}, [1, 2], "a list has more than 1 entries"),
    ({"uniqueItems": True}, [1, 1], "a list has a duplicate entry"),
    ({"uniqueItems": True}, [1, True], None),
    ({"contains": {"const": 1}}, [2], "a list lacks an entry that it must contain"),
    ({"items": {"type": "string"}}, ["a", 1], "[1] (1) is not text"),
    ({"items": [{"type": "string"}], "additionalItems": {"type": "number"}}, ["a", "b"], '[1] ("b") is not a number'),
    ({"required": ["a", "b"]}, {"c": 1}, 'an object has no "a" and no "b"'),
    ({"minProperties": 1}, {}, "an object has fewer than 1 keys"),
    ({"maxProperties": 1}, {"a": 1, "b": 2}, "an object has more than 1 keys"),
    ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "a (1) is not text"),
    (
        {"properties": {"a": {"properties": {"b c": {"items": {"type": "string"}}}}}},
        {"a": {"b c": ["x", None]}},
        'a["b c"][1] (null) is not text',
    ),
    (
        {"properties": {"a": {}}, "additionalProperties": False},
        {"a": 1, "b": 2},
        'an object must not have "b"',
    ),
    (
        {"properties": {"x": {"properties": {}, "additionalProperties": False}}},
        {"x": {"b": 2}},
        'x (an object) must not have "b"',
    ),
    ({"additionalProperties": {"type": "string"}}, {"a": "b", "c": 1}, "c (1) is not text"),
    (
        {"patternProperties": {"^x_": {"type": "string"}}, "additionalProperties": False},
        {"x_a": "b", "y": 1},
        'an object must not have "y"',
    ),
    ({"patternProperties": {"^x_": {"type": "string"}}}, {"x_a": 1}, "x_a (1) is not text"),
    ({"propertyNames": {"pattern": "^[a-z]+$"}}, {"A": 1}, '"A" does not match the pattern ^[a-z]+$'),
    ({"dependencies": {"a": ["b"]}}, {"a": 1}, 'an object has "a" and therefore needs "b"'),
    ({"dependencies": {"a": {"required": ["c"]}}}, {"a": 1}, 'an object has no "c"'),
    ({"not": {"type": "string"}}, "a", "\"a\" is excluded by the schema's `not`"),
    ({"allOf": [{"type": "string"}, {"minLength": 2}]}, "a", '"a" is shorter than 2 characters'),
    ({"anyOf": [{"type": "string"}, {"type": "number"}]}, None, "null is not text or a number"),
    ({"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}, {}, 'an object has no "a"'),
    ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 5, "5 meets several of the schema's alternatives, not one"),
    ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "number"}}, None, "null is not a number"),
    (TREE, {"next": {"next": {"name": 1}}}, "next.next.name (1) is not text"),
    ({"$ref": "#/definitions/a b~1c", "definitions": {"a b/c": {"type": "string"}}}, 1, "1 is not text"),
    ({"$ref": "#/definitions/a%20b", "definitions": {"a b": {"type": "string"}}}, 1, "1 is not text"),
    ({"$ref": "#/anyOf/0", "anyOf": [{"type": "string"}]}, 1, "1 is not text"),
    ({"enum": [{"$ref": "http://x.example"}]}, {"$ref": "http://x.example"}, None),
    ({"$id": "http://x.example/y", "$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}}, 1, "1 is not null"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "expected"), VALUES)
def test_says_what_is_wrong_with_a_value(schema, value, expected):
    assert validator(schema)(value) == expected
    assert check_schema(schema) is None
    assert Draft7Validator(schema).is_valid(value) is (expected is None or value == "abc\n")


def test_shows_no_secret():
    assert validator({"pattern": "^a$"})(Secret("hidden")) == '"***" does not match the pattern ^a$'


BAD = [
    # schema, what is said; the first four cannot be run either
    (
        {"$ref": "http://x.example/y"},
        '"$ref": "http://x.example/y" points outside this schema; only "#/..." is supported.',
    ),
    ({"$ref": "other.json#/a"}, '"$ref": "other.json#/a" points outside this schema; only "#/..." is supported.'),
    ({"items": {"$ref": "#/definitions/a"}}, '"$ref": "#/definitions/a" does not exist in this schema.'),
    ({"$ref": "#/title", "title": "a"}, '"$ref": "#/title" is not a schema.'),
    ({"$ref": "#"}, 'A "$ref" in this schema refers back to itself, so checking would never end.'),
    (
        {"definitions": {"a": {"anyOf": [{"$ref": "#/definitions/b"}]}, "b": {"not": {"$ref": "#/definitions/a"}}}},
        'A "$ref" in this schema refers back to itself, so checking would never end.',
    ),
    ({"pattern": "("}, '"(" is not a valid RE2 pattern: missing ).'),
    ({"pattern": "(?=a)"}, '"(?=a)" is not a valid RE2 pattern: invalid perl operator: (?=.'),
    ({"pattern": "(a)\\1"}, '"(a)\\1" is not a valid RE2 pattern: invalid escape sequence: \\1.'),
    ({"patternProperties": {"[": {}}}, '"[" is not a valid RE2 pattern: missing ].'),
]
BAD_DRAFT_7 = [
    ({"type": "text"}, 'This is not a JSON Schema (draft 7): type ("text") is not one of "array", "boolean", "integer", "null", "number", "object", "string".'),
    ({"properties": {"a": {"minLength": -1}}}, "This is not a JSON Schema (draft 7): properties.a.minLength (-1) is less than 0."),
    ({"required": "a"}, 'This is not a JSON Schema (draft 7): required ("a") is not a list.'),
    ({"properties": {"a": "string"}}, 'This is not a JSON Schema (draft 7): properties.a ("string") is not an object or true or false.'),
    (5, "This is not a JSON Schema (draft 7): 5 is not an object or true or false."),
    ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, '"$schema" names another version; only draft 7 (http://json-schema.org/draft-07/schema#) is supported.'),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), BAD)
def test_refuses_schemas_that_cannot_run(schema, expected):
    assert check_schema(schema) == expected
    with pytest.raises(ValueError) as caught:
        validator(schema)
    assert str(caught.value) == expected


@pytest.mark.parametrize(("schema", "expected"), BAD_DRAFT_7)
def test_refuses_what_is_no_draft_7(schema, expected):
    assert check_schema(schema) == expected


def test_accepts_that_it_is_draft_7():
    assert check_schema({"$schema": "http://json-schema.org/draft-07/schema#"}) is None
    assert check_schema({"$schema": "http://json-schema.org/draft-07/schema"}) is None


def test_patterns_never_backtrack():
    start = time.process_time()
    assert validator({"pattern": "^(a+)+$"})("a" * 50_000 + "b") is not None
    assert time.process_time() - start < 1


def test_deep_values_are_refused_and_do_not_crash():
    value = {}
    for _ in range(5_000):
        value = {"next": value}
    assert validator(TREE)(value) == "the value is nested too deeply to be checked"


def test_many_definitions_are_quick():
    names = [f"n{number}" for number in range(3_000)]
    chain = {name: {"$ref": f"#/definitions/{after}"} for name, after in pairwise(names)}
    schema = {"definitions": {**chain, names[-1]: {}}}
    start = time.process_time()
    assert check_schema(schema) is None
    assert time.process_time() - start < 5


simple = st.sampled_from([
    {"type": "string"}, {"type": ["number", "null"]}, {"minLength": 1}, {"enum": ["a", 1]}, {"required": ["a"]}, {"minimum": 1},
    {"pattern": "a"}, {"uniqueItems": True}, True, {"const": "a"}, {"maxItems": 1},
])  # fmt: skip
schemas = st.recursive(
    simple,
    lambda inner: (
        st.fixed_dictionaries({}, optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner), "additionalProperties": inner | st.just(False),
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b"]), inner), "items": inner | st.lists(inner, min_size=1),
            "anyOf": st.lists(inner, min_size=1), "oneOf": st.lists(inner, min_size=1), "allOf": st.lists(inner, min_size=1),
            "not": inner, "if": inner, "then": inner, "else": inner, "contains": inner, "propertyNames": inner,
            "dependencies": st.dictionaries(st.sampled_from("ab"), inner | st.just(["b"])), "additionalItems": inner,
        })
    ),
    max_leaves=8,
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b", "ba"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


@given(schemas, values)
def test_accepts_exactly_what_jsonschema_accepts(schema, value):
    said = validator(schema)(value)
    assert (said is None) is Draft7Validator(schema).is_valid(value)
    assert said is None or said.strip()
