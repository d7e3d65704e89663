"""What came of all events together: counts by destination and outcome, with the commonest reasons and reports.

Memory stays bounded whatever the reasons hold, because input of any size streams through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from engine.commands.output.text import Paint, wrapped
from engine.records import Outcome, Plan, Report

MOST_KINDS = 1000
SHOWN_KINDS = 5
OTHER = "(others)"
ORDER = tuple(outcome.value for outcome in Outcome)
TITLES = ("destination", "outcome", "events", "reason")


class Summary:
    """Counts plans, and says what was counted."""

    def __init__(self) -> None:
        self.events = 0
        self.broken = 0
        self.counts: dict[str, Counter[str]] = {}
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        self.reports: Counter[tuple[str, str, str]] = Counter()

    def add_event(self, reports: Iterable[Report]) -> None:
        """Count an event that was read, and what is said about it whatever the destination."""
        self.events += 1
        for report in reports:
            _bounded(self.reports, ("", report.code, report.place))

    def add(self, destination: str, plan: Plan, reports: Iterable[Report]) -> None:
        """Count one plan, and what is said about it alone."""
        outcome = plan.outcome.value
        self.counts.setdefault(destination, Counter())[outcome] += 1
        if plan.outcome not in (Outcome.PLANNED, Outcome.DELIVERED):
            _bounded(self.reasons, (destination, outcome, plan.reason))
        for report in reports:
            _bounded(self.reports, (destination, report.code, report.place))

    @property
    def failed(self) -> bool:
        """Whether anything was invalid or could not be read."""
        return self.broken > 0 or any(Outcome.INVALID in counts for counts in self.counts.values())

    def text(self, paint: Paint) -> str:
        """Return the counts as a table, what was noticed, and how many events there were."""
        lines = [*self._table(paint), *(paint(line, "notice") for line in self._noticed())]
        broken = f", and {_count(self.broken, 'piece')} that could not be read" if self.broken else ""
        return "\n".join(["", *lines, f"{_count(self.events, 'event')}{broken}."])

    def _table(self, paint: Paint) -> Iterator[str]:
        if not self.counts:
            return
        names = max(len(TITLES[0]), *(len(name) for name in self.counts))
        outcomes = max(len(TITLES[1]), *(len(outcome) for counts in self.counts.values() for outcome in counts))
        numbers = max(len(TITLES[2]), len(str(self.events)))
        header = f"{TITLES[0]:<{names}}  {TITLES[1]:<{outcomes}}  {TITLES[2]:>{numbers}}"
        yield paint(f"{header}  {TITLES[3]}" if self.reasons else header, "title")
        for name, counts in self.counts.items():
            shown = name
            for outcome in sorted(counts, key=ORDER.index):
                cell = paint(f"{outcome:<{outcomes}}", outcome)
                row = f"{shown:<{names}}  {cell}  {counts[outcome]:>{numbers}}"
                yield from _with_reasons(row, len(header) + 2, self._reasons(name, outcome))
                shown = ""

    def _reasons(self, destination: str, outcome: str) -> list[tuple[str, str]]:
        found = [
            (number, reason)
            for (name, kind, reason), number in self.reasons.items()
            if (name, kind) == (destination, outcome)
        ]
        rows = [(f"{number} x ", reason) for number, reason in sorted(found, key=lambda row: (-row[0], row[1]))]
        more = len(rows) - SHOWN_KINDS
        return rows if more <= 0 else [*rows[:SHOWN_KINDS], ("", f"and {_count(more, 'more reason')}")]

    def _noticed(self) -> list[str]:
        found = sorted(self.reports.items(), key=lambda row: -row[1])
        rows = [f"{number} x {code} at {place}{f' ({name})' if name else ''}" for (name, code, place), number in found]
        more = len(rows) - SHOWN_KINDS
        if more > 0:
            rows = [*rows[:SHOWN_KINDS], f"and {_count(more, 'more kind')}"]
        return [wrapped(row, "! ", 2) for row in rows]


def _with_reasons(row: str, indent: int, reasons: list[tuple[str, str]]) -> Iterator[str]:
    """Return a row of the table with its reasons, each below the other; `indent` is where they begin."""
    if not reasons:
        yield row
    for number, (times, reason) in enumerate(reasons):
        before = " " * indent if number else f"{row}  "
        yield wrapped(reason, before + times, indent + len(times))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _bounded(counter: Counter[tuple[str, str, str]], key: tuple[str, str, str]) -> None:
    if key in counter or len(counter) < MOST_KINDS:
        counter[key] += 1
    else:
        counter[key[0], key[1], OTHER] += 1
