"""Where each value stands in a JSON text, so that a page can light it up; offsets as browsers count, in UTF-16 units.

`json` keeps no places, so the text is read a second time, for brackets, keys and commas alone: it is known to be JSON.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from typing import NamedTuple, TypeAlias

from engine.explaining.outputs import Route

MOST_SPANS = 10_000
"""Values of one text whose places are kept."""
DEEPEST = 100
"""Levels that are looked into."""

TOKEN = re.compile(r'[ \t\r\n]*+(?:([{}\[\],:])|("[^"\\]*+(?:\\.[^"\\]*+)*+")|([^\s{}\[\],:"]++))')

Spans: TypeAlias = "dict[Route, TextSpan]"


class TextSpan(NamedTuple):
    """The first character of a piece of text and the one after its last."""

    start: int
    end: int

    def moved(self, by: int) -> TextSpan:
        """Return it in a text that has `by` characters before this one."""
        return TextSpan(self.start + by, self.end + by)


class _Level:
    """An object or list that is open: where it begins, with its key, and where its member does."""

    def __init__(self, start: int, *, is_list: bool) -> None:
        self.start = start
        self.is_list = is_list
        self.member: int | None = None
        self.is_key = not is_list


def value_spans(text: str, start: int = 0) -> Spans:
    """Return the place of each value of the JSON text that begins at `start`, with its key; () is the whole.

    What is not JSON ends the search: what was found until there is returned.
    """
    found: Spans = {}
    levels: list[_Level] = []
    route: list[str | int] = []
    for token in TOKEN.finditer(text, start):
        mark, word = token[1], token[2] or token[3]
        begin, end = token.start(token.lastindex or 0), token.end()
        top = levels[-1] if levels else None
        if mark == ":" or len(found) >= MOST_SPANS:
            continue
        if mark == ",":
            _next_member(top, route)
        elif word and top is not None and top.is_key:
            top.member, top.is_key = begin, False
            route[-1] = _text(word)
        elif mark in ("{", "["):
            levels.append(_Level(begin if top is None or top.member is None else top.member, is_list=mark == "["))
            route.append(0 if mark == "[" else "")
        else:
            if mark and not levels:
                break
            if mark:
                begin = levels.pop().start
                route.pop()
            elif top is not None and top.member is not None:
                begin = top.member
            if len(route) <= DEEPEST:
                found[tuple(route)] = TextSpan(begin, end)
        if not levels:
            break
    return found


def _next_member(level: _Level | None, route: list[str | int]) -> None:
    if level is None:
        return
    level.member, level.is_key = None, not level.is_list
    last = route[-1]
    if isinstance(last, int):
        route[-1] = last + 1


def _text(word: str) -> str:
    try:
        return str(json.loads(word))
    except ValueError:
        return word


class Units:
    """Characters of a text by the units of UTF-16, in which browsers count."""

    def __init__(self, text: str) -> None:
        self._wide = [] if text.isascii() else [at for at, each in enumerate(text) if each > "\uffff"]

    def of(self, span: TextSpan) -> list[int]:
        """Return a place in units: from, to."""
        return [at + bisect_left(self._wide, at) for at in span]
