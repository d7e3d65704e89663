"""Rows of texts as aligned columns: on a terminal cut to its width, into a file or a pipe whole.

Columns get their share of a terminal by what is in them: one that needs little gets that, and those that need more
share what is left.  Texts are data: what cannot be seen is shown as an escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from engine.commands.output.text import Display
from engine.language.texts import shortened, visible

GAP = "  "
WIDEST = 40
"""Columns up to which texts are padded where nothing is cut: one long text must not move all others."""

LONGEST = 2000
"""Characters of a text that are looked at on a terminal, which is never that wide."""


class Column(NamedTuple):
    """A column: `least` is the width below which it is not cut, and `share` how much of what is left it gets.

    One without a share is never cut, but at `least` if that is given. The last one may go on below instead of being
    cut (`wraps`).
    """

    title: str
    least: int = 0
    share: int = 0
    right: bool = False
    wraps: bool = False


def table(display: Display, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a header and a line for each row; a cell's style is its text, where there is one for it."""
    shown = [[_cell(display, column, text) for column, text in zip(columns, row, strict=True)] for row in rows]
    widths = _widths(display, columns, shown)
    header = [column.title for column in columns]
    yield display.paint(
        _line(columns, [_fit(text, width) for text, width in zip(header, widths, strict=True)], widths), "title"
    )
    for row in shown:
        below: list[str] = []
        if columns[-1].wraps and display.terminal:
            row[-1], *below = wrap(row[-1], widths[-1]) or [""]
        cells = [_fit(text, width) if display.terminal else text for text, width in zip(row, widths, strict=True)]
        yield _line(columns, cells, widths, display)
        yield from (" " * (sum(widths[:-1]) + len(GAP) * (len(widths) - 1)) + line for line in below)


def _cell(display: Display, column: Column, text: str) -> str:
    text = visible(text[:LONGEST] if display.terminal else text)
    return text if column.share or not column.least else shortened(text, column.least)


def _widths(display: Display, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    wanted = [max(width_of(text) for text in texts) for texts in zip([c.title for c in columns], *rows, strict=True)]
    if not display.terminal:
        return [min(width, WIDEST) for width in wanted]
    room = display.width - len(GAP) * (len(columns) - 1)
    room -= sum(width for width, column in zip(wanted, columns, strict=True) if not column.share)
    flexible = [number for number, column in enumerate(columns) if column.share]
    for number in flexible:
        wanted[number] = max(wanted[number], len(columns[number].title))
    shares = _shared({n: wanted[n] for n in flexible}, {n: columns[n] for n in flexible}, room)
    return [shares.get(number, width) for number, width in enumerate(wanted)]


def _shared(wanted: dict[int, int], columns: dict[int, Column], room: int) -> dict[int, int]:
    """Return the widths of columns in some room: none more than it wants, none less than its least if that fits."""
    found = {number: min(width, columns[number].least) for number, width in wanted.items()}
    if sum(found.values()) > room:
        found = dict.fromkeys(wanted, 1)
    for _ in range(room - sum(found.values())):
        cut = [number for number in wanted if found[number] < wanted[number]]
        if not cut:
            break
        found[min(cut, key=lambda number: found[number] / columns[number].share)] += 1
    return found


def _line(
    columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int], display: Display | None = None
) -> str:
    texts = []
    for column, cell, width in zip(columns, cells, widths, strict=True):
        blank = " " * (width - width_of(cell))
        painted = cell if display is None else display.paint(cell, cell)
        texts.append(blank + painted if column.right else painted + blank)
    return GAP.join(texts).rstrip()


def _fit(text: str, width: int) -> str:
    """Return a text that is at most some columns wide, cut with an ellipsis."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += width_of(character)
        if used >= width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
