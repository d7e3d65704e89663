"""What delivery reports to observers: metrics, logs, and the summary of one run.  Every method may be left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.delivery.outbox.base import DUPLICATE, Change, Reason, TakenIn
from engine.records import Outcome


class DeliveryObserver:
    """Watches nothing; others override what they want to know."""

    def finished(self, connection: str, outcome: Outcome, age: float) -> None:
        """One event ended, so many seconds after it was queued."""

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """What became of these events is on disk; that some still wait is told, too."""

    def answered(self, connection: str, status: int, items: int, seconds: float) -> None:
        """One request was answered; status 0: it was not."""

    def limited(self, connection: str, seconds: float) -> None:
        """A request waited for the rate limit."""

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """A connection pauses after a failure; told once a pause, and again where it becomes much longer."""

    def held(self, connection: str, reason: str, hint: str) -> None:
        """A connection stopped, or was found stopped, and waits for a person."""

    def resumed(self, connection: str, seconds: float) -> None:
        """A vendor takes requests again, so many seconds after the first failure."""

    def released(self, connection: str) -> None:
        """A connection that was held goes on, as a person wanted."""

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """A worker died of an error; another one starts in so many seconds."""

    def split(self, connection: str, items: int) -> None:
        """A batch was refused as a whole and is sent again in halves."""

    def elsewhere(self, connection: str, until: float) -> None:
        """Another process has a connection, until then at most where it has died; this one waits."""

    def ended(self, connection: str, unfinished: int) -> None:
        """A worker ended with so many events left."""

    def queue(self, connection: str, depth: int, age: float) -> None:
        """So many events are unfinished, the oldest for so many seconds."""


class Observers(DeliveryObserver):
    """Tells several watchers."""

    def __init__(self, watchers: Sequence[DeliveryObserver]) -> None:
        self._watchers = watchers

    def finished(self, connection: str, outcome: Outcome, age: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.finished(connection, outcome, age)

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.written(connection, changes)

    def answered(self, connection: str, status: int, items: int, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.answered(connection, status, items, seconds)

    def limited(self, connection: str, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.limited(connection, seconds)

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.paused(connection, reason, seconds)

    def held(self, connection: str, reason: str, hint: str) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.held(connection, reason, hint)

    def resumed(self, connection: str, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.resumed(connection, seconds)

    def released(self, connection: str) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.released(connection)

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.failed(connection, reason, seconds)

    def split(self, connection: str, items: int) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.split(connection, items)

    def elsewhere(self, connection: str, until: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.elsewhere(connection, until)

    def ended(self, connection: str, unfinished: int) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.ended(connection, unfinished)

    def queue(self, connection: str, depth: int, age: float) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.queue(connection, depth, age)


MOST_REASONS = 1000
"""Different reasons kept for each connection and outcome; further ones are counted without their words."""


class RunSummary(DeliveryObserver):
    """Counts what is written; what was refused at the door is told to `took`."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Outcome]] = Counter()
        self.ended_here: Counter[str] = Counter()
        self._reasons: dict[tuple[str, Outcome], dict[str, tuple[int, str]]] = {}

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """Count what ended."""
        for change in changes:
            if change.outcome is not Outcome.WAITING:
                self.ended_here[connection] += 1
                self._add(connection, change.outcome, change.reason, change.words, 1)

    def took(self, taken: TakenIn) -> None:
        """Count the duplicates that ended as they came in."""
        for connection, count in taken.ignored.items():
            self._add(connection, Outcome.IGNORED, DUPLICATE, "", count)

    def _add(self, connection: str, outcome: Outcome, reason: str, words: str, count: int) -> None:
        self.counts[connection, outcome] += count
        if outcome is Outcome.DELIVERED:
            return
        reasons = self._reasons.setdefault((connection, outcome), {})
        if reason in reasons or len(reasons) < MOST_REASONS:
            before, example = reasons.get(reason, (0, ""))
            reasons[reason] = (before + count, max(example, words))

    def reasons(self) -> list[Reason]:
        """Return why events were not delivered, the commonest reason first."""
        rows = [
            Reason(*key, reason, count, words)
            for key, reasons in self._reasons.items()
            for reason, (count, words) in reasons.items()
        ]
        return sorted(rows, key=lambda row: (-row.events, row[:3]))
