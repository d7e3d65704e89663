"""The line of a mapping that a problem is about, with a caret under its place.

The file is read when the problem is printed: problems are compared, sorted and sent to programs without its text.
A line in which a credential was found is not shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from engine.language.texts import visible
from engine.mapping.problems import Problem
from engine.mapping.yaml.reader import LARGEST

CREDENTIALS = frozenset({"secret-in-file", "secret-default", "secret-in-example"})
"""The codes of problems that say a credential stands in the file; `secret-in-url` may be one."""

CUT = "…"


class Excerpts:
    """Excerpts for a number of problems; each file is read once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._withheld = {_line(problem) for problem in problems if _holds_credential(problem)}
        self._lines = cache(_lines)

    def of(self, problem: Problem, width: int) -> tuple[str, ...]:
        """Return the line and the caret below it, at most `width` columns wide; nothing if it cannot be shown."""
        whole_file = (problem.path, problem.line, problem.column) == ("", 1, 1)
        lines = () if whole_file or _line(problem) in self._withheld else self._lines(problem.file)
        if not 0 < problem.line <= len(lines) or not lines[problem.line - 1].strip():
            return ()
        number = f"  {problem.line} | "
        room = width - len(number)
        shown, before = _window(lines[problem.line - 1].replace("\t", " "), problem.column - 1, room)
        return f"{number}{shown}".rstrip(), f"{' ' * (len(number) - 2)}| {' ' * before}^"


def _holds_credential(problem: Problem) -> bool:
    return problem.code in CREDENTIALS or (problem.code == "secret-in-url" and problem.path == "http.base_url")


def _line(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.line


def _lines(file: str) -> tuple[str, ...]:
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ()
        return tuple(path.read_bytes().decode("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()


def _window(line: str, at: int, room: int) -> tuple[str, int]:
    """Return the part of `line` around character `at` that fits `room` columns, and the columns before `at` in it."""
    cells = [visible(character) for character in line]
    widths = [sum(map(_columns, cell)) for cell in cells]
    at = min(at, len(cells))
    first = 0
    if sum(widths) > room:
        while first < at and sum(widths[first : at + 1]) > room * 2 // 3:
            first += 1
    last, used = first, len(CUT) * bool(first)
    while last < len(cells) and used + widths[last] <= room - len(CUT) * (last + 1 < len(cells)):
        used += widths[last]
        last += 1
    shown = f"{CUT * bool(first)}{''.join(cells[first:last])}{CUT * (last < len(cells))}"
    return shown, len(CUT) * bool(first) + sum(widths[first:at])


def _columns(character: str) -> int:
    """Return how many columns of a terminal a character takes (Unicode Standard Annex 11, East Asian Width)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
