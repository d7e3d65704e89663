"""A vendor's rate limit that all workers of all machines keep together: one token bucket for each connection.

The bucket is one number in the key `rate.<connection>`: when it would be full again, in the server's time. Taking
tokens moves it into the future; a compare-and-set makes that safe without any lock. A process takes tokens for all its
requests that wait, so the number of writes does not grow with the requests. What a process took and did not use,
because it died, is lost: the limit is kept, never exceeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf, isnan
from random import SystemRandom
from typing import NamedTuple, Protocol

from engine.delivery.outbox.base import CLOCK_SLACK, OutboxError
from engine.delivery.sending.pacing import size_and_speed
from engine.stream.client import StreamClient
from engine.stream.errors import SequenceConflict
from engine.stream.layout import Layout

MOST_ATTEMPTS = 200
"""How often tokens are asked for, while others are quicker, before the worker fails and is restarted: some 10 s."""
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.1
"""Seconds between two attempts while other processes take tokens too; times a random number, then doubled."""

MOST_WAITING = 2048
"""Requests that wait for one connection's tokens at most, on all machines: 256 partitions with 8 each."""
RANDOM = SystemRandom()
CONTENDED = (
    "The rate limit of {connection} could not be counted in {attempts} attempts, because other workers were always "
    "quicker. Its requests wait until the worker is started again."
)


class Grant(NamedTuple):
    """When each of some requests may go, and when the bucket is full again; server time in unix seconds."""

    times: list[float]
    full_at: float


def grant(full_at: float, now: float, count: int, rate: str) -> Grant:
    """Take `count` tokens from a bucket that is full again at `full_at`; `rate` is a limit such as `100/m`.

    Clocks of processes may differ a little: a bucket that another one wrote is never fuller than it says. A `full_at`
    that only a clock that jumped can have written counts as an empty bucket.
    """
    size, speed = size_and_speed(rate)
    if not size:
        return Grant([now] * count, full_at)
    if full_at > now + (size + MOST_WAITING) / speed + CLOCK_SLACK:
        full_at = now + size / speed
    base = max(full_at, now)
    times = [max(now, base + (number - size) / speed) for number in range(1, count + 1)]
    return Grant(times, base + count / speed)


class RateStore(Protocol):
    """One connection's bucket, wherever it is; both raise OutboxError."""

    def now(self) -> float:
        """Return the server's time."""
        ...

    async def read(self) -> tuple[float, int]:
        """Return when the bucket is full again, and the revision of that; zeros before the first."""
        ...

    async def write(self, full_at: float, revision: int) -> int | None:
        """Replace that revision; return the new one, None if another process was quicker."""
        ...


class SharedRateLimiter:
    """The rate limit of one connection, for all workers of this process; all must run in one event loop."""

    def __init__(
        self, connection: str, rate: str, store: RateStore, random: Callable[[], float] = RANDOM.random
    ) -> None:
        self._connection, self.rate, self._store, self._random = connection, rate, store, random
        self._known: tuple[float, int] | None = None
        self._waiting: list[asyncio.Future[float]] = []
        self._task: asyncio.Task[None] | None = None

    async def take(self) -> float:
        """Count one request; return the seconds to wait before sending it; raise OutboxError without a server."""
        if not self.rate:
            return 0.0
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[float] = loop.create_future()
        self._waiting.append(granted)
        if self._task is None:
            self._task = loop.create_task(self._take())
        return max(0.0, await granted - self._store.now())

    async def _take(self) -> None:
        await asyncio.sleep(0)  # requests of the same turn of the loop share a write
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                times = await self._granted(len(group))
            except Exception as error:  # noqa: BLE001  raised by each `take`
                for each in group:
                    if not each.done():  # cancelled
                        each.set_exception(error)
                continue
            for each, time in zip(group, times, strict=True):
                if not each.done():
                    each.set_result(time)
        self._task = None

    async def _granted(self, count: int) -> list[float]:
        """Take tokens; the first attempt needs no reading, since often no other process has taken one meanwhile."""
        pause = FIRST_PAUSE
        for _ in range(MOST_ATTEMPTS):
            full_at, revision = self._known or await self._store.read()
            self._known = None
            found = grant(full_at, self._store.now(), count, self.rate)
            written = await self._store.write(found.full_at, revision)
            if written is not None:
                self._known = (found.full_at, written)
                return found.times
            await asyncio.sleep(pause * self._random())
            pause = min(LONGEST_PAUSE, pause * 2)
        raise OutboxError(CONTENDED.format(connection=self._connection, attempts=MOST_ATTEMPTS))


class RateKey:
    """A connection's bucket in the shared state."""

    def __init__(self, client: StreamClient, layout: Layout, connection: str) -> None:
        self._client, self._stream = client, layout.state
        self._subject = layout.state_subject("rate", connection)

    def now(self) -> float:
        """Return the server's time."""
        return self._client.time()

    async def read(self) -> tuple[float, int]:
        """Return when the bucket is full again, and the revision of that; what is no number means an empty bucket."""
        found = await asyncio.wrap_future(self._client.start(self._client.last(self._stream, self._subject)))
        if found is None:
            return 0.0, 0
        try:
            full_at = float(found.data)
        except ValueError:
            full_at = inf
        return inf if isnan(full_at) else full_at, found.seq

    async def write(self, full_at: float, revision: int) -> int | None:
        """Replace that revision; return the new one, None if another process was quicker."""
        body = repr(full_at).encode()
        writing = self._client.publish(self._subject, body, expect=revision)
        try:
            return await asyncio.wrap_future(self._client.start(writing))
        except SequenceConflict:
            return None
