"""From one kind to another: number, integer, boolean, string."""

from __future__ import annotations

from engine.language.functions.arguments import finite, number_from, wrong_kind
from engine.language.functions.model import BOOLEAN, NUMBER, TEXT, CannotConvert, Example, Function
from engine.language.texts import text_of
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json

_TRUE = ("true", "yes", "on", "y", "t", "1")
_FALSE = ("false", "no", "off", "n", "f", "0")
_BOOLEANS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_JSON_NUMBERS = "https://www.rfc-editor.org/rfc/rfc8259#section-6"


def number(value: Json) -> Json:
    return finite(value) if type(value) is float or type(value) is int else number_from(value)


def integer(value: Json) -> Json:
    given = number_from(value)
    if isinstance(given, int):
        return given
    if not given.is_integer():
        raise CannotConvert("not a whole number")
    whole = int(given)
    if SMALLEST_INTEGER <= whole <= LARGEST_INTEGER:
        return whole
    raise CannotConvert("the integer does not fit in 64 bits")


def boolean(value: Json) -> Json:
    if value is True or value is False:
        return value
    if isinstance(value, str):
        found = _BOOLEANS.get(value.strip().lower())
    elif isinstance(value, int | float):
        found = bool(value) if value in (0, 1) else None
    else:
        raise wrong_kind(value, "a boolean")
    if found is None:
        raise CannotConvert("neither true nor false")
    return found


def string(value: Json) -> Json:
    text = text_of(value)
    if text is None:
        raise wrong_kind(value, "text")
    return text if type(value) is str else str.__str__(text)


FUNCTIONS = (
    Function(
        name="number",
        group="conversions",
        about="The number in a text, by JSON's grammar: no spaces inside, no `1_000`, no `NaN`; `1e3` is fine.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        examples=(
            Example("19.99", 19.99),
            Example(" 42 ", 42),
            Example("-1.5e3", -1500.0),
            Example(7, 7),
            Example("1,000", reason="not a number"),
            Example("007", reason="not a number"),
            Example("", reason="not a number"),
            Example("1e999999", reason="the number is too large"),
            Example(True, reason="a boolean is not a number"),
        ),
        call=number,
        source=_JSON_NUMBERS,
    ),
    Function(
        name="integer",
        group="conversions",
        about="A whole number, without decimals. It does not round; use `round`, `floor` or `ceil` for that.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        examples=(
            Example("42", 42),
            Example("3.0", 3),
            Example(1e3, 1000),
            Example(3.5, reason="not a whole number"),
            Example("3.5", reason="not a whole number"),
            Example(1e30, reason="the integer does not fit in 64 bits"),
            Example("three", reason="not a number"),
        ),
        call=integer,
        source=_JSON_NUMBERS,
    ),
    Function(
        name="boolean",
        group="conversions",
        about=f"True for {', '.join(_TRUE)}; false for {', '.join(_FALSE)}; case and outer spaces are ignored.",
        takes=TEXT | NUMBER | BOOLEAN,
        gives=BOOLEAN,
        examples=(
            Example("true", True),
            Example(" Yes", True),
            Example("OFF", False),
            Example(1, True),
            Example(0, False),
            Example(False, False),
            Example("maybe", reason="neither true nor false"),
            Example("", reason="neither true nor false"),
            Example(2, reason="neither true nor false"),
            Example([], reason="a list is not a boolean"),
        ),
        call=boolean,
    ),
    Function(
        name="string",
        group="conversions",
        about="The text of a number or a boolean, as JSON writes it. For objects and lists, use `json`.",
        takes=TEXT | NUMBER | BOOLEAN,
        gives=TEXT,
        examples=(
            Example(42, "42"),
            Example(0.1, "0.1"),
            Example(-1.5, "-1.5"),
            Example(True, "true"),
            Example("as it is", "as it is"),
            Example({"a": 1}, reason="an object is not text"),
        ),
        call=string,
    ),
)
