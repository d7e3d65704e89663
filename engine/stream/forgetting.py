"""Forgets a connection to which nobody delivers any more, so that what waits for it no longer keeps packs from leaving.

Its positions and its shared record are removed, in a way that every process sees. Packs that name it do not bring it
back; a worker that delivers to it, or events that are taken in for it, do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.delivery.outbox.base import OutboxError
from engine.stream.layout import Layout
from engine.stream.partition_queue import ALIVE_SECONDS, RELEASED_HEADER
from engine.stream.shared_state import KIND, REMOVED

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

QUIET_SECONDS = 2.5 * ALIVE_SECONDS
"""How long a connection's positions must not have been written, unless they were released."""
UNDELIVERED_SECONDS = 3600.0
DELIVERED = (
    "{connection} is being delivered: a worker wrote its position {seconds:.0f} s ago. Remove it from the connections "
    "files of all servers first; once they have ended or reloaded them, it can be forgotten (at the latest "
    "{quiet:.0f} s after a server was killed)."
)


async def forget_connection(client: StreamClient, layout: Layout, connection: str) -> None:
    """Remove what is kept of a connection; raise OutboxError while a worker delivers to it."""
    subjects = [layout.position_subject(each, connection) for each in range(layout.partitions)]
    await client.api(f"STREAM.INFO.{layout.events}")  # teaches the client the servers' time
    for last in await asyncio.gather(*(client.last(layout.state, each) for each in subjects)):
        if last is None or not last.data or RELEASED_HEADER in last.headers:
            continue
        seconds = client.time() - last.time
        if seconds < QUIET_SECONDS:
            raise OutboxError(DELIVERED.format(connection=connection, seconds=max(0.0, seconds), quiet=QUIET_SECONDS))
    for subject in (*subjects, layout.state_subject(KIND, connection)):
        await client.publish(subject, b"", REMOVED)


async def undelivered(client: StreamClient, layout: Layout, waiting: Mapping[str, float]) -> list[str]:
    """Return the connections to which no worker has delivered for an hour.

    `waiting` is since when events wait for each. A worker writes the positions of its connections every minute.
    """
    early = client.time() - UNDELIVERED_SECONDS

    async def is_early(connection: str) -> bool:
        subjects = [layout.position_subject(each, connection) for each in range(layout.partitions)]
        found = await asyncio.gather(*(client.last(layout.state, each) for each in subjects))
        return all(last is None or last.time < early for last in found)

    return [each for each, since in waiting.items() if since < early and await is_early(each)]
