"""The outbox as the event loop sees it: every call in one thread of its own, results written in groups."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from engine.delivery.outbox.base import Change, Outbox

P = ParamSpec("P")
T = TypeVar("T")


class OutboxThread:
    """An outbox behind a thread; `close` ends the thread, not the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="outbox")

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one call of the outbox."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """End the thread once it has done what it was told."""
        self._pool.shutdown(wait=True)


class Notes:
    """What became of one connection's events, on its way into the outbox."""

    def __init__(self, ledger: OutboxThread, connection: str, owner: str, clock: Clock) -> None:
        self._ledger = ledger
        self._connection = connection
        self._owner = owner
        self._clock = clock
        self._changes: list[Change] = []
        self._writing: asyncio.Task[None] | None = None
        self._next: asyncio.Future[None] | None = None  # done when the gathered changes are written
        self._now: asyncio.Future[None] | None = None  # done when those being written are
        self.on_failure: Callable[[], None] = lambda: None
        self.on_written: Callable[[list[Change]], None] = lambda _changes: None

    def add(self, change: Change) -> None:
        """Note a change; it is written soon."""
        self._changes.append(change)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
            self._writing.add_done_callback(self._written)

    def failed(self) -> bool:
        """Whether writing has failed: then nothing more may be sent."""
        return self._writing is not None and self._writing.done() and self._writing.exception() is not None

    async def durable(self) -> None:
        """Wait until what has been noted so far is in the outbox (or cannot be: then `failed` says so)."""
        group = self._next or self._now
        if group is not None:
            await asyncio.shield(group)

    async def settle(self) -> None:
        """Wait until everything is written; raises what went wrong."""
        while self._writing is not None:
            await asyncio.shield(self._writing)
            await asyncio.sleep(0)

    async def _write(self) -> None:
        await asyncio.sleep(0)  # what is noted in this turn of the loop goes together
        while self._changes:
            changes, self._changes = self._changes, []
            self._now, self._next = self._next, None
            write = self._ledger.outbox.write
            try:
                self.on_written(
                    await self._ledger.call(write, self._connection, self._owner, changes, self._clock.time())
                )
            finally:
                if self._now is not None and not self._now.done():
                    self._now.set_result(None)
                self._now = None

    def _written(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.on_failure()
            return
        self._writing = None
        if self._changes:
            self._writing = asyncio.get_running_loop().create_task(self._write())
            self._writing.add_done_callback(self._written)


class Clock:
    """A steady clock."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def time(self) -> float:
        """Return the time in unix seconds."""
        return self._monotonic() + self._offset
