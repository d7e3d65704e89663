"""Values as text: the text of a value, compact JSON, text shown to people, and numbers read from text.

Numbers are written as orjson writes them in a body (`0.1`, `true`), so that a value looks the same everywhere; but a
whole number has no `.0`, because data frames make floats of whole columns of ids and phones.  They are read by JSON's
own grammar (RFC 8259, section 6), because Python's `float()` also takes `1_000`, `nan`, `Infinity` and the digits of
other scripts, which no vendor's system would.
"""

from __future__ import annotations

import re
from math import isfinite

import orjson

from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, Secret

LONGEST_SHOWN = 60
LONE_SURROGATE = "it contains a lone surrogate (half a character)"
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number by JSON's grammar; its groups, the fraction and the exponent, are empty where it is a whole number."""

INVISIBLE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Python counts as printable although nothing is seen: fillers, variation selectors, the Braille blank.

From Default_Ignorable_Code_Point of the Unicode Character Database, and U+2800."""

_VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|^-?\d[\d.]*(?= (?:is|does|has) )')
"""What a reason says about a value: texts in quotes, and a number that is the subject of its sentence."""

_PLAIN = bytes(range(0x20, 0x7F))
"""The characters of ASCII that are always seen."""

EXACT_BELOW = 2.0**53
"""Floats are exact whole numbers below this; from here on neighboring integers are one float."""

_LONGEST_INTEGER = 20  # characters; longer ones are read as a float, which is fast at any length


def text_of(value: Json) -> str | None:
    """Return the text of a scalar; None for null, objects and lists, which have none."""
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value) if SMALLEST_INTEGER <= value <= LARGEST_INTEGER else _text_of_float(_as_float(value))
    return _text_of_float(value) if type(value) is float else None


def whole(value: float) -> int | None:
    """Return the integer that a float such as 12345.0 stands for; None where it has a fraction or is not exact."""
    return int(value) if -EXACT_BELOW < value < EXACT_BELOW and value.is_integer() else None


def is_inexact(value: Json) -> bool:
    """Whether `value` is a float so large that it may not be the number that was meant."""
    return type(value) is float and not -EXACT_BELOW < value < EXACT_BELOW


def _text_of_float(value: float) -> str | None:
    """Return the digits of a whole number (JSON has one 12345, however it is written), else what JSON says."""
    number = whole(value)
    if number is not None:
        return str(number)
    return orjson.dumps(value).decode() if isfinite(value) else None


def compact_json(value: Json) -> str:
    """Write `value` as JSON without spaces; ValueError where that is impossible (nested too deeply, an infinity)."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # lone surrogates, integers beyond 64 bits, more than 254 levels: rare
        return _compact_json_slowly(value)


def _compact_json_slowly(value: Json) -> str:
    import json

    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply to be written as JSON") from None


def shown(value: Json) -> str:
    """Show `value` to people: at most 60 characters of a text, secrets masked, objects and lists by their kind."""
    if isinstance(value, str):
        text = value.masked if isinstance(value, Secret) else value
        return compact_json(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…")
    return text_of(value) or kind_of(value)


def visible(text: str) -> str:
    """Write characters that cannot be seen, or that reorder what can be, as JSON's escapes.

    Those are control codes (C0, DEL, C1), line ends, bidirectional and other format characters, what fonts show as
    nothing, and half characters.  In a JSON text the result means the same.
    """
    if text.isprintable() and (text.isascii() or not INVISIBLE.search(text)):
        return text
    return "".join(each if each.isprintable() and not INVISIBLE.match(each) else _escaped(each) for each in text)


def shortened(text: str, length: int) -> str:
    """Return at most `length` characters of a text."""
    return text if len(text) <= length else text[: length - 1] + "…"


def visible_json(raw: bytes) -> bytes:
    """Do the same as `visible` to JSON as orjson writes it, which has no control codes but DEL.

    Looking at what is not plain ASCII alone takes a twentieth of the time (24 -> 1 us for 2.4 KB).
    """
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    doubtful = raw.translate(None, _PLAIN).decode()
    return raw if visible(doubtful) == doubtful else visible(raw.decode()).encode()


def visible_lines(text: str) -> str:
    """Make every line of a text of our own visible; its line ends stay."""
    return "\n".join(map(visible, text.split("\n")))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def kind_of_reason(reason: str) -> str:
    """Return a reason without the values in it, the same for reasons that differ only in these."""
    return _VALUE.sub('"', reason)


def kind_of(value: Json) -> str:
    """Name the kind of a JSON value for use in a sentence: `text`, `a number`, `an object`."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else "a list"


def read_number(text: str) -> int | float | None:
    """Read a number by JSON's grammar, ignoring whitespace around it; None if it is not one. `1e999` is infinite."""
    text = text.strip()
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    if match.lastindex is None and len(text) <= _LONGEST_INTEGER:
        number = int(text)
        return number if number <= LARGEST_INTEGER else float(number)
    return float(text)


def fit(number: int) -> int | float:
    """Return `number`, as a float where it does not fit in 64 bits: an infinity where even that is too small."""
    return number if SMALLEST_INTEGER <= number <= LARGEST_INTEGER else _as_float(number)


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
