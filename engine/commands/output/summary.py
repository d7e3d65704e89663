"""The summary of a run: events by destination or connection and outcome, with the most common reasons.

Memory is bounded, because input of any size streams through.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from engine.commands.output.text import Display, local_time, shortened
from engine.commands.shared import counted
from engine.language.texts import kind_of_reason
from engine.records import Outcome, Plan, Report

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Overview

MOST_KINDS = 1000
MOST_VALUES = 100
SHOWN_KINDS = 5
SHOWN_REPORTS = 3
LONGEST_MESSAGE = 120
OTHER = "(others)"
ORDER = tuple(outcome.value for outcome in Outcome)


class SummaryRow(NamedTuple):
    """One reason in the table; `prefix` counts it, and `text` is wrapped behind that."""

    prefix: str
    text: str


class ReasonCounter:
    """Counts reasons; those that differ only in a value count as one and are shown as the first of them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._variants: dict[str, dict[str, str]] = {}

    def add(self, reason: str, count: int = 1, message: str = "") -> None:
        """Count a reason; `message` is an example of a vendor's message."""
        kind = kind_of_reason(reason)
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = reason = OTHER
        self._counts[kind] += count
        variants = self._variants.setdefault(kind, {})
        if len(variants) < MOST_VALUES:
            variants.setdefault(reason, message)

    def rows(self) -> list[SummaryRow]:
        """Return the most common reasons, as lines of a table."""
        rows = [(count, self._text(kind)) for kind, count in self._counts.items()]
        rows.sort(key=lambda row: (-row[0], row[1]))
        shown = [SummaryRow(f"{count} x ", text) for count, text in rows[:SHOWN_KINDS]]
        more = len(rows) - SHOWN_KINDS
        return shown if more <= 0 else [*shown, SummaryRow("", f"and {counted(more, 'more reason')}")]

    def _text(self, kind: str) -> str:
        variants = self._variants[kind]
        reason, message = next(iter(variants.items()))
        others = len(variants) - 1
        many = " or more" if len(variants) == MOST_VALUES else ""
        like = f" (+{others}{many} other value{'' if others == 1 else 's'})" if others else ""
        return f"{reason}{like}" + (f" | {shortened(message, LONGEST_MESSAGE)}" if message else "")


class Summary:
    """Counts the plans of a run of `engine run`.

    `faulty_bodies` is how many bodies do not meet their `body_schema`, None if nobody asked.
    """

    def __init__(self, faulty_bodies: int | None = None) -> None:
        self.events = 0
        self.broken = 0
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.reasons: defaultdict[tuple[str, str], ReasonCounter] = defaultdict(ReasonCounter)
        self.reports: Counter[tuple[str, str, str]] = Counter()
        self.faulty_bodies = faulty_bodies
        self.checked_bodies = 0

    def add_event(self, reports: Iterable[Report]) -> None:
        """Count an event that was read, and reports that do not depend on the destination."""
        self.events += 1
        for report in reports:
            self._count_report("", report)

    def add(self, destination: str, plan: Plan, reports: Iterable[Report]) -> None:
        """Count one plan and its own reports."""
        self.counts[destination][plan.outcome] += 1
        if plan.outcome not in (Outcome.PLANNED, Outcome.DELIVERED):
            self.reasons[destination, plan.outcome].add(plan.reason)
        for report in reports:
            self._count_report(destination, report)

    def _count_report(self, destination: str, report: Report) -> None:
        key = (destination, report.code, report.place)
        if key not in self.reports and len(self.reports) >= MOST_KINDS:
            key = (destination, report.code, OTHER)
        self.reports[key] += 1

    @property
    def failed(self) -> bool:
        """Whether anything was invalid, could not be read, or does not meet its `body_schema`."""
        return (
            self.broken > 0
            or bool(self.faulty_bodies)
            or any(Outcome.INVALID in counts for counts in self.counts.values())
        )

    def text(self, display: Display) -> str:
        """Return the counts as a table, the most common reports, and how many events there were."""
        reasons = {key: counter.rows() for key, counter in self.reasons.items()}
        lines = _table(display, "destination", self.counts, lambda *key: reasons.get(key, []))
        notices = (display.paint(display.wrap(row, "! ", 2), "notice") for row in self._reports())
        broken = f", and {counted(self.broken, 'line')} that could not be read" if self.broken else ""
        return "\n".join(["", *lines, *notices, f"{counted(self.events, 'event')}{broken}.{self._bodies()}"])

    def add_faulty_bodies(self, count: int) -> None:
        """Count bodies that do not meet their `body_schema`."""
        self.faulty_bodies = (self.faulty_bodies or 0) + count

    def _bodies(self) -> str:
        """Say how many bodies do not meet their schema, where that was asked for."""
        if self.faulty_bodies is None:
            return ""
        if not self.checked_bodies:
            return " No body was checked."
        if not self.faulty_bodies:
            return " Every body matches its body_schema."
        bodies, verb = ("body", "does") if self.faulty_bodies == 1 else ("bodies", "do")
        return f" {self.faulty_bodies} {bodies} {verb} not match the body_schema."

    def _reports(self) -> list[str]:
        found = sorted(self.reports.items(), key=lambda row: -row[1])
        rows = [f"{number} x {code} at {place}{f' ({name})' if name else ''}" for (name, code, place), number in found]
        more = len(rows) - SHOWN_KINDS
        return rows if more <= 0 else [*rows[:SHOWN_KINDS], f"and {counted(more, 'more kind')}"]


def delivery_text(display: Display, overview: Overview) -> str:
    """Return how events ended, by connection: the most common reasons, or why a connection waits."""
    counts: dict[str, Counter[str]] = {}
    for (name, outcome), count in overview.counts.items():
        counts.setdefault(name, Counter())[outcome.value] += count
    reasons: dict[tuple[str, str], ReasonCounter] = {}
    for each in overview.reasons:
        counter = reasons.setdefault((each.connection, each.outcome.value), ReasonCounter())
        counter.add(each.reason, each.events, each.error)
    states = {row.name: row for row in overview.connections}

    def rows(name: str, outcome: str) -> list[SummaryRow]:
        state = states[name]
        if outcome == Outcome.HELD:
            return [SummaryRow("", f"{state.held.rstrip('.')}. {state.hint}".strip())]
        if outcome == Outcome.WAITING and state.due is not None:
            return [SummaryRow("", f"{state.pause.rstrip('.')}; next try {local_time(state.due)}")]
        counter = reasons.get((name, outcome))
        return counter.rows() if counter is not None else []

    lines = [*_table(display, "connection", counts, rows), *_report_lines(display, overview)]
    return "\n".join(lines) or "No events."


def _report_lines(display: Display, overview: Overview) -> Iterator[str]:
    """Return, for each connection, how many of its events have reports, and of which kinds most are."""
    for name, events in overview.reported.items():
        found = [
            f"{each.reports} x {each.code} at {each.place}" for each in overview.reports if each.connection == name
        ]
        more = [counted(len(found) - SHOWN_REPORTS, "more kind")] if len(found) > SHOWN_REPORTS else []
        kinds = ", ".join([*found[:SHOWN_REPORTS], *more])
        verb = "has" if events == 1 else "have"
        text = f"{name}: {counted(events, 'event')} {verb} reports: {kinds}"
        yield display.paint(display.wrap(text, "! ", 2), "notice")


def _table(
    display: Display,
    title: str,
    counts: Mapping[str, Mapping[str, int]],
    reasons: Callable[[str, str], list[SummaryRow]],
) -> Iterator[str]:
    """Return the lines of a table of names, outcomes, counts and reasons; no lines where nothing was counted."""
    cells = [(name, outcome, found[outcome]) for name, found in counts.items() for outcome in ORDER if outcome in found]
    if not cells:
        return
    rows = [reasons(name, outcome) for name, outcome, _ in cells]
    name_width = max(len(title), *(len(name) for name, _, _ in cells))
    outcome_width = max(len("outcome"), *(len(outcome) for _, outcome, _ in cells))
    count_width = max(len("events"), *(len(str(count)) for _, _, count in cells))
    header = f"{title:<{name_width}}  {'outcome':<{outcome_width}}  {'events':>{count_width}}"
    yield display.paint(f"{header}  reason" if any(rows) else header, "title")
    before = ""
    for (name, outcome, count), lines in zip(cells, rows, strict=True):
        shown = "" if name == before else name
        cell = display.paint(f"{outcome:<{outcome_width}}", outcome)
        first, indent = f"{shown:<{name_width}}  {cell}  {count:>{count_width}}", len(header) + 2
        yield from _with_reasons(display, first, indent, lines)
        before = name


def _with_reasons(display: Display, row: str, indent: int, reasons: list[SummaryRow]) -> Iterator[str]:
    """Return a row of the table with its reasons, each below the other; `indent` is where they begin."""
    if not reasons:
        yield row
    for number, (prefix, text) in enumerate(reasons):
        before = " " * indent if number else f"{row}  "
        yield display.wrap(text, before + prefix, indent + len(prefix))
