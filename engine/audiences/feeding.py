"""Puts the changes of a run into the outbox, some at a time, so that each is there exactly once.

How far it came is stored after each pack. The one pack of which that is uncertain, because the process ended between
the two, is looked up by its messageIds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.audiences.changes import PACK, packs
from engine.audiences.events import ADDED, KEPT, SOURCE, EventSeries, MemberChange, new_event
from engine.delivery.outbox.arrivals import most_unsent, stored_ids
from engine.delivery.outbox.base import NewEvent

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox

AHEAD = 2000
"""Events of audiences that wait for a connection at most, while a server delivers: others are never far behind them."""

LOOK_EVERY = 0.05
"""Seconds between two looks at what still waits: in ten times as long a fast vendor takes all that was ahead."""

TURN = 30.0
"""Seconds for which a scheduled run feeds; then others that are due run before it goes on."""


class Targets(NamedTuple):
    """The connections of a run with the integrations of their mappings; `added` get a first sync of their own."""

    connections: Mapping[str, str]
    added: Sequence[str] = ()

    def of(self, scope: str) -> dict[str, str]:
        """Return the connections that a change is for."""
        if scope == ADDED:
            return {name: each for name, each in self.connections.items() if name in self.added}
        if scope == KEPT:
            return {name: each for name, each in self.connections.items() if name not in self.added}
        return dict(self.connections)


class FeedingHooks(NamedTuple):
    """What feeding needs of its process: the clock, a way to wait, and whether it should stop."""

    clock: Callable[[], float]
    wait: Callable[[float], object]
    stopped: Callable[[], bool] = lambda: False


def in_turns(stopped: Callable[[], bool], clock: Callable[[], float]) -> Callable[[], bool]:
    """Return a `stopped` that also ends feeding after its turn, counted from when it is first asked.

    A first sync takes as long as its vendors' rate limits make it; other definitions must not wait for it.
    """
    end = None

    def is_over() -> bool:
        nonlocal end
        end = clock() + TURN if end is None else end
        return stopped() or clock() >= end

    return is_over


def events_of(series: EventSeries, pack: Sequence[MemberChange], targets: Mapping[str, str]) -> list[NewEvent]:
    """Return the events of a pack for these connections, as they are fed, or shown before that."""
    integrations = dict.fromkeys(targets.values(), True)
    return [new_event(series, change, dict(integrations)) for change in pack]


def feed(
    outbox: SqliteOutbox, series: EventSeries, changes: Path, targets: Targets, start: int, hooks: FeedingHooks
) -> Iterator[int]:
    """Feed the changes from the ordinal `start` on; yield the ordinal behind each pack once it is on disk.

    It ends early, after a pack, if `stopped` says so. Raises OutboxError.
    """
    certain = False
    for pack in packs(changes, start):
        wanted = targets.of(pack[0].scope)
        if wanted:
            if not _waited(outbox, sorted(wanted), len(pack), hooks):
                return
            events = events_of(series, pack, wanted)
            missing = events if certain else _missing(outbox, events)
            if missing:
                outbox.take_in(missing, sorted(wanted), hooks.clock())
            certain = True
        yield pack[-1].ordinal + 1


def _missing(outbox: SqliteOutbox, events: Sequence[NewEvent]) -> list[NewEvent]:
    ids = [event.message_id for event in events]
    stored = outbox.look(partial(stored_ids, source=SOURCE, message_ids=ids))
    return [event for event in events if event.message_id not in stored]


def _waited(outbox: SqliteOutbox, connections: Sequence[str], size: int, hooks: FeedingHooks) -> bool:
    """Wait until so few events of audiences wait that a pack may follow; False if feeding should stop."""
    while not hooks.stopped():
        asked = partial(most_unsent, source=SOURCE, connections=connections, now=hooks.clock())
        if outbox.look(asked) + size <= max(AHEAD, PACK):
            return True
        hooks.wait(LOOK_EVERY)
    return False
