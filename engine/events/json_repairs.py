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
    rb"(?P<valid>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""An escaped backslash or a whole surrogate pair, which stay; or a lone surrogate, which does not."""
_NUMBER = re.compile(
    rb'(?P<kept>(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^"NI0-9-])++)'
    rb"|(?<![\w.+-])-?(?:NaN|Infinity|[0-9]++(?:\.[0-9]++)?(?:[eE]\+?[0-9]++)?)(?![\w.])",
    re.DOTALL,
)
"""Texts and what is between them, which stay; or a number, of which those that JSON cannot represent do not."""
_MAYBE_INFINITE = re.compile(rb"NaN|Infinity|[0-9]{300}|[eE]\+?[0-9]{3}")
_LONGEST_FINITE = 300
"""A number with fewer characters and no exponent is finite."""


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
    text = _repaired_text(raw, _AS_READ, changes)
    if not changes:
        return None
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return Repaired(value, text, tuple(map(repair_report, changes)))


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
        halves += not found["valid"]
        return found["valid"] or substitutes.half

    text = _LONE_SURROGATE.sub(replaced, raw)
    if halves:
        changes.append(HALVES.format(halves))
    return text


def _with_finite_numbers(raw: bytes, substitutes: _Substitutes, changes: list[str]) -> bytes:
    if not _MAYBE_INFINITE.search(raw):
        return raw
    count = 0

    def replaced(found: re.Match[bytes]) -> bytes:
        nonlocal count
        whole = found.group()
        if found["kept"] is not None or not _is_infinite(whole):
            return whole
        count += 1
        return substitutes.number

    text = _NUMBER.sub(replaced, raw)
    if count:
        changes.append(NO_NUMBERS.format(count))
    return text


def _is_infinite(number: bytes) -> bool:
    """Whether a number, as JSON or Python writes it, is not a finite float."""
    if number[-1:] in b"Ny":  # of NaN and Infinity
        return True
    return (len(number) > _LONGEST_FINITE or b"e" in number.lower()) and isinf(float(number))
