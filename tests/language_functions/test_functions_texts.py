"""The text of values, JSON in texts, what people are shown, and numbers read from texts."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.texts import compact_json, fit, kind_of, read_number, shown, text_of
from engine.records import Json, Secret


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (2**64 - 1, "18446744073709551615"),
        (100.0, "100"),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, "9007199254740992.0"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (None, None),
        ([], None),
        ({}, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (-(10**5000), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_text_of(value: Json, text: str | None) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1))
def test_a_number_in_a_text_looks_as_in_a_body_but_whole_numbers_have_no_point(value: float) -> None:
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    assert text_of(value) == (str(int(value)) if is_whole else orjson.dumps(value).decode())


def test_a_secret_is_its_own_text() -> None:
    secret = Secret("key")
    assert text_of(secret) is secret


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True, "ü"]}, '{"a":[1,null,true,"ü"]}'),
        ("\ud800ü", '"\\ud800\\u00fc"'),
        ([2**70], "[1180591620717411303424]"),
        (nested(300), "[" * 300 + "1" + "]" * 300),
        ({"key": Secret("real")}, '{"key":"real"}'),
    ],
)
def test_compact_json(value: Json, text: str) -> None:
    assert compact_json(value) == text


def test_what_cannot_be_json() -> None:
    with pytest.raises(ValueError, match=r"^nested too deeply to be written as JSON$"):
        compact_json(nested(100_000))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", '"short"'),
        ('a"\n', '"a\\"\\n"'),
        ("x" * 60, '"' + "x" * 60 + '"'),
        ("x" * 10**6, '"' + "x" * 59 + '…"'),
        ("\ud800", '"\\ud800"'),
        (Secret("key"), '"***"'),
        (Secret("Token key", "Token ***"), '"Token ***"'),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
        (float("nan"), "a number"),
    ],
)
def test_what_people_are_shown(value: Json, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "text"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_kinds_have_names(value: Json, words: str) -> None:
    assert kind_of(value) == words


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-0", 0),
        ("42", 42),
        (" 42\n", 42),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("-9223372036854775808", -(2**63)),
        ("9" * 50, 1e50),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("1e999999", math.inf),
        ("-" + "9" * 5000, -math.inf),
        ("0." + "1" * 100_000, 1 / 9),
    ],
    ids=lambda value: str(value)[:30],
)
def test_numbers_are_read_by_the_grammar_of_json(text: str, number: float) -> None:
    read = read_number(text)
    assert read == number
    assert type(read) is type(number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "0x10",
        "1_000",
        "1,5",
        "1 000",
        "NaN",
        "Infinity",
        "٣",
        "²",
        "1\0",
        "--1",
        "true",
    ],
)
def test_all_else_is_no_number(text: str) -> None:
    assert read_number(text) is None


@given(st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_is_read_as_a_json_reader_would(text: str) -> None:
    try:
        wanted = orjson.loads(text)
    except orjson.JSONDecodeError:  # a zero in front, or beyond what a float can be
        assert read_number(text) is None or math.isinf(read_number(text) or 0)
    else:
        assert read_number(text) == wanted


def test_large_integers_become_floats() -> None:
    assert fit(2**64 - 1) == 2**64 - 1
    assert type(fit(2**64)) is float
    assert fit(10**400) == math.inf
    assert fit(-(10**400)) == -math.inf
