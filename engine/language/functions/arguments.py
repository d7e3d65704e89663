"""What a function does with its value first: read it as text, a number, a list or an object.

Functions test `type(value) is str` (or `list`, `dict`) themselves, because that is the common case and costs almost
nothing; they call these helpers for everything else.
"""

from __future__ import annotations

from decimal import Context, Decimal
from math import isfinite

from engine.language.functions.model import CannotConvert
from engine.language.texts import LONE_SURROGATE, fit, kind_of, read_number, text_of
from engine.records import Json, JsonObject

TOO_LARGE = "the number is too large"
DECIMAL = Context(prec=50, traps=[])
"""How numbers are added and multiplied."""
LONGEST = 1_000_000
"""Characters of a text that a function makes of a shorter one and its parameters."""


def text_from(value: Json) -> str:
    """Read `value` as text: a number becomes its text, a boolean does not (`string` converts it)."""
    text = None if isinstance(value, bool) else text_of(value)
    if text is None:
        raise wrong_kind(value, "text")
    return str.__str__(text)  # the real text of a Secret; the compiler makes the result a Secret again


def check_length(characters: int) -> None:
    """Refuse to make a text that is too long."""
    if characters > LONGEST:
        raise CannotConvert(f"the text would have {characters:,} characters; at most {LONGEST:,} are allowed")


def bytes_from(value: Json) -> bytes:
    """Read `value` as text in UTF-8."""
    text = value if type(value) is str else text_from(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CannotConvert(LONE_SURROGATE) from None


def number_from(value: Json) -> int | float:
    """Read `value` as a finite number; text is read by JSON's grammar."""
    number: Json = read_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise CannotConvert("not a number") if isinstance(value, str) else wrong_kind(value, "a number")
    return finite(number)


def finite(number: float) -> int | float:
    """Return a number that JSON can represent: an integer within 64 bits or a float, never an infinity."""
    fitting = fit(number) if isinstance(number, int) else number
    if isfinite(fitting):
        return fitting
    raise CannotConvert(TOO_LARGE)


def whole_or_float(number: float) -> int | float:
    """Return a whole number without decimals: 4, not 4.0."""
    return finite(int(number)) if number.is_integer() else number


def exact(number: float) -> Decimal:
    """Return a number as a decimal, by its shortest text."""
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


def plain(number: Decimal) -> int | float:
    """Return a decimal as a JSON number: an integer where it is whole and fits in 64 bits."""
    if number == number.to_integral_value() and abs(number) < 2**63:
        return int(number)
    return whole_or_float(finite(float(number)))


def list_from(value: Json) -> list[Json]:
    """Read `value` as a list; null items are left to the function."""
    if isinstance(value, list):
        return value
    raise wrong_kind(value, "a list")


def object_from(value: Json) -> JsonObject:
    """Read `value` as an object."""
    if isinstance(value, dict):
        return value
    raise wrong_kind(value, "an object")


def wrong_kind(value: Json, wanted: str) -> CannotConvert:
    """Return the failure of a function that does not take this kind of value."""
    return CannotConvert(f"{kind_of(value)} is not {wanted}")
