"""The server on streams: events into partitions, delivery of those that this process owns, and how both are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

from engine.collector.background import Deliverer, ServerConfig
from engine.collector.reloading import Served
from engine.collector.sources import EventSource, partition_choices
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import ConnectionRow, EventIntake, OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.status import connection_json
from engine.records import Json, JsonObject
from engine.stream.client import StreamClient
from engine.stream.delivery import StreamDelivery
from engine.stream.forgetting import undelivered
from engine.stream.intake import StreamIntake, check_sizes
from engine.stream.keeping import KEEP_SECONDS
from engine.stream.layout import Layout, create_or_check
from engine.stream.shared_state import SharedState


def open_intake(address: StreamAddress, sources: Sequence[EventSource]) -> StreamIntake:
    """Return where a process that only takes requests stores events; close it at the end. Raises OutboxError."""
    client = StreamClient(address, os.environ)
    try:
        return StreamIntake(client, client.call(create_or_check(client, address)), partition_choices(sources))
    except BaseException:
        client.close()
        raise


def use_sources(intake: EventIntake, sources: Sequence[EventSource]) -> None:
    """Choose partitions as these sources say from now on."""
    if isinstance(intake, StreamIntake):
        intake.partition_by = partition_choices(sources)


class NoDelivery:
    """The deliverer of a process that only collects: it lasts until it is stopped."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Wait until `stop`."""
        await self._stopped.wait()

    def stop(self) -> None:
        """End."""
        self._stopped.set()

    async def replace(self, _connections: Sequence[ConfiguredConnection]) -> dict[str, int]:
        """Return that nothing waits here."""
        return {}


class ServedStreams:
    """The streams of an address, as the server's background has them; `delivers` is whether this process delivers."""

    def __init__(self, client: StreamClient, layout: Layout, config: ServerConfig, *, delivers: bool) -> None:
        self._keep = KEEP_SECONDS if config.keep is None else config.keep
        self._client, self._layout, self._delivers = client, layout, delivers
        self._state = SharedState(client, layout)
        self._delivery: StreamDelivery | None = None
        self.intake = StreamIntake(client, layout, partition_choices(config.reloading.sources))

    @property
    def path(self) -> StreamAddress:
        """Return the address, as it was named."""
        return self._client.address

    def deliverer(self, connections: Sequence[ConfiguredConnection], observer: DeliveryObserver) -> Deliverer:
        """Return what delivers the partitions that this process owns, or what only waits."""
        if not self._delivers:
            return NoDelivery()
        self._delivery = StreamDelivery(
            self._client, self._layout, self._state, connections, observer=observer, keep=self._keep
        )
        return self._delivery

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return how many events wait in this process's partitions, and when the oldest was queued."""
        return (0, None) if self._delivery is None else self._delivery.unfinished(connection)

    def connections(self) -> list[ConnectionRow]:
        """Return the connections of all processes."""
        return self._state.rows()

    def reloaded(self, served: Served) -> None:
        """Choose partitions as the new sources say."""
        use_sources(self.intake, served.sources)

    def status(self, now: float) -> JsonObject:  # noqa: ARG002  of the contract
        """Return the connections with what waits in all partitions, and the partitions of this process."""
        owned: list[Json] = [] if self._delivery is None else [*self._delivery.owned()]
        found: JsonObject = {
            "outbox": str(self.path),
            "partitions": {"count": self._layout.partitions, "owned": owned},
        }
        try:
            found |= self._connections()
        except OutboxError as error:
            found["problem"] = str(error)
        return found

    def _connections(self) -> JsonObject:
        """Return all connections, and the names of those to which no worker has delivered for an hour."""
        if self._delivery is not None and self._delivery.trouble:  # asking again would take its patience
            raise OutboxError(self._delivery.trouble)
        rows = self.connections()
        left = {row.name: self.intake.unfinished(row.name) for row in rows}
        waiting = {row.name: since for row in rows if not row.held and (since := left[row.name][1]) is not None}
        names = self._client.call(undelivered(self._client, self._layout, waiting))
        return {
            "connections": [connection_json(row, self.path, *left[row.name]) for row in rows],
            "undelivered": [*names],
        }

    def upkeep(self, config: ServerConfig, clock: Callable[[], float]) -> list[Coroutine[None, None, None]]:  # noqa: ARG002
        """Return nothing: the streams' own limits, and the owners of partitions, keep them in order."""
        return []


@contextmanager
def served_streams(address: StreamAddress, config: ServerConfig, only: str | None) -> Iterator[ServedStreams]:
    """Open the streams of an address, and make those that are missing; raises OutboxError and UsageError.

    `only` is `collector`, `delivery`, or None for both.
    """
    client = StreamClient(address, os.environ)
    try:
        layout = client.call(create_or_check(client, address))
        if only != "delivery":
            check_sizes(client, config.limits.event_bytes)
        yield ServedStreams(client, layout, config, delivers=only != "collector")
    finally:
        client.close()
