"""Partitions have one owner at a time: who, until when, and how they move between real clients of a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.pacing import Clock
from engine.stream import owning
from engine.stream.client import StreamClient
from engine.stream.layout import Layout, create_or_check
from engine.stream.owning import FREE, Claim, Ownership, OwnerToken

PATIENCE = 20.0


class Process:
    """A client with its ownership, as a process has one; `die` ends it as a crash does."""

    def __init__(self, address: StreamAddress, clock: Clock | None = None) -> None:
        self.client = StreamClient(address, {})
        self.layout: Layout = self.client.call(create_or_check(self.client, address))
        self.ownership = Ownership(self.client, self.layout, clock=clock)
        self.client.call(self.ownership.start())

    def give_up_surplus(self) -> None:
        for number in self.ownership.surplus():
            self.client.call(self.ownership.release(number))

    def die(self) -> None:
        async def cancelled() -> None:
            left = set(self.ownership._tasks)  # a crash asks nobody
            while left:
                for task in left:
                    task.cancel()
                _, left = await asyncio.wait(left, timeout=0.1)

        self.client.call(cancelled())
        self.client.close()

    def end(self) -> None:
        self.client.call(self.ownership.stop())
        self.client.close()


@pytest.fixture
def begin(new_address: Callable[..., StreamAddress]) -> Iterator[Callable[..., Process]]:
    made: list[Process] = []
    addresses: dict[int, StreamAddress] = {}

    def begin(partitions: int, clock: Clock | None = None) -> Process:
        address = addresses.setdefault(partitions, new_address(partitions=partitions))
        made.append(Process(address, clock))
        return made[-1]

    yield begin
    for each in made:
        if not each.client._closed:
            each.end()


def until(holds: Callable[[], bool], patience: float = PATIENCE) -> float:
    """Return after how many seconds something holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < patience, "it never came to hold"
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_released_partition_moves_at_once(begin) -> None:
    first = begin(1)
    until(lambda: first.ownership.owned() == {0})
    second = begin(1)
    assert second.ownership.owned() == set()
    first.client.call(first.ownership.release(0))
    assert first.ownership.owned() == set()
    assert until(lambda: second.ownership.owned() == {0}) < owning.OWNED, "nobody waits for who has given it up"
    assert not first.client.call(first.ownership.extended(0, first.ownership._clock.time() + 1))
    assert second.client.call(second.ownership.extended(0, second.ownership._clock.time() + 2))


@pytest.mark.slow
def test_tokens_that_somebody_removed_come_back_once_nobody_owns_by_the_old_ones(begin) -> None:
    first, second = begin(2), begin(2)
    until(lambda: len(first.ownership.owned() | second.ownership.owned()) == 2)
    first.client.call(first.client.api(f"STREAM.PURGE.{first.layout.owners}", {}))
    until(lambda: not first.ownership.owned() | second.ownership.owned())
    until(lambda: len(first.ownership.owned() | second.ownership.owned()) == 2)
    assert not first.ownership.owned() & second.ownership.owned()


def test_a_token_with_headers_of_a_status_is_a_token(begin) -> None:
    first = begin(1)
    until(lambda: first.ownership.owned() == {0})
    client, subject = first.client, first.layout.owners_subject(0)
    client.call(first.ownership.release(0))
    client.call(client.publish(subject, owning.FREE, {"Status": "423"}))
    second = begin(1)
    until(lambda: second.ownership.owned() == {0})


@pytest.mark.slow
def test_who_dies_is_followed_and_never_while_it_may_own(begin) -> None:
    clock = Clock()
    first = begin(2, clock)
    until(lambda: first.ownership.owned() == {0, 1})
    second = begin(2, clock)
    ends = max(first.ownership.owned_until(number) for number in (0, 1))
    first.die()
    ends = max(ends, *(first.ownership.owned_until(number) for number in (0, 1)))
    took = until(lambda: second.ownership.owned() == {0, 1})
    assert clock.time() >= ends
    assert took < owning.FAILOVER + 1


@pytest.mark.slow
def test_a_lost_pin_makes_no_second_owner(begin) -> None:
    """A new leader of a consumer knows of no pin, and gives the token to whoever asks first."""
    clock = Clock()
    first = begin(1, clock)
    until(lambda: first.ownership.owned() == {0})
    second = begin(1, clock)
    second.ownership._share = 1
    time.sleep(1.5)  # both ask
    for _ in range(30):
        first.client.call(first.client.api(f"CONSUMER.UNPIN.{first.layout.owners}.p0", {"group": "owner"}))
        for _ in range(10):
            now = clock.time()
            assert not (first.ownership.owned_until(0) > now and second.ownership.owned_until(0) > now)
            time.sleep(0.02)
    until(lambda: bool(first.ownership.owned() | second.ownership.owned()))


@pytest.mark.slow
def test_shares_become_fair_and_a_late_comer_gets_its_own(begin) -> None:
    first = begin(8)
    until(lambda: len(first.ownership.owned()) == 8)
    processes = [first]
    for shares in ([4, 4], [2, 3, 3]):
        processes.append(begin(8))

        def fair(shares: list[int] = shares) -> bool:
            for each in processes:
                each.give_up_surplus()
            return sorted(len(each.ownership.owned()) for each in processes) == shares

        assert until(fair) < 10
        owned = [number for each in processes for number in each.ownership.owned()]
        assert sorted(owned) == list(range(8)), "each has one owner"
        until(lambda: {each.ownership.workers for each in processes} == {len(processes)})
    processes.pop().end()
    until(lambda: sum(len(each.ownership.owned()) for each in processes) == 8)


@pytest.mark.slow
def test_a_process_with_many_partitions_gives_all_up_at_its_end(begin) -> None:
    first = begin(256)
    until(lambda: len(first.ownership.owned()) == 256)
    second = begin(256)
    first.end()
    until(lambda: len(second.ownership.owned()) == 256)


def test_a_clock_that_jumped_ends_all_ownership(begin) -> None:
    jumped = [0.0]
    process = begin(1, Clock(monotonic=lambda: time.monotonic() + jumped[0]))
    until(lambda: process.ownership.owned() == {0})
    since, ended = process.ownership.owned_since(0), process.ownership.owned_until(0)
    jumped[0] = 60.0
    assert process.ownership.owned() == set() or process.ownership.owned_until(0) > ended + 50.0
    until(lambda: process.ownership.owned() == {0})
    assert process.ownership.owned_since(0) == since, "nobody else has written the token in between"


FOLLOWING = {
    "its own token, as it knows it": (5, 4, OwnerToken(b"me", 5, "pin", ""), True),
    "its own, whose acknowledgement it did not get": (5, 5, OwnerToken(b"me", 6, "pin", ""), True),
    "its own, but written in the place of another's": (5, 7, OwnerToken(b"me", 8, "pin", ""), False),
    "another's": (5, 5, OwnerToken(b"you", 6, "pin", ""), False),
    "one that was given up": (5, 5, OwnerToken(FREE, 7, "pin", ""), False),
    "the first": (0, 0, OwnerToken(FREE, 1, "pin", ""), False),
}


@pytest.mark.parametrize("case", FOLLOWING)
def test_a_gap_counts_only_if_another_process_can_have_had_the_partition(case: str) -> None:
    sequence, tried, token, follows = FOLLOWING[case]
    assert Claim(0, sequence=sequence, tried=tried).follows(token, b"me") is follows
