"""Finds where one JSON value ends and the next begins, in a stream that is never in memory as a whole.

`Splitter` walks through the stream; a value on a line of its own is a line, and an object over several lines is found
by guessing its end.  Where both fail, `length_of_value` looks for the end bracket by bracket.  After a value that
cannot be read, reading goes on at the next line that begins an object at the same indentation or less.  `Window` is
the part of the stream that is in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import orjson

from engine.events.chunks import Chunks
from engine.records import Json

LIMIT = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
_DEEPEST_INDENT = 200
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_BLANK = re.compile(rb"[ \t\r\n]*+")
_BETWEEN_ITEMS = re.compile(rb"[ \t\r\n,]*+")
_MAY_END = re.compile(rb"\}(?=[ \t\r\n]*+(?:,[ \t\r\n]*+)?[{\]])")
_GUESSES = 20
_LONGEST_GUESS = 1024 * 1024

OBJECT, LIST, LIST_END, QUOTE = b'{[]"'

_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")*+')
_TO_END_OF_TEXT = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+')
_TO_END_OF_WORD = re.compile(rb"[^,\] \t\r\n]++")
_CLOSERS = {OBJECT: ord("}"), LIST: LIST_END}
_BEFORE_AN_OPENING = {ord("}"): b":", LIST_END: b"[,"}


class FoundValue(NamedTuple):
    """A value and where it begins, or an `error` and where that is, then without `raw` and `value`."""

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
        self._value_end = 0  # offset; a line that begins before it already contains a value
        self._in_list = False

    def __iter__(self) -> Iterator[FoundValue]:
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

    def _record(self) -> FoundValue | None:
        """Read the value that begins here, outside a list."""
        window = self._window
        is_object = window.byte() == OBJECT
        if is_object and self._follows_another():
            return self._multiline()
        length = window.line_length(min(self._limit, _LONGEST_GUESS) if is_object else self._limit)
        if length is None:
            return self._multiline() if is_object else self._skip(self._limit + 1)
        raw = window.peek(length).rstrip(b" \t\r")
        try:
            found = FoundValue(window.line, window.offset, raw, orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            if is_object:
                return self._multiline()
            found = self._syntax_error(raw, error)
        window.pass_over(length)
        self._value_end = window.offset
        return found

    def _items(self) -> Iterator[FoundValue]:
        """Read the items of the list that begins here."""
        window = self._window
        began = window.line
        self._in_list = True
        self._consume(1)
        found: FoundValue | None = None
        while window.skip(_BETWEEN_ITEMS):
            if window.byte() == LIST_END:
                self._consume(1)
                self._in_list = False
                return
            found = self._multiline()
            if found:
                yield found
        if not self._chunks.trouble and not (found and found.error):
            yield self._error_here(f"the list that starts on line {began} is not closed: the file is incomplete")

    def _multiline(self) -> FoundValue | None:
        """Read the value that begins here, over any number of lines, or up to the next value on the same line."""
        window = self._window
        found = self._guessed() if window.byte() == OBJECT else None
        if found:
            return found
        try:
            length = length_of_value(window, self._limit)
        except Lost as lost:
            return self._skip(lost.upto)
        return self._value(window.peek(length))

    def _guessed(self) -> FoundValue | None:
        """Read the object that begins here by guessing its end, which is six times faster than looking for it.

        The guess is where as many braces are closed as opened and another object or the end of a list follows; only
        braces in texts make it wrong. A guess that is valid JSON is right: no object is the beginning of another.
        """
        window = self._window
        text, counted, depth = window.text, window.start, 0
        for match in islice(_MAY_END.finditer(text, window.start, window.start + self._limit), _GUESSES):
            end = match.end()
            depth += text.count(b"{", counted, end) - text.count(b"}", counted, end)
            counted = end
            if depth == 0:
                return self._parsed(text[window.start : end])
        return None

    def _value(self, raw: bytes) -> FoundValue:
        found = self._parsed(raw)
        if found is None:
            found = self._syntax_error(raw, _error_in(raw))
            self._consume(len(raw))
        return found

    def _parsed(self, raw: bytes) -> FoundValue | None:
        try:
            found = FoundValue(self._window.line, self._window.offset, raw, orjson.loads(raw))
        except orjson.JSONDecodeError:
            return None
        self._consume(len(raw))
        return found

    def _skip(self, upto: int) -> FoundValue | None:
        """Report the value that begins here as unreadable, and go on where the next one begins."""
        window = self._window
        is_cut_off = upto == window.size() and self._chunks.trouble is not None
        begins = self._next_start()
        if upto > self._limit:
            found = self._error_here(f"longer than {self._limit:,} bytes, the limit for an event")
        else:
            other = begins.search(window.text, window.start, window.start + upto + 1)
            raw = window.peek(other.start() - window.start if other else upto).rstrip(b" \t\r\n")
            found = self._syntax_error(raw, _error_in(raw))
        if not self._go_to(begins) and self._in_list:
            found = found._replace(error=f"{found.error}; the rest of the list could not be read")
        return None if is_cut_off else found

    def _next_start(self) -> re.Pattern[bytes]:
        """Match a line that begins an object, or ends the list, and is not indented deeper than the value here."""
        indent = 0 if self._follows_another() else self._window.offset - self._window.line_begin
        return re.compile(rb"\n[ \t]{0,%d}[%s]" % (min(indent, _DEEPEST_INDENT), rb"{\]" if self._in_list else b"{"))

    def _go_to(self, begins: re.Pattern[bytes]) -> bool:
        window = self._window
        while True:
            match = begins.search(window.text, window.start)
            if match:
                window.advance(match.start() + 1 - window.start)
                return True
            # A line end with a few blanks after it may be the beginning of a match; the rest can go.
            last = window.text.rfind(b"\n", max(window.start, len(window.text) - _DEEPEST_INDENT - 1))
            window.advance((last if last >= 0 else len(window.text)) - window.start)
            if not window.more():
                window.advance(window.size())
                return False

    def _follows_another(self) -> bool:
        """Whether this line already contains a value (or the bracket that opened the list)."""
        return self._window.line_begin < self._value_end

    def _consume(self, length: int) -> None:
        self._window.advance(length)
        self._value_end = self._window.offset

    def _syntax_error(self, raw: bytes, error: orjson.JSONDecodeError) -> FoundValue:
        """Return what is wrong with `raw`, which begins here, and where."""
        line, column, what = error.lineno, error.colno, f"not JSON: {error.msg}"
        try:
            raw.decode()
        except UnicodeDecodeError as bad:
            line = raw.count(b"\n", 0, bad.start) + 1
            column = bad.start - raw.rfind(b"\n", 0, bad.start)
            what = "not valid UTF-8"
        window = self._window
        if line == 1:
            column += window.offset - window.line_begin
        return FoundValue(window.line + line - 1, window.offset, column=column, error=what)

    def _error_here(self, error: str) -> FoundValue:
        window = self._window
        return FoundValue(window.line, window.offset, column=window.offset - window.line_begin + 1, error=error)


def _error_in(raw: bytes) -> orjson.JSONDecodeError:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return error
    return orjson.JSONDecodeError("its end was not found", "", 0)


class Lost(Exception):  # noqa: N818  it says what happened
    """The end of a value was not found; `upto` is how far it was followed."""

    def __init__(self, upto: int) -> None:
        self.upto = upto


def length_of_value(window: Window, limit: int) -> int:
    """Return the length of the value that `window` begins with, reading more as needed; raises Lost."""
    first = window.byte()
    if first in _CLOSERS:
        return _length_of_structure(window, limit)
    return _end_of_text(window, 1, limit) if first == QUOTE else _length_of_word(window, limit)


def _length_of_structure(window: Window, limit: int) -> int:
    closers = bytearray()
    at = 0
    while True:
        at = _next_bracket(window, at, limit)
        bracket = window.text[window.start + at]
        if bracket in _CLOSERS:
            if closers and not _may_open(window, at, closers[-1]):
                raise Lost(at)
            closers.append(_CLOSERS[bracket])
        elif closers.pop() != bracket:
            raise Lost(at + 1)
        at += 1
        if not closers:
            return at


def _next_bracket(window: Window, at: int, limit: int) -> int:
    while True:
        at = window.reach(_TO_BRACKET, at)
        if at > limit:
            raise Lost(at)
        if at < window.size():
            if window.text[window.start + at] != QUOTE:
                return at
            at = _end_of_text(window, at + 1, limit)  # a text that does not end in what was read so far
        elif not window.more():
            raise Lost(at)


def _end_of_text(window: Window, at: int, limit: int) -> int:
    while True:
        at = window.reach(_TO_END_OF_TEXT, at)
        stop = window.text[window.start + at : window.start + at + 2]
        if at > limit:
            raise Lost(at)
        if stop[:1] == b'"':
            return at + 1
        if b"\n" in stop:
            raise Lost(at)
        if not window.more():
            raise Lost(window.size())


def _length_of_word(window: Window, limit: int) -> int:
    length = window.reach(_TO_END_OF_WORD, 0)
    while length == window.size() and length <= limit and window.more():
        length = window.reach(_TO_END_OF_WORD, 0)
    if length > limit:
        raise Lost(length)
    return length


def _may_open(window: Window, at: int, inside: int) -> bool:
    """Whether JSON allows an object or list here: after a colon in an object, a comma or the bracket in a list."""
    text, before = window.text, window.start + at - 1
    while text[before] in b" \t\r\n":
        before -= 1
    return text[before] in _BEFORE_AN_OPENING[inside]


class Window:
    """The part of the stream in memory, `text[start:]`, with its offset in the stream and its line.

    Positions are relative to `start`, so they stay valid when `more` drops the bytes before it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.text = b""
        self.start = 0
        self.offset = 0
        self.line = 1
        self.line_begin = 0
        self._pieces = iter(pieces)

    def more(self) -> bool:
        """Read one more chunk of the stream; False at its end."""
        for piece in self._pieces:
            if piece:
                self.text = self.text[self.start :] + piece
                self.start = 0
                return True
        return False

    def byte(self) -> int:
        return self.text[self.start]

    def peek(self, length: int) -> bytes:
        return self.text[self.start : self.start + length]

    def size(self) -> int:
        return len(self.text) - self.start

    def pass_over(self, length: int) -> None:
        """Advance over bytes that are known to contain no line end."""
        self.start += length
        self.offset += length

    def advance(self, length: int) -> None:
        """Advance over bytes and count the lines in them."""
        end = self.start + length
        lines = self.text.count(b"\n", self.start, end)
        if lines:
            self.line += lines
            self.line_begin = self.offset + self.text.rfind(b"\n", self.start, end) + 1 - self.start
        self.pass_over(length)

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Advance over what `pattern` matches; False if that is everything up to the end of the stream."""
        while True:
            end = self.reach(pattern, 0)
            if end:
                self.advance(end)
            if self.start < len(self.text):
                return True
            if not self.more():
                return False

    def reach(self, pattern: re.Pattern[bytes], at: int) -> int:
        """Return the end of the match of `pattern`, which always matches, from `at` on."""
        match = pattern.match(self.text, self.start + at)
        return (match.end() if match else self.start + at) - self.start

    def line_length(self, limit: int) -> int | None:
        """Return the length of the rest of the line, without its end; None if it is longer than `limit`."""
        at = 0
        while True:
            end = self.text.find(b"\n", self.start + at)
            at = end - self.start if end >= 0 else self.size()
            if at > limit:
                return None
            if end >= 0 or not self.more():
                return at
