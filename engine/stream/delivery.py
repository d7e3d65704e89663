"""Delivery from streams: one `Delivery` for each partition that this process owns, and what all of them share.

Which partitions those are is decided by JetStream (engine/stream/owning.py). A partition that is won gets a `Delivery`
with a worker for each connection; one that is lost, or given up so that another process has its share, ends its own.
Within a partition everything is as with a file: order, batches, retries, the brake.

What a vendor sees of many partitions: a connection's requests in flight are bounded over all processes, by `slots_of`;
its rate limit is one bucket (engine/stream/rates.py); its holds and pauses are one record, which every process reads
each second (engine/stream/shared_state.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypeVar

from engine.delivery.configured_connection import ConfiguredConnection, differences
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import ConnectionRow, OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.http import SLOTS
from engine.delivery.sending.pacing import Clock, RateLimiter
from engine.delivery.sending.shipping import Part
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.errors import UsageError
from engine.stream.client import StreamClient
from engine.stream.keeping import KEEP_SECONDS
from engine.stream.layout import Layout
from engine.stream.observing import PartitionObserver, SharedObserver
from engine.stream.owning import Ownership
from engine.stream.partition_queue import LEASE, PartitionQueue
from engine.stream.rates import RateKey, SharedRateLimiter
from engine.stream.shared_state import SharedState

T = TypeVar("T")
TURN = 0.25
"""Seconds between two looks at which partitions are owned."""
LOOK = 0.5
"""Seconds between two looks at what others changed; the shared state is read at most once a second."""
RELEASE_SECONDS = 3.0
"""For how long a server of this process is waited for when partitions are given up."""
BETWEEN_TROUBLES = 60.0
"""Seconds between two lines about servers that give no partitions."""
UNKNOWN_SECONDS = 30.0
"""Seconds between two looks for connections that this process does not deliver to."""
UNKNOWN = (
    "events for it are in partitions that this server has, but its connections file does not have it, or disables it: "
    "nobody delivers them. Reload this server with the file that the others have"
)
REFRESH_TOKENS = (
    "The connection {name} signs in with a refresh token, which its vendor replaces each time it is used: only one "
    "process can keep it, and an outbox on streams has many. Deliver this connection from an outbox in a file, by a "
    "server of its own, or let it sign in with client credentials."
)

logger = logging.getLogger("waybill.delivery")


def slots_of(partitions: int) -> int:
    """Return how many requests of one connection each partition may have in flight.

    Over all processes a vendor sees at most as many as from a file (`SLOTS`), or one for each partition if those are
    more. So more partitions mean more requests at once, and more processes do not.
    """
    return max(1, SLOTS // partitions)


def check_connections(connections: Iterable[ConfiguredConnection]) -> None:
    """Raise UsageError for a connection that cannot be delivered from streams."""
    for each in connections:
        oauth2 = each.mapping.http.oauth2
        if oauth2 is not None and oauth2.grant == "refresh_token":
            raise UsageError(REFRESH_TOKENS.format(name=each.name))


@dataclass(slots=True)
class OwnedPartition:
    """A partition that this process delivers; `leaving` once it is to end."""

    number: int
    queue: PartitionQueue
    delivery: Delivery
    task: asyncio.Task[None]
    leaving: bool = False

    def leave(self) -> None:
        """End soon: send nothing new, wait for the requests in flight."""
        self.leaving = True
        self.delivery.stop()


class StreamDelivery:
    """Delivers to some connections from the partitions that this process owns, until it is stopped.

    It has the methods of `Delivery`. `state` is the process's only one, `keep` is for how many seconds finished events
    stay in the streams.
    """

    def __init__(
        self,
        client: StreamClient,
        layout: Layout,
        state: SharedState,
        connections: Sequence[ConfiguredConnection],
        *,
        clock: Clock | None = None,
        observer: DeliveryObserver | None = None,
        options: Options | None = None,
        keep: float = KEEP_SECONDS,
    ) -> None:
        """Raise UsageError for a connection that cannot be delivered from streams."""
        check_connections(connections)
        self._client, self._layout, self._state = client, layout, state
        self._clock = clock or Clock()
        self._ownership = Ownership(client, layout, clock=self._clock)
        self._keep = keep
        self._reports = SharedObserver(observer or DeliveryObserver(), self._clock.time)
        self._current = {each.name: each for each in connections}
        self._rates: dict[str, SharedRateLimiter] = {}
        self._options = replace(
            options or Options(),
            until_idle=False,
            lease=LEASE,
            slots=slots_of(layout.partitions),
            rate_limit=self._rate_limit,
        )
        self._owned: dict[int, OwnedPartition] = {}
        self._rows: dict[str, ConnectionRow] = {}
        self._reported, self._troubled_at, self._looked_at = 0, -inf, -inf
        self._stopping = False
        self._changed = asyncio.Event()

    @property
    def path(self) -> StreamAddress:
        """Return the address, as it was named."""
        return self._client.address

    def stop(self) -> None:
        """End soon: send nothing new, wait for the requests in flight."""
        self._stopping = True
        for each in self._owned.values():
            each.leave()
        self._changed.set()

    def owned(self) -> list[int]:
        """Return the partitions that this process delivers now."""
        return sorted(number for number, each in self._owned.items() if not each.leaving)

    @property
    def trouble(self) -> str:
        """Return why the servers could not be asked for partitions, '' if they could."""
        return self._ownership.trouble

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return how many events wait for a connection in this process's partitions, and when the oldest was queued."""
        found = [each.queue.unfinished(connection) for each in list(self._owned.values())]
        times = [oldest for _, oldest in found if oldest is not None]
        return sum(count for count, _ in found), min(times, default=None)

    async def replace(self, connections: Sequence[ConfiguredConnection]) -> dict[str, int]:
        """Deliver to these connections from now on; return when none is delivered under another version any more.

        Return how many events of this process's partitions wait for each that is gone. Raises what the class does.
        """
        if self._stopping:
            return {}
        check_connections(connections)
        old, self._current = self._current, {each.name: each for each in connections}
        for name in self._current.keys() - old.keys():
            self._reports.forget(name)
        for name, each in old.items():
            if name not in self._current or differences(each, self._current[name]):
                self._reports.forget(name)
                self._rates.pop(name, None)
        await asyncio.to_thread(self._state.add, list(self._current))
        results = await asyncio.gather(*(each.delivery.replace(connections) for each in [*self._owned.values()]))
        gone = {name: sum(each.get(name, 0) for each in results) for name in old if name not in self._current}
        for name, count in gone.items():
            self._reports.observer.removed(name, count)
        return gone

    async def run(self) -> None:
        """Deliver; when all partitions have ended, raise the first error."""
        await asyncio.to_thread(self._state.add, list(self._current))
        await self._in_client(self._ownership.start())
        following = asyncio.create_task(self._follow())
        try:
            while not self._stopping:
                await self._take_turn()
                if following.done():  # an error of the engine itself
                    following.result()
        finally:
            following.cancel()
            self.stop()
            await asyncio.gather(following, *map(self._give_up, self._owned.values()), return_exceptions=True)
            await self._briefly(self._ownership.stop())
        for each in self._owned.values():
            each.task.result()

    async def _take_turn(self) -> None:
        """Begin with what was won, end what was lost or is to be given up, then wait for a moment."""
        owned, surplus = self._ownership.owned(), self._ownership.surplus()
        for number, each in list(self._owned.items()):
            if each.task.done():
                await self._ended(each)
            elif not each.leaving and (number not in owned or number in surplus):
                each.leave()
        for number in surplus - self._owned.keys():  # again, where that did not work without a server
            await self._briefly(self._ownership.release(number))
        for number in sorted(owned - surplus - self._owned.keys()):
            self._begin(number)
        self._report_owned()
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN):
                await self._changed.wait()

    def _begin(self, number: int) -> None:
        queue = PartitionQueue(self._client, self._layout, number, self._ownership, self._state, keep=self._keep)
        options = replace(self._options, part=Part(number, self._layout.partitions))
        observer = PartitionObserver(self._reports, number)
        delivery = Delivery(queue, [*self._current.values()], options, clock=self._clock, observer=observer)
        task = asyncio.create_task(delivery.run(), name=f"partition {number}")
        self._owned[number] = OwnedPartition(number, queue, delivery, task)

    async def _ended(self, each: OwnedPartition) -> None:
        """Forget a partition whose delivery has ended; raise its error.

        Without a server nothing can be written at the end: the partition is lost then, and its next owner goes on
        behind what was written.
        """
        del self._owned[each.number]
        self._reports.left(each.number)
        await asyncio.to_thread(each.queue.close)
        with suppress(OutboxError):
            each.task.result()

    async def _give_up(self, each: OwnedPartition) -> None:
        """Have another process own a partition at once, when its requests have returned."""
        await asyncio.wait([each.task])
        await self._briefly(self._ownership.release(each.number))

    async def _briefly(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run what need not succeed at once: without a server nothing can be released."""
        with suppress(OutboxError, TimeoutError):
            await asyncio.wait_for(self._in_client(coroutine), RELEASE_SECONDS)

    def _report_owned(self) -> None:
        now, trouble = self._clock.time(), self.trouble
        if trouble and now - self._troubled_at >= BETWEEN_TROUBLES:
            self._troubled_at = now
            logger.warning("partitions cannot be asked for", extra={"fields": {"reason": trouble}})
        owned = len(self.owned())
        if owned != self._reported:
            self._reported = owned
            self._reports.observer.owning(owned, self._layout.partitions)

    async def _follow(self) -> None:
        """Have the workers of all partitions respect the holds and pauses of any process, and their ends."""
        while True:
            with suppress(OutboxError):  # without a server no partition is owned for long, and workers report it
                for row in await asyncio.to_thread(self._state.rows):
                    before = self._rows.get(row.name, ConnectionRow(row.name))
                    self._rows[row.name] = row
                    if (before.held, before.due) != (row.held, row.due):
                        for each in list(self._owned.values()):
                            each.delivery.follow(row)
                if self._clock.time() - self._looked_at >= UNKNOWN_SECONDS:
                    self._looked_at = self._clock.time()
                    self._warn_of_unknown()
            await asyncio.sleep(LOOK)

    def _warn_of_unknown(self) -> None:
        """Warn of connections that collectors know and this server does not: in its partitions, nobody delivers."""
        named = set().union(*(each.queue.named() for each in self._owned.values()))
        for name in sorted(named - self._current.keys()):
            self._reports.warned(name, UNKNOWN)

    def _rate_limit(self, configured: ConfiguredConnection, _clock: Clock) -> RateLimiter:
        """Return the one limit of a connection that the workers of all partitions take tokens from."""
        known = self._rates.get(configured.name)
        if known is None or known.rate != configured.rate:
            key = RateKey(self._client, self._layout, configured.name)
            known = self._rates[configured.name] = SharedRateLimiter(configured.name, configured.rate, key)
        return known

    async def _in_client(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(self._client.start(coroutine))
