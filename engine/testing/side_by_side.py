"""Two JSON values beside each other, for a terminal: what was expected on the left, what there is on the right.

Rows that differ are marked between the columns as `diff -y` marks them; rows that are equal are shown only near them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import NamedTuple

from engine.language.texts import visible
from engine.records import Json

GUTTER = 3
CONTEXT = 2
MOST_LINES = 2000
"""Of a value; comparing takes time that grows with the square."""
MOST_ROWS = 120
"""That are shown; who needs more looks at the snapshot or at `engine run`."""


class TwoColumns(NamedTuple):
    """A row of the two columns; `mark` is `|` where they differ, `<` and `>` where one side has nothing."""

    left: str
    right: str
    mark: str = " "

    def text(self, width: int) -> str:
        """Return the row, with the right column beginning at the middle of `width`."""
        return f"{self.left:<{column(width)}} {self.mark} {self.right}".rstrip()


def column(width: int) -> int:
    """Return how wide a column is."""
    return max(10, (width - GUTTER) // 2)


def lines_of(value: Json) -> list[str]:
    """Write a value as JSON, a key or an entry a line, without the commas: a line that is not last is no difference."""
    return [visible(line).removesuffix(",") for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n")]


def side_by_side(expected: list[str], actual: list[str], width: int) -> list[TwoColumns]:
    """Return the rows that show where two texts differ, each at most `width` columns."""
    if max(len(expected), len(actual)) > MOST_LINES:
        return [TwoColumns(f"(more than {MOST_LINES:,} lines)", f"(more than {MOST_LINES:,} lines)", "|")]
    rows = list(_near_changes(list(_rows(expected, actual, column(width)))))
    head = [TwoColumns("expected", "actual"), *rows[:MOST_ROWS]]
    return head if len(rows) <= MOST_ROWS else [*head, TwoColumns(f"... {len(rows) - MOST_ROWS:,} more rows", "...")]


def _rows(expected: list[str], actual: list[str], width: int) -> Iterator[TwoColumns]:
    matcher = SequenceMatcher(None, expected, actual, autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        pairs = zip_longest(expected[start:end], actual[other_start:other_end])
        for left, right in pairs:
            mark = " " if kind == "equal" else ">" if left is None else "<" if right is None else "|"
            for part in zip_longest(_cut(left or "", width), _cut(right or "", width), fillvalue=""):
                yield TwoColumns(*part, mark)


def _cut(line: str, width: int) -> list[str]:
    """Return a line in pieces that fit; a long text goes on below, indented as it began."""
    pieces = [line[:width]]
    indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
    rest = line[width:]
    while rest:
        room = width - len(indent)
        pieces.append(indent + rest[:room])
        rest = rest[room:]
    return pieces


def _near_changes(rows: list[TwoColumns]) -> Iterator[TwoColumns]:
    """Yield the rows that differ with a few around them; dots stand for two or more that are left out."""
    changed = [number for number, row in enumerate(rows) if row.mark != " "]
    near = {near for number in changed for near in range(number - CONTEXT, number + CONTEXT + 1)}
    for is_near, group in groupby(enumerate(rows), key=lambda each: each[0] in near):
        found = [row for _, row in group]
        yield from found if is_near or len(found) == 1 else [TwoColumns("...", "...")]
