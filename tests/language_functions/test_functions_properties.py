"""What holds for every function and any JSON: a JSON value of a type in `gives`, or CannotConvert; always the same.

Each value is given to all functions: making the values is what takes time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.language.functions import FUNCTIONS, CannotConvert, Function, Noted, bind
from engine.records import Json

KINDS = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}

SIGNS = st.text(st.characters(exclude_categories=[]), max_size=30)  # lone surrogates too
DATES = st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", fullmatch=True)
CLOCKS = st.from_regex(
    r"[Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})?", fullmatch=True
)
TIMES = DATES | st.builds(str.__add__, DATES, CLOCKS)
NUMERALS = st.from_regex(r"\s?-?[0-9_]{1,25}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,6})?\s?", fullmatch=True)
URLS = st.from_regex(r"(https?:)?(//[\w.:@\[\]-]{0,20})?/?[\w%/.]{0,20}(\?[\w=&%+]{0,30})?(#\w*)?", fullmatch=True)
TREES = st.from_regex(r'[\[\]{}":,0-9a-z\\ ]{0,20}', fullmatch=True)
WORDS = st.sampled_from(
    ["true", "no", "NaN", "Infinity", "1e999999", "9" * 5000, "[" * 200, "2019-W35", "2019-244", ""]
)
TEXTS = SIGNS | TIMES | NUMERALS | URLS | TREES | WORDS
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(SIGNS, inner, max_size=5),
    max_leaves=12,
).filter(lambda value: value is not None)


def forms() -> list[tuple[Function, str, Callable[[Json], Json]]]:
    """Return every function, bound with each set of parameters that its examples use."""
    bound = {}
    for function in FUNCTIONS.values():
        for parameters in [dict(example.parameters) for example in function.examples]:
            if all(parameter.name in parameters for parameter in function.parameters if parameter.required):
                name = f"{function.name} {parameters}"
                bound[name] = (function, name, bind(function.name, parameters))
    return list(bound.values())


FORMS = forms()


def converted(convert: Callable[[Json], Json], value: Json) -> tuple[str, object]:
    """Return what came of it (`value`, a note's code, or `refused`) and the result."""
    try:
        result: object = convert(value)
    except CannotConvert as error:
        return "refused", str(error)
    how = "value"
    while type(result) is Noted:
        how, result = f"note {result.code}", result.value
    return how, result


def is_plain(value: object) -> bool:
    """Tell whether JSON can hold `value`: nothing but JSON's types, 64 bits, no infinity."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(member) for key, member in value.items())
    if isinstance(value, list):
        return all(is_plain(entry) for entry in value)
    return value is None or type(value) in (bool, str)


def has_half_characters(value: Json) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def check(value: Json) -> None:
    """Return `value` to every function and see what the module says."""
    whole = not has_half_characters(value)
    for function, name, convert in FORMS:
        how, result = converted(convert, value)
        assert repr(converted(convert, value)) == repr((how, result)), name
        if how == "refused":
            assert 3 < len(str(result)) <= 80, name
            continue
        assert how == "value" or how.removeprefix("note ") in function.notes, name
        assert KINDS[type(value)] in function.takes, name
        assert KINDS[type(result)] in function.gives, name
        assert is_plain(result), name
        if whole:
            orjson.dumps(result)


@given(JSON)
def test_any_value_converts_or_is_refused(value: Json) -> None:
    check(value)


@given(TEXTS)
def test_any_text_converts_or_is_refused(text: str) -> None:
    check(text)


@given(NUMBERS | st.lists(NUMBERS | NUMERALS, max_size=5))
def test_any_numbers_convert_or_are_refused(value: Json) -> None:
    check(value)


@given(st.recursive(st.integers() | st.floats(), st.lists, max_leaves=5))
def test_numbers_that_no_json_reader_gives_do_no_harm(value: Json) -> None:
    for function, name, convert in FORMS:
        how, result = converted(convert, value)
        if how != "refused" and not function.gives & {"object", "list"}:
            assert is_plain(result), name
