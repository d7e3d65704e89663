"""Two processes and one partition: whichever way it changes hands, the next one sends what is unfinished, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from engine.delivery.outbox.base import Change, LeaseLost, NewEvent
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.pacing import Clock
from engine.records import Outcome
from engine.stream import owning
from engine.stream.owning import Ownership
from engine.stream.packs import Pack, encode
from engine.stream.partition_queue import LEASE, PartitionQueue
from engine.stream.shared_state import SharedState
from tests.stream.test_owning import Process, until


class Node(Process):
    """A process with the queue of partition 0."""

    def __init__(self, address: StreamAddress, clock: Clock) -> None:
        super().__init__(address, clock)
        self.clock = clock
        self.queue = PartitionQueue(self.client, self.layout, 0, self.ownership, SharedState(self.client, self.layout))
        self.fence = 0

    def lease(self) -> bool:
        fence = self.queue.lease("a", str(id(self)), self.clock.time(), LEASE)
        self.fence = fence or self.fence
        return fence is not None

    def ids(self) -> list[str]:
        return [row.message_id for row in self.queue.waiting("a", 0, 100)]

    def finish(self, *ids: str) -> None:
        rows = [row for row in self.queue.waiting("a", 0, 100) if row.message_id in ids]
        self.queue.write("a", self.fence, [Change(row.place, Outcome.DELIVERED, "") for row in rows], 1.0)


@pytest.fixture
def begin(new_address: Callable[..., StreamAddress]) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []
    address = new_address(partitions=1)

    def begin(clock: Clock | None = None) -> Node:
        made.append(Node(address, clock or Clock()))
        return made[-1]

    yield begin
    for each in made:
        each.queue.close()
        if not each.client._closed:
            each.end()


def publish(node: Node, *ids: str) -> None:
    for each in ids:
        headers, body = encode(Pack(("a",), [NewEvent("s", each, "", b"{}")]))
        node.client.call(node.client.publish(node.layout.events_subject(0), body, headers))


def test_a_partition_that_is_given_up_is_delivered_on_at_once(begin) -> None:
    first = begin()
    publish(first, "1", "2", "3")
    until(first.lease)
    second = begin()
    first.finish("2")
    assert not second.lease()
    first.queue.release("a", str(id(first)))
    first.client.call(first.ownership.release(0))
    assert until(second.lease) < owning.OWNED
    assert second.ids() == ["1", "3"]
    assert not first.lease()


@pytest.mark.slow
def test_a_partition_of_a_process_that_died_is_delivered_on(begin) -> None:
    clock = Clock()
    first = begin(clock)
    publish(first, "1", "2", "3", "4")
    until(first.lease)
    leased_until = clock.time() + LEASE
    second = begin(clock)
    first.finish("1", "3")
    first.die()
    took = until(second.lease)
    assert clock.time() > leased_until, "it sends nothing any more"
    assert took < owning.FAILOVER + 1
    assert second.ids() == ["2", "4"]


@pytest.mark.slow
def test_who_slept_sends_and_writes_nothing(begin) -> None:
    slept = [0.0]
    first = begin(Clock(monotonic=lambda: time.monotonic() + slept[0]))
    publish(first, "1", "2")
    until(first.lease)
    waiting = first.queue.waiting("a", 0, 9)
    first.client.call(_asleep(first.ownership))
    second = begin()
    until(second.lease)
    slept[0] = 60.0
    assert first.ownership.owned() == set()
    assert not first.lease()
    second.finish("1")
    with pytest.raises(LeaseLost, match=r"^Another worker has taken over a\.$"):
        first.queue.write("a", first.fence, [Change(waiting[0].place, Outcome.DELIVERED, "late")], 1.0)
    assert second.ids() == ["2"]


async def _asleep(ownership: Ownership) -> None:
    for task in ownership._tasks:
        task.cancel()
