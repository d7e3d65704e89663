"""Where in a mapping a cursor is, found from indentation and brackets, so that it works while the YAML is broken.

A slot is where one key or value may be written: between an indentation and a colon, behind a colon, between two commas.
This reads only how a file is laid out; what it means is for the strict reader. TextLines after the cursor do not count.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from engine.editing.positions import TextLines
from engine.records import Place

LONGEST_LINE = 20_000
DEEPEST = 100

KEY = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s'"\[\]{},#&*!|>%@`](?:(?!\s\#|:\s).)*?)(?P<colon>[ ]*:)(?=\s|$)"""
)
SCALAR_ENDS = re.compile(r"\s\#")
QUOTES = "\"'"
CLOSING = {"{": "}", "[": "]"}


class Slot(NamedTuple):
    """Where a key or a value is, or could be.

    `place` is that of the value; of a key it is the mapping that the key belongs to, followed by the key as far as it
    is written. An `item` is what stands behind a dash: a value, or the first key of one. `start` and `end` are columns
    of `line`, without quotes.
    """

    kind: Literal["key", "value", "item"]
    place: Place
    line: int
    start: int
    end: int
    text: str

    @property
    def around(self) -> Place:
        """The mapping that a key is in."""
        return self.place[:-1] if self.kind == "key" else self.place


class _Level:
    """A key or an item of a list at some column, whose value may be on the lines below."""

    __slots__ = ("column", "key")

    def __init__(self, column: int, key: str | int) -> None:
        self.column = column
        self.key = key


class _Flow:
    """An open bracket: the place of what is in it; `key` is the key whose value comes next."""

    __slots__ = ("count", "is_list", "key", "place")

    def __init__(self, bracket: str, place: Place) -> None:
        self.is_list = bracket == "["
        self.place = place
        self.count = 0
        self.key: str | None = None

    def next_place(self) -> Place:
        return (*self.place, self.count) if self.is_list else (*self.place, self.key or "")


def slot_at(lines: TextLines, line: int, column: int) -> Slot | None:
    """Return the slot that a cursor is in, or None where nothing can be written: in a comment, in a block of text."""
    scanner = _Scanner()
    for number in range(min(line, len(lines))):
        scanner.scan(lines.line(number), number)
    text = lines.line(line)
    if not text.strip():
        return scanner.empty(line, column)
    found = [slot for slot in scanner.scan(text, line) if slot.start <= column <= slot.end]
    return found[-1] if found else None


class _Scanner:
    """Reads line after line, and keeps which keys and brackets are open."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._flows: list[_Flow] = []
        self._flow_column = 0
        self._text_column: int | None = None
        self._slots: list[Slot] = []

    def scan(self, line: str, number: int) -> list[Slot]:
        """Read a line and return its slots."""
        self._slots = []
        stripped = line.lstrip(" ")
        column = len(line) - len(stripped)
        if len(line) > LONGEST_LINE or not stripped.strip() or self._in_text(column):
            return []
        if self._flows and column <= self._flow_column and KEY.match(line, column):
            self._flows = []  # a bracket that is not closed yet: what follows is another key
        if self._flows:
            self._flow(line, 0, number)
        elif not stripped.startswith("#"):
            self._block(line, column, number)
        return self._slots

    def empty(self, number: int, column: int) -> Slot | None:
        """Return the slot of an empty line."""
        if self._in_text(column):
            return None
        if self._flows:
            flow = self._flows[-1]
            return Slot("value" if flow.is_list else "key", flow.next_place(), number, column, column, "")
        self._close(column)
        return Slot("key", (*self._place(), ""), number, column, column, "")

    def _in_text(self, column: int) -> bool:
        if self._text_column is not None and column > self._text_column:
            return True
        self._text_column = None
        return False

    def _place(self) -> Place:
        return tuple(level.key for level in self._levels)

    def _close(self, column: int) -> None:
        while self._levels and self._levels[-1].column >= column:
            self._levels.pop()

    def _block(self, line: str, column: int, number: int) -> None:
        while line[column : column + 1] == "-" and line[column + 1 : column + 2] in ("", " "):
            self._open_item(column)
            after = column + 1
            column = after + len(line[after:]) - len(line[after:].lstrip(" "))
            if not line[column:].strip():
                start = min(after + 1, len(line))
                self._slots.append(Slot("item", self._place(), number, start, len(line), ""))
                return
            if len(self._levels) > DEEPEST:
                return
        found = KEY.match(line, column)
        is_item = bool(self._levels) and isinstance(self._levels[-1].key, int) and self._levels[-1].column < column
        if found is None:
            if is_item:
                self._value(line, column, number, "item")
            else:
                self._close(column)
                self._add("key", self._place(), line, (column, _end(line, column)), number)
            return
        self._close(column)
        key = _plain(found["key"])
        self._add("key", self._place(), line, found.span("key"), number)
        self._levels.append(_Level(column, key))
        self._value(line, found.end(), number, "value")

    def _open_item(self, column: int) -> None:
        while self._levels and self._levels[-1].column > column:
            self._levels.pop()
        last = self._levels[-1] if self._levels else None
        if last is not None and last.column == column and isinstance(last.key, int):
            last.key += 1
        else:
            self._levels.append(_Level(column, 0))

    def _value(self, line: str, start: int, number: int, kind: Literal["value", "item"]) -> None:
        column = start + len(line[start:]) - len(line[start:].lstrip())
        first = line[column : column + 1]
        if first in CLOSING:
            self._flow_column = self._levels[-1].column
            self._flow(line, column, number)
        elif first in ("|", ">"):
            self._text_column = self._levels[-1].column
        elif first == "#":
            return
        else:
            begin = min(start + 1, len(line)) if kind == "value" else start
            self._add(kind, self._place(), line, (begin, _end(line, begin)), number)

    def _flow(self, line: str, column: int, number: int) -> None:
        """Read what is in brackets, piece by piece, up to the end of the line or of the outermost bracket."""
        begin = column
        while column < len(line):
            character = line[column]
            if character in QUOTES and not line[begin:column].strip():
                column = _closing_quote(line, column)
                continue
            if character == "#" and line[column - 1 : column] in ("", " "):
                break
            if character in "{[" and not line[begin:column].strip():
                self._open(character)
            elif character in "}]," or (character == ":" and line[column + 1 : column + 2] in ("", " ", ",", "}")):
                self._piece(line, begin, column, number)
                if self._after(character):
                    return
            else:
                column += 1
                continue
            column += 1
            begin = column
        self._piece(line, begin, column, number)

    def _open(self, bracket: str) -> None:
        place = self._flows[-1].next_place() if self._flows else self._place()
        if len(self._flows) < DEEPEST:
            self._flows.append(_Flow(bracket, place))

    def _piece(self, line: str, begin: int, end: int, number: int) -> None:
        """Note the slot of a piece between two separators."""
        if not self._flows:
            return
        flow = self._flows[-1]
        if flow.is_list:
            self._add("value", flow.next_place(), line, (begin, end), number)
        elif flow.key is None:
            self._add("key", flow.place, line, (begin, end), number)
        else:
            self._add("value", flow.next_place(), line, (begin, end), number)
        self._written = _plain(line[begin:end].strip())

    def _after(self, separator: str) -> bool:
        """Go on behind a separator; tell whether the outermost bracket is closed."""
        if not self._flows:
            return True
        flow = self._flows[-1]
        if separator == ":":
            flow.key = self._written
        elif separator == ",":
            flow.count += 1
            flow.key = None
        else:
            self._flows.pop()
        return not self._flows

    def _add(
        self, kind: Literal["key", "value", "item"], place: Place, line: str, span: tuple[int, int], number: int
    ) -> None:
        start, end = span
        text = line[start:end]
        inner = text.strip()
        if inner:
            start += text.index(inner[0])
            end = start + len(inner)
            if inner[0] in QUOTES:
                start += 1
                end -= len(inner) > 1 and inner[-1] == inner[0]
        written = line[start:end] if inner else ""
        place = (*place, written) if kind == "key" else place
        self._slots.append(Slot(kind, place, number, start, end, written))


def _end(line: str, start: int) -> int:
    """Return where a text without a key ends: at a comment, or at the end of the line."""
    column = start + len(line[start:]) - len(line[start:].lstrip())
    if line[column : column + 1] in tuple(QUOTES):
        return _closing_quote(line, column)
    found = SCALAR_ENDS.search(line, start)
    return found.start() if found and line[start : found.start()].strip() else len(line)


def _closing_quote(line: str, start: int) -> int:
    """Return the column behind the quote that closes the one at `start`, or the end of the line."""
    quote, column = line[start], start + 1
    while column < len(line):
        if quote == '"' and line[column] == "\\":
            column += 1
        elif line[column] == quote:
            if quote == "'" and line[column + 1 : column + 2] == "'":
                column += 1
            else:
                return column + 1
        column += 1
    return len(line)


def _plain(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0] else text
