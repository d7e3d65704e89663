"""Group commit: events of many requests go into the outbox in one transaction, so one fsync answers all of them.

A transaction costs an fsync however many rows it has.  So only one runs at a time, in a thread of its own, and the
requests that arrive meanwhile wait in `_pending` and share the next one: the slower the disk, the larger the groups,
without any timer.  A group holds requests of the same connections only, because a transaction queues all its events
for one list of connections; the others keep their place for the next.  Two promises must survive every change here.
`commit` returns only after the transaction that holds its events has ended, since its caller then answers 200.  And
every waiting request learns how its transaction ended, errors included, since it would wait for ever otherwise.
`pending_bytes` counts an event from `commit` to the end of its transaction; `full` is what the collector asks before
it reads another body, which bounds the memory of a disk that cannot keep up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from engine.delivery.outbox.base import EventIntake, NewEvent, OutboxDamaged, TakenIn

T = TypeVar("T")
MAX_EVENTS = 2500
"""Events in one transaction, unless a single request has more."""


class PendingRequest(NamedTuple):
    """The events of one request, waiting for their transaction."""

    events: Sequence[NewEvent]
    connections: tuple[str, ...]
    size: int
    committed: asyncio.Future[None]


class GroupCommit:
    """Writes events to the outbox in groups; `close` waits for everything that is pending."""

    def __init__(self, outbox: EventIntake, clock: Callable[[], float], max_bytes: int) -> None:
        self._outbox = outbox
        self._clock = clock
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="collector")
        self._pending: list[PendingRequest] = []
        self._writing: asyncio.Task[None] | None = None
        self.pending_bytes = 0
        self.on_commit: Callable[[TakenIn], None] = lambda _taken: None
        self.damage: OutboxDamaged | None = None
        self.on_damage: Callable[[], object] = lambda: None

    def full(self) -> bool:
        """Whether as much waits for the disk as memory may hold."""
        return self.pending_bytes >= self._max_bytes

    async def commit(self, events: Sequence[NewEvent], connections: tuple[str, ...]) -> None:
        """Return when the events are on disk; raise OutboxError if they cannot be written."""
        if not events:
            return
        loop = asyncio.get_running_loop()
        request = PendingRequest(events, connections, sum(len(event.raw) for event in events), loop.create_future())
        self._pending.append(request)
        self.pending_bytes += request.size
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        try:
            await request.committed
        finally:
            self.pending_bytes -= request.size

    async def between(self, function: Callable[[EventIntake, float], T]) -> T:
        """Run what no request waits for, between two transactions, with the outbox and the time; raise what it does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(self._outbox, self._clock()))

    async def close(self) -> None:
        """Write everything that is pending, then end the thread."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown(wait=True)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # requests of the same turn of the loop share a transaction
        while self._pending:
            group = self._next_group()
            events = [event for request in group for event in request.events]
            try:
                taken = await loop.run_in_executor(self._thread, self._take_in, events, group[0].connections)
            except Exception as error:  # noqa: BLE001  every request of the group raises it
                _resolve(group, error)
                if isinstance(error, OutboxDamaged):
                    self.damage = error
                    self.on_damage()
                continue
            self.on_commit(taken)
            _resolve(group)
        self._writing = None

    def _take_in(self, events: Sequence[NewEvent], connections: tuple[str, ...]) -> TakenIn:
        return self._outbox.take_in(events, connections, self._clock())

    def _next_group(self) -> list[PendingRequest]:
        """Remove and return the oldest pending request, and those for the same connections as far as they fit."""
        connections, count = self._pending[0].connections, 0
        group: list[PendingRequest] = []
        rest: list[PendingRequest] = []
        for request in self._pending:
            fits = request.connections == connections and (not group or count + len(request.events) <= MAX_EVENTS)
            (group if fits else rest).append(request)
            count += len(request.events) if fits else 0
        self._pending = rest
        return group


def _resolve(group: Sequence[PendingRequest], error: Exception | None = None) -> None:
    for request in group:
        if request.committed.done():  # cancelled
            continue
        if error is None:
            request.committed.set_result(None)
        else:
            request.committed.set_exception(error)
