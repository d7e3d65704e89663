"""Where one JSON value ends and the next begins, in a stream that is never held whole.

One reader for everything that events are kept in: one object, one object a line, objects over many lines or one
behind the other, and lists of them.  At a line that begins an object the whole line is tried first, since that is
what files of events are; where it is no JSON by itself, the object's end is found by counting brackets outside of
texts.  A list is opened, and its items are treated as if they stood alone; commas between them are not counted.

What is broken costs one error and as little as possible of what follows: reading goes on at the next line that
begins an object no deeper indented than the broken one, so that the inside of a broken object is not taken for
events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import orjson

from engine.records import Json
from engine.sources.chunks import Chunks
from engine.sources.endings import LIST, LIST_END, OBJECT, Lost, length_of_value
from engine.sources.window import Window

LIMIT = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
_DEEPEST_INDENT = 200
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_BLANK = re.compile(rb"[ \t\r\n]*+")
_BETWEEN_ITEMS = re.compile(rb"[ \t\r\n,]*+")
_MAY_END = re.compile(rb"\}(?=[ \t\r\n]*+(?:,[ \t\r\n]*+)?[{\]])")
_GUESSES = 20
_LONGEST_GUESS = 1024 * 1024


class Found(NamedTuple):
    """A value and where it begins, or an `error` and where that is; `raw` and `value` are then not there."""

    line: int
    offset: int
    raw: bytes | None = None
    value: Json = None
    column: int = 1
    error: str | None = None


class Splitter:
    """Finds the JSON values in one stream, in order."""

    def __init__(self, chunks: Chunks, limit: int = LIMIT) -> None:
        self._chunks = chunks
        self._window = Window(chunks)
        self._limit = limit
        self._value_end = 0  # offset; a line that begins before it holds a value already
        self._in_list = False

    def __iter__(self) -> Iterator[Found]:
        window = self._window
        if not self._is_utf_8():
            yield self._error_here("this is UTF-16; save it as UTF-8")
            return
        while window.skip(_BLANK):
            if window.byte() == LIST:
                yield from self._items()
            else:
                found = self._record()
                if found:
                    yield found
        if self._chunks.trouble:
            yield self._error_here(self._chunks.trouble)

    def _is_utf_8(self) -> bool:
        window = self._window
        while window.size() < len(BOM) and window.more():
            pass
        if window.text.startswith(BOM):
            window.pass_over(len(BOM))
            window.line_begin = self._value_end = len(BOM)
        return not window.text.startswith(_UTF_16)

    def _record(self) -> Found | None:
        """Read what begins here, outside of a list."""
        window = self._window
        is_object = window.byte() == OBJECT
        if is_object and self._is_behind_another():
            return self._spread()
        length = window.line_length(min(self._limit, _LONGEST_GUESS) if is_object else self._limit)
        if length is None:
            return self._spread() if is_object else self._lose(self._limit + 1)
        raw = window.peek(length).rstrip(b" \t\r")
        try:
            found = Found(window.line, window.offset, raw, orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            if is_object:
                return self._spread()
            found = self._fault(raw, error)
        window.pass_over(length)
        self._value_end = window.offset
        return found

    def _items(self) -> Iterator[Found]:
        """Read the items of a list that begins here."""
        window = self._window
        began = window.line
        self._in_list = True
        self._give_out(1)
        found: Found | None = None
        while window.skip(_BETWEEN_ITEMS):
            if window.byte() == LIST_END:
                self._give_out(1)
                self._in_list = False
                return
            found = self._spread()
            if found:
                yield found
        if not self._chunks.trouble and not (found and found.error):
            yield self._error_here(f"the list that began on line {began} is not closed: the end of the file is missing")

    def _spread(self) -> Found | None:
        """Read what begins here over as many lines as it takes, or up to what stands behind it on the same one."""
        window = self._window
        found = self._guess() if window.byte() == OBJECT else None
        if found:
            return found
        try:
            length = length_of_value(window, self._limit)
        except Lost as lost:
            return self._lose(lost.upto)
        return self._value(window.peek(length))

    def _guess(self) -> Found | None:
        """Read the object that begins here by guessing its end, which is six times faster than looking for it.

        Where as many braces were closed as opened, and another object or the end of a list follows, is the end,
        unless braces in texts led astray. A guess that is JSON is right: no object is the beginning of another.
        """
        window = self._window
        text, counted, depth = window.text, window.start, 0
        for match in islice(_MAY_END.finditer(text, window.start, window.start + self._limit), _GUESSES):
            end = match.end()
            depth += text.count(b"{", counted, end) - text.count(b"}", counted, end)
            counted = end
            if depth == 0:
                return self._taken(text[window.start : end])
        return None

    def _value(self, raw: bytes) -> Found:
        found = self._taken(raw)
        if found is None:
            found = self._fault(raw, _error_in(raw))
            self._give_out(len(raw))
        return found

    def _taken(self, raw: bytes) -> Found | None:
        try:
            found = Found(self._window.line, self._window.offset, raw, orjson.loads(raw))
        except orjson.JSONDecodeError:
            return None
        self._give_out(len(raw))
        return found

    def _lose(self, upto: int) -> Found | None:
        """Give up what begins here, and go on where something else does."""
        window = self._window
        is_cut_off = upto == window.size() and self._chunks.trouble is not None
        begins = self._next_beginning()
        if upto > self._limit:
            found = self._error_here(f"longer than {self._limit:,} bytes, which no event is")
        else:
            other = begins.search(window.text, window.start, window.start + upto + 1)
            raw = window.peek(other.start() - window.start if other else upto).rstrip(b" \t\r\n")
            found = self._fault(raw, _error_in(raw))
        if not self._go_to(begins) and self._in_list:
            found = found._replace(error=f"{found.error}; the rest of the list could not be read")
        return None if is_cut_off else found

    def _next_beginning(self) -> re.Pattern[bytes]:
        """What a line begins with that begins an object, or ends the list, no deeper indented than what begins here."""
        indent = 0 if self._is_behind_another() else self._window.offset - self._window.line_begin
        return re.compile(rb"\n[ \t]{0,%d}[%s]" % (min(indent, _DEEPEST_INDENT), rb"{\]" if self._in_list else b"{"))

    def _go_to(self, begins: re.Pattern[bytes]) -> bool:
        window = self._window
        while True:
            match = begins.search(window.text, window.start)
            if match:
                window.advance(match.start() + 1 - window.start)
                return True
            # A line end with few blanks behind it may be the beginning of a match; all else can go.
            last = window.text.rfind(b"\n", max(window.start, len(window.text) - _DEEPEST_INDENT - 1))
            window.advance((last if last >= 0 else len(window.text)) - window.start)
            if not window.more():
                window.advance(window.size())
                return False

    def _is_behind_another(self) -> bool:
        """Whether a value (or the bracket that opened the list) stands on this line already."""
        return self._window.line_begin < self._value_end

    def _give_out(self, length: int) -> None:
        self._window.advance(length)
        self._value_end = self._window.offset

    def _fault(self, raw: bytes, error: orjson.JSONDecodeError) -> Found:
        """Say what is wrong with `raw`, which begins here, and where."""
        line, column, what = error.lineno, error.colno, f"not JSON: {error.msg}"
        try:
            raw.decode()
        except UnicodeDecodeError as bad:
            line = raw.count(b"\n", 0, bad.start) + 1
            column = bad.start - raw.rfind(b"\n", 0, bad.start)
            what = "not UTF-8 text"
        window = self._window
        if line == 1:
            column += window.offset - window.line_begin
        return Found(window.line + line - 1, window.offset, column=column, error=what)

    def _error_here(self, error: str) -> Found:
        window = self._window
        return Found(window.line, window.offset, column=window.offset - window.line_begin + 1, error=error)


def _error_in(raw: bytes) -> orjson.JSONDecodeError:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return error
    return orjson.JSONDecodeError("its end cannot be found", "", 0)
