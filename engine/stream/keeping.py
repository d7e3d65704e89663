"""Removes the packs of a partition that nobody needs: finished for every connection, and older than the window.

Only what lies before everything that is needed is removed, so one event that waits keeps all that came after it. What
is needed says the shared state: a connection that is known, and whose position is not, needs everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from engine.records import JsonObject
from engine.stream.layout import Layout
from engine.stream.pack_reader import PackReader
from engine.stream.positions import StreamPosition

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

KEEP_SECONDS = 25 * 3600.0
"""How long finished packs stay at least: as long as their messageIds are remembered, and an hour more."""


async def needed_from(client: StreamClient, layout: Layout, partition: int, connections: Sequence[str]) -> int:
    """Return the sequence of the first pack of a partition that a connection needs; none before it is needed."""
    needed = []
    for connection in connections:
        last = await client.last(layout.state, layout.position_subject(partition, connection))
        if last is None or not last.data:
            return 0
        position = StreamPosition.of(last)
        needed.append(position.read_to + 1 if position.oldest is None else position.oldest)
    return min(needed, default=0)


async def remove_finished(
    client: StreamClient,
    layout: Layout,
    partition: int,
    reader: PackReader,
    connections: Sequence[str],
    older_than: float,
) -> int:
    """Remove packs that are finished for these connections, which are all, and came before a time; return how many."""
    needed = await needed_from(client, layout, partition, connections)
    if not needed:
        return 0
    before = min(needed, await reader.sequence_before(older_than) + 1)
    request: JsonObject = {"filter": layout.events_subject(partition), "seq": before}
    answer = await client.api(f"STREAM.PURGE.{layout.events}", request)
    return cast("int", answer["purged"])
