"""Places in a text: of YAML's marks, of characters, and of editors, which count in the units of an encoding.

Editors break lines at LF, CRLF and CR alone; YAML also at NEL, LS and PS. So a mark of YAML goes to a position of an
editor by way of the number of the character in the whole text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Literal, NamedTuple

from engine.mapping.problems import Mark, Problem

Encoding = Literal["utf-8", "utf-16", "utf-32"]

YAML_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
EDITOR_BREAK = re.compile("\r\n|[\r\n]")
BYTE_ORDER_MARK = "\ufeff"


class Position(NamedTuple):
    """A place as editors count: line and unit of the encoding, both from 0."""

    line: int
    unit: int


class Range(NamedTuple):
    """A piece of a text, from its first character to the one after its last."""

    start: Position
    end: Position


class Replacement(NamedTuple):
    """What takes the place of a piece of a text."""

    range: Range
    text: str


class TextLines:
    """A text by lines, as editors count them."""

    def __init__(self, text: str, encoding: Encoding = "utf-16") -> None:
        self.text = text
        self._encoding = encoding
        self._starts = _starts(EDITOR_BREAK, text)
        self._yaml_starts = _starts(YAML_BREAK, text)
        self._mark = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0

    def __len__(self) -> int:
        return len(self._starts)

    def other(self, text: str) -> TextLines:
        """Return another text in the same encoding."""
        return TextLines(text, self._encoding)

    def line(self, number: int) -> str:
        """Return a line without its break; '' for one that the text does not have."""
        if not 0 <= number < len(self._starts):
            return ""
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        return self.text[self._starts[number] : end].rstrip("\r\n")

    def at(self, mark: Mark | Problem) -> int:
        """Return the number of the character at a mark of YAML, or at a problem, from 0."""
        line = min(max(mark.line - 1, 0), len(self._yaml_starts) - 1)
        skipped = self._mark if line == 0 else 0
        return min(self._yaml_starts[line] + mark.column - 1 + skipped, len(self.text))

    def position(self, character: int) -> Position:
        """Return the position of a character of the text, by its number."""
        line = bisect_right(self._starts, character) - 1
        start = self._starts[line]
        return Position(line, self._units(self.text[start : min(character, start + len(self.line(line)))]))

    def column(self, position: Position) -> int:
        """Return which character of its line a position is before; the last one for a position behind it."""
        line = self.line(position.line)
        if line.isascii():
            return min(max(position.unit, 0), len(line))
        units = 0
        for column, character in enumerate(line):
            if units >= position.unit:
                return column
            units += self._units(character)
        return len(line)

    def offset(self, position: Position) -> int:
        """Return the number of the character at a position."""
        if position.line >= len(self._starts):
            return len(self.text)
        return self._starts[max(position.line, 0)] + self.column(position)

    def range(self, start: int, end: int) -> Range:
        """Return the range of the characters from `start` to before `end`."""
        return Range(self.position(start), self.position(end))

    def in_line(self, line: int, start: int, end: int) -> Range:
        """Return the range of some characters of one line."""
        text = self.line(line)
        return Range(Position(line, self._units(text[:start])), Position(line, self._units(text[:end])))

    def _units(self, text: str) -> int:
        if text.isascii() or self._encoding == "utf-32":
            return len(text)
        if self._encoding == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _starts(breaks: re.Pattern[str], text: str) -> list[int]:
    return [0, *(found.end() for found in breaks.finditer(text))]
