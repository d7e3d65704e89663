"""Finds where one JSON value ends and the next begins, in a stream that is never in memory as a whole.

One reader for every form in which events are stored: one object, one object a line, objects over many lines or one
after the other, and lists of them.  A line that begins an object is tried as a whole first, since that is what files
of events are.  If the line is not JSON by itself, a pattern of balanced braces guesses where the object ends; if that
fails too, brackets outside of texts are counted.  Items of a list are treated as if they stood alone; commas between
them are not counted.

A broken value costs one error and as little as possible of what follows: reading goes on at the next line that begins
an object at the same indentation or less, so that the inside of a broken object is not taken for events.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import cache
from gzip import BadGzipFile, GzipFile
from typing import IO, NamedTuple, cast

import orjson

from engine.events.json_repairs import BOM, WITHOUT_MARK, read_repaired, repair_report
from engine.records import Json, Report

SIZE = 256 * 1024
GZIP = b"\x1f\x8b"
_ADVICE = "The rest is missing: copy or compress the file again"


class Chunks:
    """The chunks of one stream; `consumed` counts the bytes read from it, before decompression."""

    def __init__(self, stream: IO[bytes], size: int = SIZE) -> None:
        self.consumed = 0
        self.trouble: str | None = None
        self._first = b""
        self._read = getattr(stream, "read1", stream.read)
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        try:
            while len(self._first) < len(GZIP) and (chunk := self._next(self._size)):
                self._first += chunk
            is_compressed = self._first.startswith(GZIP)
            read = GzipFile(fileobj=cast("IO[bytes]", self)).read1 if is_compressed else self.read
            while chunk := read(self._size):
                yield chunk
        except EOFError:
            self.trouble = f"the compressed data ends early. {_ADVICE}"
        except (zlib.error, BadGzipFile) as error:
            self.trouble = f"the compressed data is corrupt here ({error}). {_ADVICE}"
        except OSError as error:
            self.trouble = f"reading stopped here: {error.strerror or error}; the rest is missing"

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes before decompression: all that GzipFile needs of a file."""
        chunk, self._first = self._first[:size], self._first[size:]
        return chunk or self._next(min(size, self._size))

    def _next(self, size: int) -> bytes:
        chunk = self._read(size)
        self.consumed += len(chunk)
        return cast("bytes", chunk)


LIMIT = 32 * 1024 * 1024
OBJECT, LIST, OBJECT_END, LIST_END, QUOTE = b'{[}]"'
_DEEPEST_INDENT = 200
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")*+')
_TO_END_OF_TEXT = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+')
_CLOSERS = {OBJECT: OBJECT_END, LIST: LIST_END}
_BEFORE_AN_OPENING = {OBJECT_END: b":", LIST_END: b"[,"}
_BLANK = re.compile(rb"[ \t\r\n]*+")
_BETWEEN_ITEMS = re.compile(rb"[ \t\r\n,]*+")
_LINE = re.compile(rb"[^\n]*+")
_WORD = re.compile(rb"[^,\] \t\r\n]*+")


class Line(NamedTuple):
    """One JSON value of a file: its bytes as `raw` and its parsed `value`, or an `error` instead.

    `reports` say what was repaired in its bytes; `raw` then is the repaired JSON.

    `line` counts from 1; `offset` is the position of the first byte in the uncompressed stream. `error` starts with
    file, line and column.
    """

    file: str
    line: int
    offset: int
    raw: bytes | None
    error: str | None
    value: Json = None
    reports: tuple[Report, ...] = ()


@cache
def _balanced() -> re.Pattern[bytes]:
    """Return a pattern of an object, at most eight levels deep, whose braces outside of texts are balanced.

    One match is twice as fast as counting brackets; what it does not match is counted.
    """
    inner = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
    for _ in range(8):
        inner = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|\{[^"{}]*+(?:(?:%s)[^"{}]*+)*+\}' % inner
    return re.compile(rb"(?=\{)(?:%s)" % inner)


class Splitter:
    """Finds the JSON values in one stream, in order."""

    def __init__(
        self, chunks: Chunks, name: str, limit: int = LIMIT, before_read: Callable[[], object] | None = None
    ) -> None:
        self._chunks = chunks
        self._name = name
        self._window = Window(filter(None, chunks), before_read)
        self._limit = limit
        self._value_end = 0  # offset; a line that begins before it already contains a value
        self._in_list = False
        self._notes: tuple[Report, ...] = ()  # about what stands before the next value

    def __iter__(self) -> Iterator[Line]:
        window = self._window
        while len(window.text) < len(BOM) and window.more():
            pass
        if window.text.startswith(_UTF_16):
            yield self._error_here("this is UTF-16; save it as UTF-8")
            return
        while window.skip(_BLANK):
            if self._skip_mark():
                continue
            if window.text[0] == LIST:
                yield from self._items()
            elif not (yield from self._whole_lines()) and (found := self._value()):
                yield found
        if self._chunks.trouble:
            yield self._error_here(self._chunks.trouble)

    def _whole_lines(self) -> Generator[Line, None, bool]:
        """Yield objects of one line each, up to a line that needs a closer look; False where that is this one.

        What is in memory is split at its line ends at once (3.7 -> 1.0 us a line, without its parsing).
        """
        window = self._window
        number, length = window.line, 0
        if self._notes or self._follows_another():
            return False
        for line in bytes(window.text[: window.text.rfind(b"\n") + 1]).split(b"\n")[:-1]:
            raw = line.strip(b" \t\r")
            if raw:
                if raw[0] != OBJECT or len(line) >= self._limit:
                    break
                try:
                    value = orjson.loads(raw)
                except orjson.JSONDecodeError:
                    break
                offset = window.offset + length + (0 if line[0] == OBJECT else line.index(raw))
                yield tuple.__new__(Line, (self._name, number, offset, raw, None, value, ()))
            number += 1
            length += len(line) + 1
        window.advance(length)
        return length > 0

    def _skip_mark(self) -> bool:
        """Leave out a byte order mark, which programs put before a file, and so into the middle of joined ones."""
        window = self._window
        while len(window.text) < len(BOM) and BOM.startswith(window.text) and window.more():
            pass
        if not window.text.startswith(BOM):
            return False
        begins_line = window.offset == window.line_begin
        self._consume(len(BOM))
        if begins_line:
            window.line_begin = window.offset
        self._notes = (repair_report(WITHOUT_MARK),)
        return True

    def _items(self) -> Iterator[Line]:
        """Read the items of the list that begins here."""
        window = self._window
        began = window.line
        self._in_list = True
        self._consume(1)
        found: Line | None = None
        while window.skip(_BETWEEN_ITEMS):
            if window.text[0] == LIST_END:
                self._consume(1)
                self._in_list = False
                return
            if found := self._value():
                yield found
        if not self._chunks.trouble and not (found and found.error):
            yield self._error_here(f"the list that starts on line {began} is not closed: the file is incomplete")

    def _value(self) -> Line | None:
        """Read the value that begins here; None if the stream ended within it."""
        text = self._window.text
        raw = self._guess() if text[0] == OBJECT else b""
        found = self._read(raw)
        if found.error:
            try:
                raw = bytes(text[: self._length()])
            except Lost as lost:
                return self._skip(lost.upto)
            found = self._read(raw.rstrip(b" \t\r"), repair=text[0] == OBJECT)
        self._consume(len(raw))
        return found

    def _length(self) -> int:
        window, first = self._window, self._window.text[0]
        if first in (OBJECT, LIST):
            return window.bracketed(self._limit)
        if not self._in_list:
            return window.word(_LINE, self._limit)
        return window.end_of_text(1, self._limit) if first == QUOTE else window.word(_WORD, self._limit)

    def _guess(self) -> bytes:
        """Return the object that begins here by guessing its end, which is far faster than counting its brackets.

        A guess that is valid JSON is right: no object is the beginning of another.
        """
        text = self._window.text
        if not self._in_list and not self._follows_another():
            line = bytes(text[: max(0, text.find(b"\n", 0, self._limit))]).rstrip(b" \t\r")
            if len(line) > 1:  # a brace alone begins an object over many lines
                return line
        match = _balanced().match(text, 0, self._limit)
        return match.group() if match else b""

    def _skip(self, upto: int) -> Line | None:
        """Report the value that begins here as unreadable, and go on where the next one begins."""
        text = self._window.text
        is_cut_off = upto == len(text) and self._chunks.trouble
        begins = self._next_start()
        if upto > self._limit:
            found = self._error_here(f"longer than {self._limit:,} bytes, the limit for an event")
        else:
            other = begins.search(text, 0, upto + 1)
            found = self._read(bytes(text[: other.start() if other else upto]).rstrip(b" \t\r\n"))
        if not self._go_to(begins) and self._in_list:
            found = found._replace(error=f"{found.error}; the rest of the list could not be read")
        return None if is_cut_off else found

    def _next_start(self) -> re.Pattern[bytes]:
        """Match a line that begins an object, or ends the list, and is not indented deeper than the value here."""
        indent = 0 if self._follows_another() else self._window.offset - self._window.line_begin
        return re.compile(rb"\n[ \t]{0,%d}[%s]" % (min(indent, _DEEPEST_INDENT), rb"{\]" if self._in_list else b"{"))

    def _go_to(self, begins: re.Pattern[bytes]) -> bool:
        window = self._window
        while not (match := begins.search(window.text)):
            # A line end with a few blanks after it may be the beginning of a match; the rest can go.
            last = window.text.rfind(b"\n", max(0, len(window.text) - _DEEPEST_INDENT - 1))
            window.advance(last if last >= 0 else len(window.text))
            if not window.more():
                window.advance(len(window.text))
                return False
        window.advance(match.start() + 1)
        return True

    def _follows_another(self) -> bool:
        """Whether this line already contains a value (or the bracket that opened the list)."""
        return self._window.line_begin < self._value_end

    def _consume(self, length: int) -> None:
        self._window.advance(length)
        self._value_end = self._window.offset

    def _read(self, raw: bytes, *, repair: bool = False) -> Line:
        """Return the value of `raw`, which begins here, or what is wrong with it and where."""
        window = self._window
        try:
            found = Line(self._name, window.line, window.offset, raw, None, orjson.loads(raw), self._notes)
        except orjson.JSONDecodeError as error:
            line, column, what = error.lineno, error.colno, f"not JSON: {error.msg}"
            repaired = read_repaired(raw) if repair else None
            if repaired is None:
                return self._unreadable(raw, line, column, what)
            value, raw, reports = repaired
            found = Line(self._name, window.line, window.offset, raw, None, value, (*self._notes, *reports))
        self._notes = ()
        return found

    def _unreadable(self, raw: bytes, line: int, column: int, what: str) -> Line:
        try:
            raw.decode()
        except UnicodeDecodeError as bad:
            line = raw.count(b"\n", 0, bad.start) + 1
            column = bad.start - raw.rfind(b"\n", 0, bad.start)
            what = "not valid UTF-8"
        return self._error(line, column, what)

    def _error_here(self, what: str) -> Line:
        return self._error(1, 1, what)

    def _error(self, line: int, column: int, what: str) -> Line:
        """Return an error at a line and column counted from here."""
        window = self._window
        if line == 1:
            column += window.offset - window.line_begin
        line += window.line - 1
        return Line(self._name, line, window.offset, None, f"{self._name}:{line}:{column}: {what}")


class Lost(Exception):  # noqa: N818  it says what happened
    """The end of a value cannot be found; `upto` is how far it was followed."""

    def __init__(self, upto: int) -> None:
        self.upto = upto


class Window:
    """The part of the stream that is in memory: it grows chunk by chunk, and forgets what has been consumed.

    It also finds the length of an object or a list without parsing it, by counting the brackets outside of texts.  A
    line end inside a text, a bracket that closes another kind or an object where JSON allows none show early that the
    end was lost, long before the end of the file would.  `text` is a bytearray because that drops bytes at its front
    without copying the others.
    """

    def __init__(self, chunks: Iterator[bytes], before_read: Callable[[], object] | None) -> None:
        self.text = bytearray()
        self.offset = 0
        self.line = 1
        self.line_begin = 0
        self._chunks = chunks
        self._before_read = before_read

    def more(self) -> bool:
        """Read one more chunk of the stream; False at its end."""
        if self._before_read is not None:
            self._before_read()
        chunk = next(self._chunks, b"")
        self.text += chunk
        return bool(chunk)

    def advance(self, length: int) -> None:
        """Forget bytes, and count the lines in them."""
        lines = self.text.count(b"\n", 0, length)
        if lines:
            self.line += lines
            self.line_begin = self.offset + self.text.rfind(b"\n", 0, length) + 1
        self.offset += length
        del self.text[:length]

    def reach(self, pattern: re.Pattern[bytes], at: int = 0) -> int:
        """Return how far `pattern` matches from `at` on."""
        match = pattern.match(self.text, at)
        return match.end() if match else at

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Forget whatever `pattern` matches; False if that is everything up to the end of the stream."""
        while True:
            self.advance(self.reach(pattern))
            if self.text:
                return True
            if not self.more():
                return False

    def bracketed(self, limit: int) -> int:
        """Return the length of the object or list that begins here; raise Lost, also for one longer than `limit`."""
        text, closers, last, at = self.text, bytearray(), 0, 0
        while True:
            at = self._bracket(at, limit)
            bracket = text[at]
            if bracket in _CLOSERS:
                if closers and text[last:at].rstrip()[-1:] not in _BEFORE_AN_OPENING[closers[-1]]:
                    raise Lost(at)
                closers.append(_CLOSERS[bracket])
            elif closers.pop() != bracket:
                raise Lost(at + 1)
            last, at = at, at + 1
            if not closers:
                return at

    def end_of_text(self, at: int, limit: int) -> int:
        """Return the end of the text that begins before `at`; raise Lost, also if that is beyond `limit`."""
        while True:
            at = self.reach(_TO_END_OF_TEXT, at)
            stop = self.text[at : at + 2]
            if at > limit:
                raise Lost(at)
            if stop[:1] == b'"':
                return at + 1
            if b"\n" in stop:
                raise Lost(at)
            if not self.more():
                raise Lost(len(self.text))

    def word(self, pattern: re.Pattern[bytes], limit: int) -> int:
        """Return how far `pattern` matches; raise Lost if that is beyond `limit`."""
        at = self.reach(pattern)
        while at == len(self.text) and at <= limit and self.more():
            at = self.reach(pattern, at)
        if at > limit:
            raise Lost(at)
        return at

    def _bracket(self, at: int, limit: int) -> int:
        while True:
            at = self.reach(_TO_BRACKET, at)
            if at > limit:
                raise Lost(at)
            if at < len(self.text):
                if self.text[at] != QUOTE:
                    return at
                at = self.end_of_text(at + 1, limit)  # a text that the chunks read so far do not close
            elif not self.more():
                raise Lost(at)
