"""The outbox that a backfill feeds: a file that remembers every messageId, or streams that do for 24 hours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine.collector.sources import EventSource
from engine.delivery.outbox.arrivals import stored_ids
from engine.delivery.outbox.base import EventIntake
from engine.delivery.outbox.location import Location, StreamAddress
from engine.errors import UsageError

FOREVER = 100 * 365 * 24 * 3600.0
"""Seconds: a backfill may take weeks, and be resumed weeks later."""


class FedOutbox(NamedTuple):
    """An outbox that is fed, and what it knows of messageIds of the source: those of a stream are not looked up."""

    intake: EventIntake
    stored: Callable[[Sequence[str]], set[str]]


@contextmanager
def opened_intake(
    location: Location, source: EventSource, connections: Sequence[str], largest: int
) -> Iterator[FedOutbox]:
    """Open or make an outbox; raises OutboxError, and UsageError if an event of `largest` bytes does not fit in it."""
    if isinstance(location, Path):
        from engine.delivery.outbox.sqlite import SqliteOutbox

        outbox = SqliteOutbox(location, window=FOREVER)
        try:
            yield FedOutbox(outbox, lambda ids: outbox.look(partial(stored_ids, source=source.name, message_ids=ids)))
        finally:
            outbox.close()
        return
    with _stream(location, source, connections, largest) as intake:
        yield FedOutbox(intake, lambda _ids: set())


@contextmanager
def _stream(
    address: StreamAddress, source: EventSource, connections: Sequence[str], largest: int
) -> Iterator[EventIntake]:
    from engine.stream.client import StreamClient
    from engine.stream.intake import MESSAGE_ROOM, StreamIntake
    from engine.stream.layout import create_or_check
    from engine.stream.shared_state import SharedState

    client = StreamClient(address, os.environ)
    try:
        layout = client.call(create_or_check(client, address))
        client.call(client.wire())
        if client.max_payload < largest + MESSAGE_ROOM:
            raise UsageError(
                f"The largest event has {largest:,} bytes, and the servers of {address} take messages of "
                f"{client.max_payload:,}: raise max_payload in the servers' configuration to "
                f"{largest + MESSAGE_ROOM:,} or more. Nothing was queued."
            )
        SharedState(client, layout).add(connections)
        by = {source.name: source.partition_by} if source.partition_by else {}
        yield StreamIntake(client, layout, by)
    finally:
        client.close()
