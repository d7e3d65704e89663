"""Feeds shards into an outbox, pack by pack, so that each event is there once however often this is interrupted.

The position is on disk after each pack. A pack of which it is uncertain whether it was stored, because the process
ended in between, is looked up in a file outbox by its messageIds; in streams the owner of its partition leaves out what
came before, for 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import orjson

from engine.backfill.shards import ShardRow, merged
from engine.backfill.work import FeedPosition, WorkFolder, WorkPlan
from engine.delivery.intake import iso
from engine.delivery.outbox.base import EventIntake, NewEvent, TakenIn
from engine.delivery.outbox.keys import keys_of
from engine.delivery.sending.pacing import RATE, TokenBucket

PACK = 200
"""Events of a pack: each is one transaction, and one write of the position."""

PACK_BYTES = 4 * 1024 * 1024
"""Bytes of a pack, unless a single event has more."""

MOST_WAITING = 10_000
"""Events that may wait for a connection while more are fed: live events are never farther behind than that."""

LOOK_EVERY = 0.2
"""Seconds between two looks at what still waits, and between two at whether to stop."""


class FeedTarget(NamedTuple):
    """Where events go, and as whose."""

    source: str
    connections: Sequence[str]


class FeedHooks(NamedTuple):
    """What feeding needs of its process.

    `stored` returns which messageIds of the source are in the outbox already, as far as it can know. `waits` hears for
    which connection feeding waits, and how many events wait for it.
    """

    clock: Callable[[], float]
    wait: Callable[[float], object]
    stopped: Callable[[], bool] = lambda: False
    stored: Callable[[Sequence[str]], set[str]] = lambda _ids: set()
    waits: Callable[[str, int], object] = lambda _connection, _waiting: None


def feed(
    outbox: EventIntake, work: WorkFolder, plan: WorkPlan, target: FeedTarget, rate: str, hooks: FeedHooks
) -> Iterator[FeedPosition]:
    """Feed what was not fed yet; yield the position behind each pack once both are on disk.

    `rate` is one such as `500/s`, '' for as fast as delivery is. It ends early, after a pack, if `stopped` says so.
    Raises OutboxError, BackfillError and OSError; what was fed until then stays, and is not fed again.
    """
    position = work.position(plan)
    brake = _Brake(outbox, target.connections, rate, hooks)
    certain = False
    for pack in _packs(merged(work.path, plan.shards, position.shards), brake.pack):
        if not brake.let_pass(len(pack)):
            return
        events = [_event(row, target.source, hooks.clock()) for row in pack]
        missing = events if certain else _missing(events, hooks)
        taken = outbox.take_in(missing, target.connections, hooks.clock()) if missing else TakenIn()
        certain = certain or len(missing) == len(events)
        position = _behind(position, pack, taken, len(events) - len(missing))
        work.write_position(position)
        yield position


def _missing(events: Sequence[NewEvent], hooks: FeedHooks) -> list[NewEvent]:
    stored = hooks.stored([event.message_id for event in events])
    return [event for event in events if event.message_id not in stored]


def _event(row: ShardRow, source: str, now: float) -> NewEvent:
    return NewEvent(source, row.message_id, iso(now), row.raw, row.reports, keys_of(orjson.loads(row.raw)))


def _behind(position: FeedPosition, pack: Sequence[ShardRow], taken: TakenIn, stored: int) -> FeedPosition:
    """Return the position behind a pack; `stored` were in the outbox, put there by a process that was killed."""
    rows = list(position.shards)
    for row in pack:
        rows[row.shard] += 1
    return FeedPosition(
        tuple(rows),
        position.new + taken.new + stored,
        position.duplicates + taken.duplicates,
        position.suppressed + sum(taken.suppressed.values()),
    )


def _packs(rows: Iterator[ShardRow], most: int) -> Iterator[list[ShardRow]]:
    pack: list[ShardRow] = []
    size = 0
    for row in rows:
        if pack and (len(pack) >= most or size + len(row.raw) > PACK_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(row)
        size += len(row.raw)
    if pack:
        yield pack


class _Brake:
    """Lets packs pass at a rate, and while few enough events wait in the outbox."""

    def __init__(self, outbox: EventIntake, connections: Sequence[str], rate: str, hooks: FeedHooks) -> None:
        self._outbox, self._connections, self._hooks = outbox, connections, hooks
        self._bucket = TokenBucket(rate, hooks.clock())
        found = RATE.fullmatch(rate)
        self.pack = min(PACK, int(found[1])) if found else PACK
        self._room = 0

    def let_pass(self, events: int) -> bool:
        """Wait until a pack may pass; False if feeding should stop."""
        left = max(self._bucket.wait(self._hooks.clock()) for _ in range(events))
        while left > 0 and not self._hooks.stopped():
            self._hooks.wait(min(left, LOOK_EVERY))
            left -= LOOK_EVERY
        while self._room < events and not self._hooks.stopped():
            waiting, name = max((self._outbox.unfinished(each)[0], each) for each in self._connections)
            self._room = MOST_WAITING - waiting
            if self._room < events:
                self._hooks.waits(name, waiting)
                self._hooks.wait(LOOK_EVERY)
        self._room -= events
        return not self._hooks.stopped()
