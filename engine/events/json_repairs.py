"""Reads bytes that are almost JSON: one bad character must not cost an event, nor an event its batch.

JavaScript and Python write half a surrogate pair where a text was cut inside an emoji, which JSON's grammar allows;
Segment's API, which is written in Go, reads it as U+FFFD.  Python's json writes NaN and Infinity.  Windows programs
put a byte order mark before UTF-8.  Files of events and the collector read all of that here, in the same way.
"""

from __future__ import annotations

import re
from math import isinf
from typing import NamedTuple

import orjson

from engine.records import Json, Report

BOM = b"\xef\xbb\xbf"
CODE = "json-repaired"
WITHOUT_MARK = "a byte order mark was left out"

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


def read_repaired(raw: bytes) -> Repaired | None:
    """Read bytes that orjson refuses, with what JSON cannot represent replaced; None where they are not JSON then.

    Half a character and what is not UTF-8 become U+FFFD; NaN, infinities and numbers too large for a float become
    null; a byte order mark is left out.
    """
    changes: list[str] = []
    text = _without_mark(raw, changes)
    text = _with_whole_characters(text, changes)
    text = _with_finite_numbers(text, changes)
    if not changes:
        return None
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return Repaired(value, text, tuple(map(repair_report, changes)))


def repair_report(change: str) -> Report:
    """Return the report about a change to the bytes of an event; nothing says where in it."""
    return Report(CODE, "message", change)


def _without_mark(raw: bytes, changes: list[str]) -> bytes:
    if not raw.startswith(BOM):
        return raw
    changes.append(WITHOUT_MARK)
    return raw.removeprefix(BOM)


def _with_whole_characters(raw: bytes, changes: list[str]) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raw = raw.decode(errors="replace").encode()
        changes.append("bytes that are not UTF-8 were replaced by U+FFFD")
    halves = 0

    def replaced(found: re.Match[bytes]) -> bytes:
        nonlocal halves
        halves += not found["valid"]
        return found["valid"] or b"\\ufffd"

    text = _LONE_SURROGATE.sub(replaced, raw)
    if halves:
        changes.append(f"half characters (lone surrogates) were replaced by U+FFFD: {halves}")
    return text


def _with_finite_numbers(raw: bytes, changes: list[str]) -> bytes:
    if not _MAYBE_INFINITE.search(raw):
        return raw
    count = 0

    def replaced(found: re.Match[bytes]) -> bytes:
        nonlocal count
        whole = found.group()
        if found["kept"] is not None or not _is_infinite(whole):
            return whole
        count += 1
        return b"null"

    text = _NUMBER.sub(replaced, raw)
    if count:
        changes.append(f"numbers that JSON cannot represent (NaN, Infinity, too large) became null: {count}")
    return text


def _is_infinite(number: bytes) -> bool:
    """Whether a number, as JSON or Python writes it, is not a finite float."""
    if number[-1:] in b"Ny":  # of NaN and Infinity
        return True
    return (len(number) > _LONGEST_FINITE or b"e" in number.lower()) and isinf(float(number))
