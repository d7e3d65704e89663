"""An outbox on streams with one partition as one object: what people ask goes to a view, delivery's part to the queue.

`engine serve` has both in different processes; the suite of all outboxes (tests/delivery/test_outbox.py) asks one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, Waiting
from engine.delivery.outbox.location import StreamAddress
from engine.stream.client import StreamClient
from engine.stream.layout import Layout, create_or_check
from engine.stream.outbox import StreamOutbox
from engine.stream.partition_queue import PartitionQueue
from engine.stream.view_file import ViewFile
from engine.stream.view_tables import number_at, view_place

FOREVER = 10.0**12


class OwnedForEver:
    """An ownership that nobody contests."""

    async def extended(self, partition: int, until: float) -> bool:
        return partition == 0

    def owned_until(self, partition: int) -> float:
        return FOREVER

    def owned_since(self, partition: int) -> float:
        return 1.0


class WholeOutbox(StreamOutbox):
    """A view, and the queue of the only partition; places are those of the view."""

    def __init__(self, client: StreamClient, layout: Layout, view: ViewFile) -> None:
        super().__init__(client, layout, view)
        self.queue = PartitionQueue(client, layout, 0, OwnedForEver(), self._shared)  # type: ignore[arg-type]

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> int | None:
        return self.queue.lease(connection, owner, now, seconds)

    def leased_until(self, connection: str, fence: int) -> float:
        return self.queue.leased_until(connection, fence)

    def release(self, connection: str, owner: str) -> None:
        self.queue.release(connection, owner)

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        self.queue.lease(connection, "w", 0.0, FOREVER)
        return [self._shown(connection, row) for row in self.queue.waiting(connection, number_at(after), limit)]

    def waiting_at(self, connection: str, places: Sequence[int]) -> list[Waiting]:
        numbers = list(map(number_at, places))
        return [self._shown(connection, row) for row in self.queue.waiting_at(connection, numbers)]

    def _shown(self, connection: str, row: Waiting) -> Waiting:
        return row._replace(place=view_place(row.place, self._known(connection) or 0))

    def write(
        self, connection: str, fence: int, changes: Sequence[Change], now: float, attempts: Sequence[Attempt] = ()
    ) -> list[Change]:
        numbered = [each._replace(place=number_at(each.place)) for each in changes]
        number = self._known(connection) or 0
        done = self.queue.write(connection, fence, numbered, now, attempts)
        return [each._replace(place=view_place(each.place, number)) for each in done]


@contextmanager
def whole_outbox(address: StreamAddress, view: Path) -> Iterator[WholeOutbox]:
    """Make the streams of an address with one partition, and open them."""
    with closing(StreamClient(address, {})) as client:
        layout = client.call(create_or_check(client, address))
        with ViewFile.opened(view, client, layout) as opened, closing(WholeOutbox(client, layout, opened)) as outbox:
            yield outbox
