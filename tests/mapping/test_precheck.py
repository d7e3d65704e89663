"""The quick check of a file's shape: whatever it says, the library says too, and mappings that ship do not need more."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path

import pytest

from engine.mapping.schema import files, links, own_validator, plain_schemas, precheck, validation, validator
from engine.mapping.yaml.reader import read
from tests.tables import each

HERE = Path(__file__).parent
SHIPPED = HERE.parent.parent / "mappings"
WHOLE = [*sorted(SHIPPED.glob("*.yaml")), HERE / "valid" / "every_word.yaml"]
FRAGMENTS = [None, True, 1, 1.0, 1.5, -1, "", "x", "5s", "\ud800", [], {}, ["a", "a"], [1, True], {"from": "a"}]
ROUNDS = 40


def library_accepts(value, kind="mapping"):
    return not any(validation._draft_7()(validation._linked_file(kind)).iter_errors(value))


def quick(value, kind="mapping"):
    try:
        return precheck._meets(value, files.read(kind))
    except precheck._Uncertain:
        return None


def spots(value):
    """Every place in a value, as its parent and key."""
    for key, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(member, dict | list):
            yield from spots(member)


def changed(value, chance):
    """A copy with one thing removed, replaced, added, or put where another stands."""
    copy = deepcopy(value)
    places = list(spots(copy))
    (parent, key), (other, word) = chance.choice(places), chance.choice(places)
    change = chance.randrange(4)
    if change == 0:
        del parent[key]
    elif change == 1 and isinstance(parent, dict):
        parent[str(word)] = chance.choice(FRAGMENTS)
    else:
        parent[key] = chance.choice(FRAGMENTS) if change == 2 else deepcopy(other[word])
    return copy


@each("number", range(ROUNDS))
def test_says_what_the_library_says(number):
    chance = random.Random(number)
    value = changed(read(chance.choice(WHOLE)).value, chance)
    assert quick(value) in (None, library_accepts(value))


@each("value", FRAGMENTS)
def test_anything_may_be_given(value):
    assert not precheck.certainly_meets(value, files.read("mapping"))
    assert not precheck.certainly_meets(value, files.read("parts"))


@pytest.mark.parametrize("kind", list(files.FILES))
def test_every_keyword_of_the_schema_files_is_known(kind):
    """The one that is not is the check of an author's schema."""
    unknown = {word for schema in schemas(files.read(kind)) for word in schema} - {
        *precheck.KEYWORDS,
        *precheck.ANNOTATIONS,
        "$ref",
    }
    assert unknown == set()


def schemas(schema):
    """A schema and those inside it."""
    if isinstance(schema, dict):
        yield schema
        for word, rule in schema.items():
            inner = [rule] if word in links.ONE else rule if word in links.SEVERAL else []
            named = [member for name, member in rule.items() if name != "draft_7"] if word in links.NAMED else []
            for each in [*inner, *named]:
                yield from schemas(each)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_mappings_that_ship_need_no_more(path):
    assert precheck.certainly_meets(read(path).value, files.read("mapping"))


OWN = [
    {"type": "string", "minLength": 1},
    {"type": "integer", "enum": [1, 2]},
    {"type": "number"},
    {"type": "boolean"},
    {"enum": [1, "x", True, None, []]},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"allOf": [{"type": "string"}, {"pattern": "^[0-9]+s$"}]},
]


@each("schema", OWN)
def test_a_value_of_a_setting_gets_the_same_answer(schema):
    assert list(map(own_validator(schema), FRAGMENTS)) == list(map(validator(schema), FRAGMENTS))


def test_a_schema_of_the_author_is_left_to_the_library():
    value = read(SHIPPED / "extole.yaml").value
    part = {"from": "userId", "must": {"type": "text"}}
    assert quick({**value, "parts": {"a": part}}) is None
    assert not library_accepts({**value, "parts": {"a": part}})


def test_a_file_that_nests_as_deep_as_yaml_may_is_checked_at_once():
    value = "userId"
    for _ in range(20):
        value = {"each": "properties.items", "value": {"fields": {"a": [value]}}}
    assert quick({"parts": {"a": value}}, "parts")


BODY_SCHEMAS = [
    request["body_schema"]
    for path in SHIPPED.glob("*.yaml")
    for request in read(path).value.get("requests", {}).values()
    if "body_schema" in (request or {})
]
EVERY_WORD = {
    "title": "A schema with every plain word",
    "type": ["object", "null"],
    "required": ["a"],
    "minProperties": 1,
    "maxProperties": 5,
    "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 9},
    "additionalProperties": {
        "anyOf": [{"type": "string", "minLength": 2}, {"type": "integer", "minimum": 3, "maximum": 9}]
    },
    "properties": {
        "a": {"enum": [1, "x", None, 2.5], "description": "An enum"},
        "b": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2, "$comment": "few"},
    },
}
BODIES = [
    {"a": 1, "b": [1.0, 2], "cd": "xy", "e": 4},
    {"a": None, "b": [True]},
    {"a": True},
    {"a": "x", "é": "xy"},
    None,
]


@each("number", range(ROUNDS))
def test_a_plain_schema_of_an_author_is_one_for_the_library(number):
    chance = random.Random(number)
    schema = changed(chance.choice([*BODY_SCHEMAS, EVERY_WORD]), chance)
    if plain_schemas.is_plain(schema):
        assert list(validation._draft_7()(validation._linked_draft_7()).iter_errors(schema)) == []


@each("number", range(ROUNDS))
def test_a_body_that_certainly_meets_a_plain_schema_meets_it(number):
    chance = random.Random(number)
    body = changed({"body": chance.choice(BODIES)}, chance).get("body")
    if validation.certainly_meets(body, EVERY_WORD):
        assert validator(EVERY_WORD)(body) is None


def test_right_bodies_need_no_library():
    assert all(map(plain_schemas.is_plain, [*BODY_SCHEMAS, EVERY_WORD]))
    found = [validation.certainly_meets(body, EVERY_WORD) for body in BODIES]
    assert found == [validator(EVERY_WORD)(body) is None for body in BODIES] == [True, False, False, False, True]
