"""What one process did: how the events ended that it finished itself, and why.

The outbox counts for all processes that ever used it; a run's summary and exit code must speak of that run alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.delivery.rows import DUPLICATE, Change, Reason, TakenIn
from engine.delivery.watching import Watcher
from engine.records import Outcome

MOST_REASONS = 1000
"""Different reasons kept for each connection and outcome; further ones are counted without their words."""


class Tally(Watcher):
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
        """Give why events were not delivered, the commonest reason first."""
        rows = [
            Reason(*key, reason, count, words)
            for key, reasons in self._reasons.items()
            for reason, (count, words) in reasons.items()
        ]
        return sorted(rows, key=lambda row: (-row.events, row[:3]))
