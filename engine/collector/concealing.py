"""What is kept of a discarded event: a copy without secrets, valid JSON of at most LARGEST_DISCARD bytes.  Pure.

Nobody has checked such an event: it may hold a key that was pasted into a property, the headers of a page's request,
or anything else.  To search all of it for every form of every secret takes too long with many connections, so only
those are searched for of which a trace is in its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from engine.delivery.outbox.keeping import LARGEST_DISCARD
from engine.events.json_values import MAX_DEPTH
from engine.records import MASK, Json, JsonObject, Secrets
from engine.secret_forms import LONGEST_FORM, plain_traces

MORE = "…"
"""Stands where something is left out for its size, also as the name and the value of a member."""

LONGEST_ID = 200
"""Characters of a messageId that are kept."""

LONGEST_REASON = 500
"""Characters of a reason that are kept."""

SPARE = 2048
"""Bytes for the marks of what was left out, at most one for each of MAX_DEPTH levels."""

WRITE_KEY = "writeKey"
CREDENTIAL = re.compile(
    r"authori[sz]ation|cookie|passw|secret|token|credential|bearer|(?:write|api|auth|access|private)[-_ ]?key",
    re.IGNORECASE,
)
"""In the names of members whose texts are masked, whatever they are."""


class _Searched(NamedTuple):
    """A secret: lower-case texts of which one is wherever it is (none: it may be anywhere), and what masks it."""

    traces: tuple[str, ...]
    secrets: Secrets
    longest: int


class Concealing:
    """Masks some secrets in what is kept of discarded events."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._each = [
            _Searched(tuple(plain_traces(secret) or ()), Secrets([secret]), LONGEST_FORM * len(secret))
            for secret in dict.fromkeys(filter(None, secrets))
        ]
        self._longest = max((each.longest for each in self._each), default=0)

    def text(self, text: str, most: int) -> str:
        """Return at most `most` characters of a text without secrets."""
        return _beginning(text, most, self._suspects(text[: most + self._longest]))

    def event(self, raw: bytes) -> bytes:
        """Return the copy of an event, which is JSON as orjson writes it."""
        event = orjson.loads(raw)
        if type(event) is dict:
            event.pop(WRITE_KEY, None)
        read = raw[: LARGEST_DISCARD + self._longest].decode(errors="replace")  # no more of it gets into the copy
        return orjson.dumps(_Copying(self._suspects(read)).of(event))

    def _suspects(self, text: str) -> list[_Searched]:
        lower = text.lower()
        return [each for each in self._each if not each.traces or any(trace in lower for trace in each.traces)]


class _Copying:
    """Copies JSON without some secrets, as far as there is room."""

    def __init__(self, suspects: Sequence[_Searched]) -> None:
        self._suspects = suspects
        self._room = LARGEST_DISCARD - SPARE

    def of(self, value: Json, depth: int = 0, *, secret: bool = False) -> Json:
        """Copy a value, to MAX_DEPTH levels; with `secret`, all texts in it are masked."""
        if depth > MAX_DEPTH:
            return MORE
        if isinstance(value, str):
            return self._text(MASK if secret else value)
        if isinstance(value, dict):
            return dict(self._members(value, depth + 1, secret=secret))
        if isinstance(value, list):
            return list(self._items(value, depth + 1, secret=secret))
        shown = orjson.dumps(value)
        self._room -= len(shown) + 1
        hidden = value is not None and type(value) is not bool and self._masked(shown.decode()) == MASK
        return MASK if hidden else value

    def _members(self, value: JsonObject, depth: int, *, secret: bool) -> Iterator[tuple[str, Json]]:
        self._room -= 3
        for name, member in value.items():
            if self._room <= 0:
                yield MORE, MORE
                return
            hidden = secret or CREDENTIAL.search(name[:LONGEST_ID]) is not None
            yield self._text(name), self.of(member, depth, secret=hidden)

    def _items(self, value: Sequence[Json], depth: int, *, secret: bool) -> Iterator[Json]:
        self._room -= 3
        for item in value:
            if self._room <= 0:
                yield MORE
                return
            yield self.of(item, depth, secret=secret)

    def _text(self, text: str) -> str:
        size = len(orjson.dumps(text)) + 1
        if size > self._room:
            shown = _beginning(text, max(0, self._room) // 6, self._suspects) + MORE  # a character takes up to 6 bytes
            self._room = 0
            return shown
        shown = self._masked(text)
        self._room -= max(size, len(orjson.dumps(shown)) + 1)
        return shown

    def _masked(self, text: str) -> str:
        for each in self._suspects:
            text = each.secrets.mask(text)
        return text


def _beginning(text: str, most: int, suspects: Sequence[_Searched]) -> str:
    """Return at most `most` characters of a text without secrets, and no piece of one where it is cut."""
    margin = max((each.longest for each in suspects), default=0)
    shown = text[: most + margin]
    for each in suspects:
        shown = each.secrets.mask(shown)
    if margin and len(text) > most + margin:
        shown = shown[: max(0, len(shown) - margin)]
    return shown[:most]
