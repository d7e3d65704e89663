"""What was wrong with connections in the last hour: the outbox knows only what is wrong now.

Kept in memory, since a restart begins with what is wrong then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from engine.delivery.observers import DeliveryObserver

KEPT_SECONDS = 3600.0
MOST_KEPT = 20
"""Troubles of one connection, the latest ones."""
MOST_CONNECTIONS = 1000
"""Connections whose troubles are kept."""
PAUSED, HELD, REFUSALS, FAILED = "paused", "held", "many refusals", "worker failed"


class Trouble(NamedTuple):
    """Something that was wrong with a connection; times are Unix seconds, `ended_at` is None while it lasts."""

    connection: str
    kind: str
    reason: str
    began_at: float
    ended_at: float | None = None


class RecentTroubles(DeliveryObserver):
    """Keeps the pauses, holds, alarms and failures of the last hour; `clock` returns seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[Trouble, ...]] = {}

    def read(self) -> tuple[Trouble, ...]:
        """Return the troubles, the latest first; those that ended more than an hour ago are gone."""
        since = self._clock() - KEPT_SECONDS
        found = [each for kept in list(self._kept.values()) for each in kept]
        recent = (each for each in found if each.ended_at is None or each.ended_at >= since)
        return tuple(sorted(recent, key=lambda each: -each.began_at))

    def paused(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Keep a pause, which goes on until the vendor accepts requests again."""
        self._began(connection, PAUSED, reason)

    def resumed(self, connection: str, seconds: float) -> None:  # noqa: ARG002
        """End a pause."""
        self._ended(connection, PAUSED)

    def held(self, connection: str, reason: str, hint: str) -> None:  # noqa: ARG002
        """Keep a hold, with which a pause ends."""
        self._ended(connection, PAUSED)
        self._began(connection, HELD, reason)

    def released(self, connection: str) -> None:
        """End a hold."""
        self._ended(connection, HELD)

    def alarmed(self, connection: str, alarm: str, kind: str) -> None:  # noqa: ARG002
        """Keep an alarm about refusals, or end it."""
        if alarm:
            self._began(connection, REFUSALS, alarm)
        else:
            self._ended(connection, REFUSALS)

    def failed(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Keep that a worker failed, which is over at once: the next one starts."""
        self._began(connection, FAILED, reason)
        self._ended(connection, FAILED)

    def removed(self, connection: str, unfinished: int) -> None:  # noqa: ARG002
        """Forget a connection that a reload removed."""
        self._kept.pop(connection, None)

    def _began(self, connection: str, kind: str, reason: str) -> None:
        kept = self._kept.get(connection, ())
        now = self._clock()
        if any(each.kind == kind and each.ended_at is None for each in kept):  # it goes on, for the latest reason
            kept = tuple(
                each._replace(reason=reason) if each.kind == kind and each.ended_at is None else each for each in kept
            )
        elif connection in self._kept or len(self._kept) < MOST_CONNECTIONS:
            kept = _latest((*kept, Trouble(connection, kind, reason, now)))
        if kept:
            self._kept[connection] = kept

    def _ended(self, connection: str, kind: str) -> None:
        kept, now = self._kept.get(connection), self._clock()
        if kept is not None:
            self._kept[connection] = tuple(
                each._replace(ended_at=now) if each.kind == kind and each.ended_at is None else each for each in kept
            )


def _latest(kept: tuple[Trouble, ...]) -> tuple[Trouble, ...]:
    """Return the latest troubles: of those that ended, as many as fit beside those that last."""
    ended = [each for each in kept if each.ended_at is not None]
    gone = ended[: max(0, len(kept) - MOST_KEPT)]
    return tuple(each for each in kept if each not in gone)
