"""What became of an event, from the outbox: what `engine outbox show` writes as a timeline."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from engine.delivery.outbox.base import DUPLICATE
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.attempts import Attempt
    from engine.delivery.outbox.base import ConnectionRow, NewEvent
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.looking import Found
    from engine.records import Report

AGAIN_AFTER = 1.0
"""Seconds between intake and queueing that tell a replay from intake itself."""


class EventState(NamedTuple):
    """What became of an event for one connection.

    `attempts` are the requests that are still kept. `row` is the connection. `mapping` is the name of the mapping whose
    version planned it, '' if that was not kept; `current` is the digest of today's version, None if nobody asked.
    `first` is the number of the event that a duplicate repeats.
    """

    found: Found
    attempts: list[Attempt]
    row: ConnectionRow
    mapping: str = ""
    current: str | None = None
    first: int | None = None

    @property
    def is_duplicate(self) -> bool:
        """Whether it ended as a duplicate."""
        return self.found.outcome is Outcome.IGNORED and self.found.reason == DUPLICATE

    @property
    def queued_again(self) -> bool:
        """Whether it was replayed."""
        return not self.is_duplicate and self.found.queued_at - self.found.taken_at > AGAIN_AFTER


class ShownEvent(NamedTuple):
    """An event with what became of it; `outbox` is the file, for the commands that are shown."""

    number: int
    event: NewEvent
    states: list[EventState]
    outbox: Location

    @property
    def reports(self) -> list[Report]:
        """The reports about the event itself, each once: every connection has them."""
        return list(dict.fromkeys([*self.event.reports, *chain(*(each.found.reports.event for each in self.states))]))
