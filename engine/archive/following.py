"""From an outbox to its archive: batches of events behind the place up to which it was followed, until told to stop.

A batch is read, written and listed before the next one; its files and the new place are one transaction of the catalog.
So a crash at any moment archives an event again, or later, but never leaves a hole: the outbox keeps what is not
archived yet (`earliest_after` bounds what the server removes).  What was erased while a batch was read is not written.

Events that the engine made (`OWN_SOURCES`) are not archived: they are consequences of those that are.

The outbox is known by its path.  The messageId of the last archived event is noted with the place; where the outbox has
another event there, or never had as many, it is another file, and is followed from its beginning.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from itertools import accumulate, compress, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.archive.batching import batch_of
from engine.archive.catalog import ArchiveBusy, ArchivedPlace, Catalog
from engine.archive.columns import schema
from engine.archive.writing import ArchiveFull, Hook, ignored, write
from engine.delivery.outbox.base import OWN_SOURCES, OutboxError
from engine.delivery.outbox.reading import TakenEvents, followed_place, missing_between, taken_events
from engine.errors import WaybillError
from engine.records import Json

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "waybill.archive"
MOST_EVENTS = 20_000
MOST_BYTES = 64 * 1024 * 1024
"""Events and bytes of a batch at most: what is in memory at once is a small multiple of it."""
BETWEEN = 5.0
"""Seconds between batches while few events come in; one file is made for each."""
LONGEST_WAIT = 60.0
"""Seconds between attempts at most while the disk is full."""
GAPS = "gaps"
"""Under which the catalog has how many events left an outbox before they were archived."""


class Followed(NamedTuple):
    """What one batch did; `more` if others wait already."""

    events: int
    more: bool


def origin_of(outbox: Path) -> str:
    """Return under which name the catalog knows an outbox."""
    return f"outbox:{outbox.resolve()}"


def witness_of(message_id: str) -> str:
    """Return what is noted of an event; it says nothing about its user."""
    return blake2b(message_id.encode(errors="replace"), digest_size=8).hexdigest()


class Follower:
    """Archives an outbox; `step` archives one batch, `run` one after the other."""

    def __init__(
        self, outbox: Path, catalog: Catalog, clock: Callable[[], float] = time.time, *, reached: Hook = ignored
    ) -> None:
        self._outbox, self._catalog, self._clock, self._reached = outbox, catalog, clock, reached
        self._origin = origin_of(outbox)
        self._logger = logging.getLogger(NAME)
        self._logger.addHandler(logging.NullHandler())
        self._wait = 0.0

    def step(self) -> Followed:
        """Archive one batch; raises OutboxError, ArchiveFull and ArchiveError, and has changed nothing then."""
        erasures, place = self._catalog.erasures(), self._catalog.place(self._origin)
        after = self._followed(place)
        batch = FollowedBatch()
        for taken in taken_events(self._outbox, after):
            if batch.add(taken):
                break
        if not batch.events:
            return Followed(0, more=False)
        added = write(
            self._catalog,
            batch.table(),
            self._origin,
            batch.last,
            erasures_seen=erasures,
            now=self._clock(),
            since=place.position,
            witness=witness_of(batch.last_message_id),
            reached=self._reached,
        )
        if not added:  # somebody was erased meanwhile
            return Followed(0, more=True)
        self._note_gap(after, batch.first)
        return Followed(batch.events, more=batch.is_full)

    def run(self, stop: threading.Event, maintain: Callable[[], None] = lambda: None) -> None:
        """Archive until `stop` is set, then what is left; raises what no waiting can repair.

        `maintain` is called after each batch, for work that is due now and then.
        """
        self._log(logging.INFO, "archive follows the outbox", archive=str(self._catalog.directory))
        while True:
            stopping = stop.is_set()
            try:
                step = self.step()
                if not step.more and not stopping:
                    maintain()
            except (ArchiveFull, ArchiveBusy, OutboxError) as error:
                if stopping:
                    return
                stop.wait(self._failed(error))
                continue
            self._succeeded()
            if stopping and not step.more:
                return
            if not step.more:
                stop.wait(BETWEEN)

    def _followed(self, place: ArchivedPlace) -> int:
        """Return up to where this outbox was archived: nowhere, if it is another file than then."""
        found = followed_place(self._outbox, place.position)
        is_other = bool(found.message_id) and witness_of(found.message_id) != place.witness
        if place.position and (found.last < place.position or is_other):
            self._log(
                logging.WARNING,
                "the outbox is not the one that was archived before; all of its events are archived",
                outbox=str(self._outbox),
            )
            return 0
        return place.position

    def _note_gap(self, after: int, first: int) -> None:
        missing = missing_between(self._outbox, after, first) if after and first > after + 1 else 0
        if missing:
            self._catalog.set({GAPS: str(int(self._catalog.get(GAPS) or 0) + missing)})
            self._log(logging.WARNING, "events left the outbox before they were archived", events=missing)

    def _failed(self, error: WaybillError) -> float:
        """Log the first of several failures in a row; return how many seconds to wait."""
        if not self._wait:
            self._log(logging.ERROR, "archive waits", reason=str(error))
        self._wait = min(LONGEST_WAIT, 2 * self._wait or 1.0)
        return self._wait

    def _succeeded(self) -> None:
        if self._wait:
            self._log(logging.INFO, "archive goes on")
        self._wait = 0.0

    def _log(self, level: int, event: str, **fields: Json) -> None:
        self._logger.log(level, event, extra={"fields": fields})


class FollowedBatch:
    """The first events behind a place, up to the limits, and at least one; columns as soon as they are read."""

    def __init__(self) -> None:
        self.events = self.bytes = self.first = self.last = 0
        self.last_message_id = ""
        self._parts: list[pa.RecordBatch] = []

    @property
    def is_full(self) -> bool:
        """Whether others may wait behind it."""
        return self.events >= MOST_EVENTS or self.bytes >= MOST_BYTES

    def add(self, taken: TakenEvents) -> bool:
        """Add events as far as there is room, at least one; return whether it is full."""
        taken = taken.first(min(self._room(taken), MOST_EVENTS - self.events))
        self.first = self.first or taken.numbers[0]
        self.last, self.last_message_id = taken.numbers[-1], taken.message_ids[-1]
        self.events += len(taken.numbers)
        self.bytes += sum(map(len, taken.raws))
        kept = without_own(taken)
        if kept.numbers:
            self._parts.append(batch_of(kept))
        return self.is_full

    def table(self) -> pa.Table:
        """Return the events as a table without `row`."""
        import pyarrow as pa

        return pa.Table.from_batches(self._parts, schema().remove(0))

    def _room(self, taken: TakenEvents) -> int:
        """Return how many of the events there are up to the one that makes too many bytes."""
        if self.bytes + sum(map(len, taken.raws)) < MOST_BYTES:
            return len(taken.raws)
        sizes = accumulate(map(len, taken.raws), initial=self.bytes)
        return sum(1 for _ in takewhile(lambda size: size < MOST_BYTES, islice(sizes, len(taken.raws))))


def without_own(taken: TakenEvents) -> TakenEvents:
    """Return the events that the engine did not make."""
    if not set(taken.sources).intersection(OWN_SOURCES):
        return taken
    kept = [source not in OWN_SOURCES for source in taken.sources]
    return TakenEvents(*(tuple(compress(each, kept)) for each in taken))  # type: ignore[arg-type]
