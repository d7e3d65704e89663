"""Reads bytes that are almost JSON: one bad character must not cost an event, nor an event its batch.

JavaScript and Python write half a surrogate pair where a text was cut inside an emoji, which JSON's grammar allows;
Segment's API, which is written in Go, reads it as U+FFFD.  Python's json writes NaN and Infinity.  Windows programs
put a byte order mark before UTF-8.  Files of events and the collector read all of that here, in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from math import isinf
from typing import NamedTuple

import orjson

from engine.records import Json, Report

BOM = b"\xef\xbb\xbf"
CODE = "json-repaired"
WITHOUT_MARK = "a byte order mark was left out"
NOT_UTF_8 = "bytes that are not UTF-8 were replaced by U+FFFD"
HALVES = "half characters (lone surrogates) were replaced by U+FFFD: {}"
NO_NUMBERS = "numbers that JSON cannot represent (NaN, Infinity, too large) became null: {}"

_LONE_SURROGATE = re.compile(
    rb"\\(?:(?P<valid>\\|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""An escaped backslash or a whole surrogate pair, which stay; or a lone surrogate, which does not.

It begins with one certain character, which is looked for twenty times as fast as one of two alternatives is.
"""
_NUMBER = re.compile(
    rb"(?<![\w.+-])-?(?:NaN|Infinity|[0-9]++(?:\.[0-9]++)?(?:[eE]\+?[0-9]++)?)(?![\w.])",
)
"""A number, as JSON or Python writes it; where it is not in a text, it is one."""
_LONGEST_FINITE = 300
"""A number with fewer characters and no exponent is finite."""
_ALIKE = bytes.maketrans(b"123456789+E", b"0000000000e")
_MARKS = (b"NaN", b"Infinity", b"0e000", b"0" * _LONGEST_FINITE)
"""A number that is not a finite float has one of these in it, once its digits, a plus and an E are `_ALIKE`."""


class Repaired(NamedTuple):
    """What was read: the value, its bytes as JSON, and what was changed in them."""

    value: Json
    raw: bytes
    reports: tuple[Report, ...]


class _Substitutes(NamedTuple):
    """What takes the place of what JSON cannot represent: how bytes are decoded, a half character, and a number."""

    errors: str = "replace"
    half: bytes = b"\\ufffd"
    number: bytes = b"null"


_AS_READ = _Substitutes()
_FOUND_BY = (_Substitutes(errors="ignore"), _Substitutes(half=b""), _Substitutes(number=b"false"))
"""Each differs in one substitute, so that what it changes in an event shows what was repaired there."""


def read_repaired(raw: bytes) -> Repaired | None:
    """Read bytes that orjson refuses, with what JSON cannot represent replaced; None where they are not JSON then.

    Half a character and what is not UTF-8 become U+FFFD; NaN, infinities and numbers too large for a float become
    null; a byte order mark is left out.
    """
    changes: list[str] = []
    text = _without_mark(raw, changes)
    tried = 0
    for repaired in (_with_whole_characters, _with_finite_numbers):
        text = repaired(text, _AS_READ, changes)
        if len(changes) == tried:
            continue
        tried = len(changes)
        try:
            value: Json = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        return Repaired(value, text, tuple(map(repair_report, changes)))
    return None


def reports_of_items(raw: bytes, name: str, shared: Collection[str]) -> list[tuple[Report, ...]]:
    """Return what `read_repaired` changed in each item of the list `name` of an object, or in the `shared` members."""
    read = _written_items(raw, _AS_READ, name, shared)
    reports: list[list[Report]] = [[] for _ in read]
    for substitutes in _FOUND_BY:
        for item, text, other in zip(reports, read, _written_items(raw, substitutes, name, shared), strict=True):
            if text != other:
                item.append(repair_report(_change(text, other, substitutes)))
    return [tuple(item) for item in reports]


def _written_items(raw: bytes, substitutes: _Substitutes, name: str, shared: Collection[str]) -> list[bytes]:
    value = orjson.loads(_repaired_text(raw, substitutes, []))
    about_all = _written({key: value.get(key) for key in shared})
    return [about_all + _written(item) for item in value[name]]


def _written(value: Json) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # nested too deeply to be an event
        return b""


def _change(text: bytes, other: bytes, substitutes: _Substitutes) -> str:
    if substitutes.errors != _AS_READ.errors:
        return NOT_UTF_8
    if substitutes.half != _AS_READ.half:
        mark = "\ufffd".encode()
        return HALVES.format(text.count(mark) - other.count(mark))
    return NO_NUMBERS.format(text.count(_AS_READ.number) - other.count(_AS_READ.number))


def repair_report(change: str) -> Report:
    """Return the report about a change to the bytes of an event; nothing says where in it."""
    return Report(CODE, "message", change)


def _repaired_text(raw: bytes, substitutes: _Substitutes, changes: list[str]) -> bytes:
    text = _without_mark(raw, changes)
    text = _with_whole_characters(text, substitutes, changes)
    return _with_finite_numbers(text, substitutes, changes)


def _without_mark(raw: bytes, changes: list[str]) -> bytes:
    if not raw.startswith(BOM):
        return raw
    changes.append(WITHOUT_MARK)
    return raw.removeprefix(BOM)


def _with_whole_characters(raw: bytes, substitutes: _Substitutes, changes: list[str]) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raw = raw.decode(errors=substitutes.errors).encode()
        changes.append(NOT_UTF_8)
    halves = 0

    def replaced(found: re.Match[bytes]) -> bytes:
        nonlocal halves
        if found["valid"] is not None:
            return found[0]
        halves += 1
        return substitutes.half

    text = _LONE_SURROGATE.sub(replaced, raw)
    if halves:
        changes.append(HALVES.format(halves))
    return text


def _with_finite_numbers(raw: bytes, substitutes: _Substitutes, changes: list[str]) -> bytes:
    pieces = _between_infinite_numbers(raw)
    if not pieces:
        return raw
    changes.append(NO_NUMBERS.format(len(pieces) - 1))
    return substitutes.number.join(pieces)


def _between_infinite_numbers(raw: bytes) -> list[bytes]:
    """Return what is around numbers outside of texts that are not finite floats; nothing where there are none.

    What may be one is looked for first, and whether it is in a text is counted by the quotes before it: a tenth of the
    time of a pattern that goes over all bytes.
    """
    plain = raw.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in raw else raw  # no escaped quotes
    pieces: list[bytes] = []
    begin = upto = quotes = 0
    for place in _places(plain.translate(_ALIKE)):
        if place < upto:
            continue  # in the number before
        quotes += plain.count(b'"', upto, place)
        start = upto + len(plain[upto:place].rstrip(b"0123456789.+-"))
        upto = place
        number = _NUMBER.match(plain, start) if quotes % 2 == 0 else None
        if number is not None and _is_infinite(number[0]):
            pieces.append(raw[begin:start])
            begin = upto = number.end()
    return [*pieces, raw[begin:]] if pieces else []


def _places(text: bytes) -> list[int]:
    """Return where marks are, in order."""
    places: list[int] = []
    for mark in _MARKS:
        place = text.find(mark)
        while place >= 0:
            places.append(place)
            place = text.find(mark, place + len(mark))
    return sorted(places)


def _is_infinite(number: bytes) -> bool:
    """Whether a number, as JSON or Python writes it, is not a finite float."""
    if number[-1:] in b"Ny":  # of NaN and Infinity
        return True
    return (len(number) > _LONGEST_FINITE or b"e" in number.lower()) and isinf(float(number))
