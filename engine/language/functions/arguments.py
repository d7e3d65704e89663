"""What a function does with its value first: take it as text, as a number, as a list or an object.

Functions test `type(value) is str` (or `list`, `dict`) themselves, because that is the common case and costs
next to nothing; they come here with everything else.
"""

from __future__ import annotations

from math import isfinite

from engine.language.functions.model import CannotConvert
from engine.language.texts import LONE_SURROGATE, fit, kind_of, read_number, text_of
from engine.records import Json, JsonObject

TOO_LARGE = "the number is too large"


def text_from(value: Json) -> str:
    """Take `value` as text: a number counts as its text, a boolean does not (`string` makes it one)."""
    text = None if isinstance(value, bool) else text_of(value)
    if text is None:
        raise mistaken(value, "text")
    return str.__str__(text)  # the real text of a Secret; the compiler knows to keep the result one


def bytes_from(value: Json) -> bytes:
    """Take `value` as text in UTF-8."""
    text = value if type(value) is str else text_from(value)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CannotConvert(LONE_SURROGATE) from None


def number_from(value: Json) -> int | float:
    """Take `value` as a finite number: a text is read by JSON's grammar."""
    number: Json = read_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise CannotConvert("not a number") if isinstance(value, str) else mistaken(value, "a number")
    return finite(number)


def finite(number: float) -> int | float:
    """Return a number that JSON can hold: an integer within 64 bits or a float, never an infinity."""
    fitting = fit(number) if isinstance(number, int) else number
    if isfinite(fitting):
        return fitting
    raise CannotConvert(TOO_LARGE)


def whole_or_float(number: float) -> int | float:
    """Write a whole number without decimals: 4, not 4.0."""
    return finite(int(number)) if number.is_integer() else number


def list_from(value: Json) -> list[Json]:
    """Take `value` as a list; its entries that are null are left to the function."""
    if isinstance(value, list):
        return value
    raise mistaken(value, "a list")


def object_from(value: Json) -> JsonObject:
    """Take `value` as an object."""
    if isinstance(value, dict):
        return value
    raise mistaken(value, "an object")


def mistaken(value: Json, wanted: str) -> CannotConvert:
    """Say that a value is of another kind than the function takes."""
    return CannotConvert(f"{kind_of(value)} is not {wanted}")
