"""The events that delivery reports, and who receives them: metrics, logs, and the summary of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from engine.delivery.outbox.base import DUPLICATE, Change, Reason, ReportCount, TakenIn
from engine.delivery.outbox.reports import NO_REPORTS
from engine.records import Outcome


class DeliveryObserver:
    """Receives what delivery reports. Every method does nothing; override those of interest."""

    def finished(self, connection: str, outcome: Outcome, age: float) -> None:
        """An event reached its outcome `age` seconds after it was queued; it may not be on disk yet."""

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """These changes are on disk, including those of events that still wait."""

    def answered(self, connection: str, status: int, items: int, seconds: float) -> None:
        """A request was sent; `status` is 0 if no response came back."""

    def timed_out(self, connection: str, seconds: float) -> None:
        """A request was given up after `seconds`, because the vendor had not answered in whole."""

    def limited(self, connection: str, seconds: float) -> None:
        """A request is delayed by the rate limit."""

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """A connection pauses after a failure; reported once for each pause, and again if it becomes much longer."""

    def held(self, connection: str, reason: str, hint: str) -> None:
        """A connection stopped, or was already stopped at the start, and waits for a person."""

    def resumed(self, connection: str, seconds: float) -> None:
        """The vendor accepts requests again, `seconds` after the first failure."""

    def warned(self, connection: str, warning: str) -> None:
        """Something about a connection deserves attention; reported at the start."""

    def released(self, connection: str) -> None:
        """A person resumed a held connection."""

    def retrying(self, connection: str, events: int, reason: str, seconds: float) -> None:
        """A request failed; its events are tried again after `seconds`, while the connection goes on."""

    def alarmed(self, connection: str, alarm: str, kind: str) -> None:
        """The vendor refuses an unusual share, because of the `data` or the `settings`; '' ends the alarm."""

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """A worker failed; another one starts after `seconds`."""

    def lost(self, connection: str, reason: str) -> None:
        """A worker lost its lease, or was too late to renew it; it begins anew, if no other has the connection."""

    def split(self, connection: str, items: int) -> None:
        """A batch was refused as a whole and is sent again in halves."""

    def elsewhere(self, connection: str, until: float) -> None:
        """Another process has the connection's lease until then, so this one waits."""

    def ended(self, connection: str, unfinished: int) -> None:
        """A worker ended and left this many events unfinished."""

    def removed(self, connection: str, unfinished: int) -> None:
        """A reload removed a connection; this many events wait for it in the outbox and are not delivered."""

    def queue(self, connection: str, depth: int, age: float) -> None:
        """The number of unfinished events, and the age of the oldest in seconds."""

    def owning(self, partitions: int, of: int) -> None:
        """The process delivers this many of the partitions of an outbox on streams."""


class Observers(DeliveryObserver):
    """Passes every event on to several observers."""

    def __init__(self, observers: Sequence[DeliveryObserver]) -> None:
        for name in vars(DeliveryObserver):
            if not name.startswith("_"):
                setattr(self, name, _call_each([getattr(each, name) for each in observers]))


def _call_each(methods: Sequence[Callable[..., None]]) -> Callable[..., None]:
    def call(*args: object, **kwargs: object) -> None:
        for method in methods:
            method(*args, **kwargs)

    return call


MOST_REASONS = 1000
"""Distinct reasons kept for each connection and outcome; further ones are only counted."""

MOST_KINDS = 100
"""Distinct pairs of code and place that reports of one connection are counted by; the others are counted together."""

OTHER = "other"


class ReportCounter:
    """Counts reports by connection, code and place, in bounded memory."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, str]]] = {}
        self.events: Counter[str] = Counter()

    def add(self, connection: str, changes: Sequence[Change]) -> list[tuple[str, str]]:
        """Count the reports of events that are finished; return the code and place under which each is counted."""
        found: list[tuple[str, str]] = []
        for change in changes:
            if change.reports is NO_REPORTS or change.outcome is Outcome.WAITING:
                continue
            self.events[connection] += 1
            counts = self._counts.setdefault(connection, Counter())
            for report in (*change.reports.event, *change.reports.mapping):
                kind = report.code, report.place
                if kind not in counts and len(counts) >= MOST_KINDS:
                    kind = OTHER, OTHER
                counts[kind] += 1
                found.append(kind)
        return found

    def rows(self) -> list[ReportCount]:
        """Return the counts, the highest first."""
        rows = [
            ReportCount(name, code, place, count)
            for name, counts in self._counts.items()
            for (code, place), count in counts.items()
        ]
        return sorted(rows, key=lambda row: (-row.reports, row[:3]))


class RunSummary(DeliveryObserver):
    """Counts the outcomes of one run, by connection and reason."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Outcome]] = Counter()
        self.ended_here: Counter[str] = Counter()
        self.reports = ReportCounter()
        self._reasons: dict[tuple[str, Outcome], dict[str, tuple[int, str]]] = {}

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """Count the events that are finished."""
        self.reports.add(connection, changes)
        for change in changes:
            if change.outcome is not Outcome.WAITING:
                self.ended_here[connection] += 1
                self._add(connection, change.outcome, change.reason, change.error, 1)

    def count_duplicates(self, taken: TakenIn) -> None:
        """Count the duplicates, which ended as they were taken in and are never written by a worker."""
        for connection, count in taken.ignored.items():
            self._add(connection, Outcome.IGNORED, DUPLICATE, "", count)

    def _add(self, connection: str, outcome: Outcome, reason: str, error: str, count: int) -> None:
        self.counts[connection, outcome] += count
        if outcome is Outcome.DELIVERED:
            return
        reasons = self._reasons.setdefault((connection, outcome), {})
        if reason in reasons or len(reasons) < MOST_REASONS:
            before, example = reasons.get(reason, (0, ""))
            reasons[reason] = (before + count, max(example, error))

    def reasons(self) -> list[Reason]:
        """Return why events were not delivered, the commonest reason first."""
        rows = [
            Reason(*key, reason, count, error)
            for key, reasons in self._reasons.items()
            for reason, (count, error) in reasons.items()
        ]
        return sorted(rows, key=lambda row: (-row.events, row[:3]))
