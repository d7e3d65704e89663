"""Events of many requests into the outbox together: one wait for the disk answers all of them.

While one transaction runs, requests gather for the next, so the slower the disk, the larger the groups.  A request
is answered only when its own transaction is on disk; where that fails, it is told to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from engine.delivery.outbox.base import NewEvent, Outbox, TakenIn

MOST = 2500
"""Events in one transaction, unless a single request has more."""


class PendingRequest(NamedTuple):
    """The events of one request, waiting for the disk."""

    events: Sequence[NewEvent]
    connections: tuple[str, ...]
    size: int
    kept: asyncio.Future[None]


class GroupCommit:
    """Puts events into the outbox in groups; `close` waits for all that were given."""

    def __init__(self, outbox: Outbox, clock: Callable[[], float], most_bytes: int) -> None:
        self._outbox = outbox
        self._clock = clock
        self._most_bytes = most_bytes
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="collector")
        self._parcels: list[PendingRequest] = []
        self._writing: asyncio.Task[None] | None = None
        self.held = 0
        self.on_kept: Callable[[TakenIn], None] = lambda _taken: None

    def full(self) -> bool:
        """Whether as much waits for the disk as may be held in memory."""
        return self.held >= self._most_bytes

    async def keep(self, events: Sequence[NewEvent], connections: tuple[str, ...]) -> None:
        """Return when the events are on disk; raises OutboxError where they are not."""
        if not events:
            return
        loop = asyncio.get_running_loop()
        parcel = PendingRequest(events, connections, sum(len(event.raw) for event in events), loop.create_future())
        self._parcels.append(parcel)
        self.held += parcel.size
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        try:
            await parcel.kept
        finally:
            self.held -= parcel.size

    async def close(self) -> None:
        """Write what was given, then end."""
        if self._writing is not None:
            await self._writing
        self._pool.shutdown(wait=True)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # what comes in this turn of the loop goes together
        while self._parcels:
            group = self._next()
            events = [event for parcel in group for event in parcel.events]
            try:
                taken = await loop.run_in_executor(self._pool, self._take_in, events, group[0].connections)
            except Exception as error:  # noqa: BLE001  every request that waits must hear of it
                for parcel in group:
                    _settle(parcel.kept, error)
                continue
            self.on_kept(taken)
            for parcel in group:
                _settle(parcel.kept)
        self._writing = None

    def _take_in(self, events: Sequence[NewEvent], connections: tuple[str, ...]) -> TakenIn:
        return self._outbox.take_in(events, connections, self._clock())

    def _next(self) -> list[PendingRequest]:
        """Take the oldest parcel, and what goes to the same connections, out of what waits."""
        connections, count = self._parcels[0].connections, 0
        group: list[PendingRequest] = []
        rest: list[PendingRequest] = []
        for parcel in self._parcels:
            fits = parcel.connections == connections and (not group or count + len(parcel.events) <= MOST)
            (group if fits else rest).append(parcel)
            count += len(parcel.events) if fits else 0
        self._parcels = rest
        return group


def _settle(kept: asyncio.Future[None], error: Exception | None = None) -> None:
    if kept.done():
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
