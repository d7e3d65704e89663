"""What a row measured, and the one table of all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Turn(NamedTuple):
    """Seconds of one turn, by the clock and of processors; `count` events were in it."""

    wall: float
    cpu: float
    count: int = 1


@dataclass
class Measured:
    """A row: each turn as a ratio to its reference, which was measured right before and after it."""

    key: str
    title: str
    goal: str = ""
    unit: str = "us"
    ratios: list[float] = field(default_factory=list)
    by_cpu: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    """Of one event, in seconds."""

    def add(self, turn: Turn, before: Turn, after: Turn) -> None:
        """Take a turn between two of the reference; all three per event."""
        wall = before.wall / before.count + after.wall / after.count
        cpu = before.cpu / before.count + after.cpu / after.count
        self.ratios.append(2 * turn.wall / turn.count / wall)
        self.by_cpu.append(2 * turn.cpu / turn.count / cpu)
        self.each.append(turn.wall / turn.count)

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """From where to where 80 % of the turns lie."""
        if len(self.ratios) < 2:
            return self.ratios[0], self.ratios[0]
        found = statistics.quantiles(self.ratios, n=10, method="inclusive")
        return found[0], found[-1]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON, for the page."""
        each = statistics.median(self.each)
        return {"ratio": self.ratio, "spread": self.spread, "cpu": statistics.median(self.by_cpu), "each": each}


HEAD = ("row", "x reference", "10-90 %", "by CPU time", "time", "a second", "goal")


def line(row: Measured) -> tuple[str, ...]:
    """Return the cells of one row."""
    low, high = row.spread
    each = statistics.median(row.each)
    time = f"{each * 1e6:.1f} us" if row.unit == "us" else f"{each * 1e3:.0f} ms"
    rate = f"{1 / each:,.0f}" if row.unit == "us" else ""
    cpu = f"{statistics.median(row.by_cpu):.2f}"
    return row.title, f"**{row.ratio:.2f}**", f"{low:.2f}-{high:.2f}", cpu, time, rate, row.goal


def table(rows: Iterable[Measured]) -> list[str]:
    """Return the lines of a Markdown table, its columns aligned for terminals."""
    return markdown(HEAD, map(line, rows))


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table: text to the left, numbers to the right."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def text(row: tuple[str, ...]) -> str:
        put: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(head) - 1)]
        return "| " + " | ".join(f(cell, width) for f, cell, width in zip(put, row, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if n == 0 else ":") for n, width in enumerate(widths)) + "|"
    return [text(cells[0]), rule, *map(text, cells[1:])]
