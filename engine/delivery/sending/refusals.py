"""Notices when a vendor refuses an unusual share of what it gets. Pure.

Refusals never stop a connection: bad data is rejected event by event.  But when many are refused, somebody should look,
at the data or at the settings.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["data", "settings"]

LOOKED_AT = 100
"""The latest results that the share is counted from."""
RAISED_AT = 20
ENDED_BELOW = 10
ENOUGH = 50
"""Results needed to end an alarm."""

SPEAK_OF_SETTINGS = frozenset({404, 405, 410, 415})


def kind(status: int) -> Kind:
    """Return what a refusal speaks of: a wrong address, method or content type is a setting, all else is data."""
    return "settings" if status in SPEAK_OF_SETTINGS or 300 <= status < 400 else "data"


class RefusalAlarm:
    """Raised when at least RAISED_AT of the last LOOKED_AT results are refusals; ends below ENDED_BELOW percent."""

    def __init__(self, text: str = "") -> None:
        """Take over the alarm of an earlier worker."""
        self.text = text
        """What is wrong, '' if there is no alarm."""
        self.kind: Kind = "data"
        self._results: deque[int] = deque(maxlen=LOOKED_AT)  # the status of a refusal, 0 for an acceptance
        self._count = 0

    def accepted(self) -> None:
        """Record that a request or an item was accepted."""
        if not self._count and not self.text and len(self._results) == LOOKED_AT:
            return  # nothing but acceptances already
        self._record(0)
        seen = len(self._results)
        if self.text and seen >= ENOUGH and self._count * 100 < ENDED_BELOW * seen:
            self.text = ""

    def refused(self, status: int) -> None:
        """Record a refusal."""
        self._record(status or -1)
        if not self.text and self._count >= RAISED_AT:
            self.kind = self._commonest()
            self.text = (
                f"{self._count} of the last {len(self._results)} results are refusals, most of them because of the "
                f"{self.kind} (the last with status {status})"
            )

    def _record(self, status: int) -> None:
        if len(self._results) == LOOKED_AT:
            self._count -= self._results[0] != 0
        self._results.append(status)
        self._count += status != 0

    def _commonest(self) -> Kind:
        settings = sum(1 for status in self._results if status and kind(status) == "settings")
        return "settings" if settings * 2 > self._count else "data"
