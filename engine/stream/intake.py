"""Events into the streams: divided by partition, published in packs, acknowledged before the call returns.

Packs of one partition are published one after another, those of different partitions side by side, so a pack that is
sent again comes before the next of its partition. No duplicate is looked for here: whoever owns a partition does that,
with all that it has seen of the last 24 hours. If some packs cannot be published, the call raises, the sender sends all
of it again, and the events that were stored are duplicates then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from engine.delivery.outbox.base import Discarded, NewEvent, TakenIn
from engine.delivery.outbox.location import Location
from engine.stream.client import PUBLISH_PATIENCE, StreamClient, StreamMessage
from engine.stream.errors import DamagedPack, MessageTooLarge
from engine.stream.layout import Layout
from engine.stream.packs import (
    FORMAT,
    FORMAT_HEADER,
    PACK_BYTES,
    digests,
    encode,
    encode_discards,
    packs_of,
)
from engine.stream.partitions import partition_of
from engine.stream.positions import StreamPosition

PUBLISHING = 32
"""Partitions that are published to at once; with a pack of 256 KiB each, 8 MiB are on their way."""
MESSAGE_ROOM = 16 * 1024
"""Bytes of a message beside the raw events: headers, and the line that describes them."""
CALL_SECONDS = 6 * PUBLISH_PATIENCE


class StreamIntake:
    """Stores events in the streams of a layout; implements `EventIntake`.

    `partition_by` has for some sources the field that is the first choice for the partition; a reload replaces it.
    """

    def __init__(self, client: StreamClient, layout: Layout, partition_by: Mapping[str, str] | None = None) -> None:
        self._client, self._layout = client, layout
        self.partition_by = dict(partition_by or {})

    @property
    def path(self) -> Location:
        """Return the address."""
        return self._client.address

    def take_in(
        self,
        events: Sequence[NewEvent],
        connections: Sequence[str],
        now: float,  # noqa: ARG002  of the contract
        *,
        again: bool = False,
    ) -> TakenIn:
        """Store events, and return when the servers have acknowledged all of them; all count as new.

        The servers' time is what counts as the time of intake, not `now`. Raise OutboxError if some are not stored:
        the sender must send all of them again.
        """
        parts: dict[int, list[NewEvent]] = defaultdict(list)
        for event in events:
            by = self.partition_by.get(event.source)
            parts[partition_of(event.raw, self._layout.partitions, by, event.message_id)].append(event)
        self._client.call(self._publish(parts, connections, again=again), CALL_SECONDS)
        return TakenIn(new=len(events))

    async def _publish(
        self, parts: Mapping[int, Sequence[NewEvent]], connections: Sequence[str], *, again: bool
    ) -> None:
        await self._client.wire()
        most = min(PACK_BYTES, self._client.max_payload - MESSAGE_ROOM)
        few = asyncio.Semaphore(PUBLISHING)

        async def one(partition: int, events: Sequence[NewEvent]) -> None:
            async with few:
                for pack in packs_of(events, connections, again=again, most_bytes=most):
                    headers, body = encode(pack)
                    await self._client.publish(self._layout.events_subject(partition), body, headers)

        ends = await asyncio.gather(*(one(*part) for part in parts.items()), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end

    def keep_discards(
        self,
        discards: Sequence[Discarded],
        counts: Mapping[str, int],
        now: float,
        *,
        all_of_them: bool = False,  # noqa: ARG002  of the contract
    ) -> None:
        """Publish copies of what a collector discarded, and by source how many there were.

        How many a second are kept is the collector's to say; the stream keeps the last 10,000 messages of a source.
        """
        copies: dict[str, list[Discarded]] = defaultdict(list)
        for each in discards:
            copies[each.source].append(each)

        async def publish() -> None:
            for source in {**counts, **copies}:
                for body in encode_discards(copies[source], counts.get(source, 0), now):
                    await self._client.publish(self._layout.discards_subject(source), body, {FORMAT_HEADER: FORMAT})

        self._client.call(publish(), CALL_SECONDS)

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return about how many events of a connection are not finished, and when the oldest of them was queued.

        The packs behind each partition's position are counted, and the first one's events stand for all; positions are
        written every two seconds.
        """
        return self._client.call(self._unfinished(connection))

    async def _unfinished(self, connection: str) -> tuple[int, float | None]:
        found = await asyncio.gather(*(self._waiting(each, connection) for each in range(self._layout.partitions)))
        oldest = [since for _, since in found if since is not None]
        return sum(count for count, _ in found), min(oldest, default=None)

    async def _waiting(self, partition: int, connection: str) -> tuple[int, float | None]:
        last = await self._client.last(self._layout.state, self._layout.position_subject(partition, connection))
        position = StreamPosition.of(last)
        subject = self._layout.events_subject(partition)
        first, packs = await self._client.first(self._layout.events, subject, position.read_to)
        count = position.count if first is None else position.count + packs * _events_of(first)
        if position.oldest is not None:
            first, _ = await self._client.first(self._layout.events, subject, position.oldest - 1)
        return count, None if first is None else first.time

    def close(self) -> None:
        """Close the connection to the servers."""
        self._client.close()


def _events_of(message: StreamMessage) -> int:
    try:
        return len(digests(message.headers))
    except DamagedPack:  # its partition waits, with one message that a person has to look at
        return 1


def check_sizes(client: StreamClient, event_bytes: int) -> None:
    """Raise MessageTooLarge if the servers do not take an event of the largest size that a collector accepts."""
    client.call(client.wire())
    if client.max_payload < event_bytes + MESSAGE_ROOM:
        raise MessageTooLarge(
            f"The servers of {client.address} take messages of {client.max_payload} bytes, too few for events of "
            f"{event_bytes} bytes (--event-bytes) and the {MESSAGE_ROOM} bytes around them: raise max_payload in the "
            "servers' configuration, or lower --event-bytes."
        )
