"""The outbox as the event loop sees it: all calls run in one thread, and outcomes are written in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, DeliveryQueue
from engine.delivery.sending.pacing import Clock

P = ParamSpec("P")
T = TypeVar("T")


class OutboxThread:
    """Calls an outbox in a thread of its own; `close` ends the thread and leaves the outbox open."""

    def __init__(self, outbox: DeliveryQueue) -> None:
        self.outbox = outbox
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="outbox")

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one method of the outbox in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """End the thread after the calls already queued."""
        self._pool.shutdown(wait=True)


class ChangeWriter:
    """Writes one connection's changes to the outbox, many per transaction.

    A transaction costs one fsync regardless of its size.  So while one group is being written, further changes gather
    and become the next group: the slower the disk, the larger the groups.  `add` never waits; a caller that must know
    that a change is on disk awaits `durable`.  Each group has a future: `_gathering` is that of the group `add` appends
    to, `_in_flight` that of the group in the thread.  A group that fails resolves its future too, because `durable`
    only says that waiting is over; the error stays in the task, where `failed` sees it and `settle` raises it.
    """

    def __init__(self, thread: OutboxThread, connection: str, fence: int, clock: Clock) -> None:
        self._thread = thread
        self._connection = connection
        self._fence = fence
        self._clock = clock
        self._changes: list[Change] = []
        self._attempts: list[Attempt] = []
        self._task: asyncio.Task[None] | None = None
        self._gathering: asyncio.Future[None] | None = None
        self._in_flight: asyncio.Future[None] | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self.on_written: Callable[[list[Change]], None] = lambda _changes: None

    def note(self, attempt: Attempt) -> None:
        """Add a request to the next group; the changes that it led to are added right after it."""
        self._attempts.append(attempt)

    def add(self, change: Change) -> None:
        """Add a change to the next group."""
        self._changes.append(change)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._start()

    def failed(self) -> bool:
        """Whether writing has failed; then nothing more may be sent."""
        return self._task is not None and self._task.done() and self._task.exception() is not None

    async def durable(self) -> None:
        """Wait until all changes added so far are in the outbox, or writing them has failed."""
        group = self._gathering or self._in_flight
        if group is not None and not self.failed():
            await asyncio.shield(group)

    async def settle(self) -> None:
        """Wait until everything is written; raises the error of writing."""
        while self._task is not None:
            await asyncio.shield(self._task)
            await asyncio.sleep(0)

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write())
        self._task.add_done_callback(self._done)

    async def _write(self) -> None:
        await asyncio.sleep(0)  # changes added in the same turn of the loop share a group
        while self._changes:
            changes, self._changes = self._changes, []
            attempts, self._attempts = self._attempts, []
            self._in_flight, self._gathering = self._gathering, None
            write, now = self._thread.outbox.write, self._clock.time()
            try:
                self.on_written(await self._thread.call(write, self._connection, self._fence, changes, now, attempts))
            finally:
                if self._in_flight is not None and not self._in_flight.done():
                    self._in_flight.set_result(None)
                self._in_flight = None

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            if self._gathering is not None:  # nobody will write it, so nobody must wait for it
                self._gathering.set_result(None)
                self._gathering = None
            self.on_failure()
            return
        self._task = None
        if self._changes:
            self._start()
