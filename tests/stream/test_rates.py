"""A rate limit that many workers keep together: no window of time has more requests than one worker alone may send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.pacing import TokenBucket
from engine.stream.client import StreamClient
from engine.stream.layout import create_or_check
from engine.stream.rates import RateKey, SharedRateLimiter, grant

NOW = 1_800_000_000.0
RATES = st.sampled_from(["1/s", "3/s", "100/m", "7/h"])
STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 12)), max_size=30)
ALMOST = 1e-3


@given(RATES, STEPS)
def test_one_process_waits_as_long_as_with_a_bucket_of_its_own(rate: str, steps: list[tuple[float, int]]) -> None:
    bucket, full_at, now = TokenBucket(rate, NOW), 0.0, NOW
    for passed, count in steps:
        now += passed
        found = grant(full_at, now, count, rate)
        full_at = found.full_at
        assert [time - now for time in found.times] == pytest.approx(
            [bucket.wait(now) for _ in range(count)], abs=ALMOST
        )


@given(st.integers(1, 20), STEPS, st.lists(st.floats(-2, 2), min_size=10, max_size=10), st.data())
def test_ten_processes_together_keep_a_limit(
    size: int, steps: list[tuple[float, int]], skews: list[float], data: st.DataObject
) -> None:
    """A process sends at a time by its own clock; clocks that differ by 2 s may put 4 s of the rate into a window."""
    rate, full_at, now, sent = f"{size}/s", 0.0, NOW, []
    for passed, count in steps:
        now += passed
        skew = data.draw(st.sampled_from(skews))
        found = grant(full_at, now + skew, count, rate)
        full_at = found.full_at
        sent += [time - skew for time in found.times]
    sent.sort()
    for number, first in enumerate(sent):
        within = sum(1 for time in sent[number:] if time < first + 5.0)
        assert within <= size + (5.0 + 4.0) * size + 1


def test_without_a_limit_nothing_waits() -> None:
    assert grant(0.0, NOW, 2, "") == ([NOW, NOW], 0.0)


def test_what_only_a_clock_that_jumped_can_have_written_counts_as_an_empty_bucket() -> None:
    assert grant(NOW + 1e9, NOW, 1, "60/m").times == pytest.approx([NOW + 1.0])


class Memory:
    """A bucket that some workers of one test share; each attempt to write yields to the others first."""

    def __init__(self, *, quicker: bool = False) -> None:
        self.full_at, self.revision, self.writes, self.quicker = 0.0, 0, 0, quicker

    def now(self) -> float:
        return NOW

    async def read(self) -> tuple[float, int]:
        await asyncio.sleep(0)
        return self.full_at, self.revision

    async def write(self, full_at: float, revision: int) -> int | None:
        await asyncio.sleep(0)
        if revision != self.revision or self.quicker:
            return None
        self.full_at, self.revision, self.writes = full_at, revision + 1, self.writes + 1
        return self.revision


def test_ten_workers_together_keep_100_per_minute_with_few_writes() -> None:
    memory = Memory()
    limits = [SharedRateLimiter("shop", "100/m", memory, lambda: 0.0) for _ in range(10)]

    async def take() -> list[float]:
        return await asyncio.gather(*(limit.take() for limit in limits for _ in range(25)))

    waits = sorted(asyncio.run(take()))
    assert waits[:100] == [0.0] * 100
    assert waits[100:] == pytest.approx([0.6 * number for number in range(1, 151)], abs=ALMOST)
    assert memory.writes == 10


def test_a_request_that_was_given_up_leaves_the_others_their_turn() -> None:
    async def waits() -> list[float]:
        limit = SharedRateLimiter("shop", "1/s", Memory())
        first = asyncio.create_task(limit.take())
        second = asyncio.create_task(limit.take())
        await asyncio.sleep(0)
        first.cancel()
        return [await second, await limit.take()]

    assert asyncio.run(waits()) == pytest.approx([1.0, 2.0])


def test_a_bucket_that_others_write_all_the_time_fails_the_worker() -> None:
    limit = SharedRateLimiter("shop", "1/s", Memory(quicker=True), lambda: 0.0)
    with pytest.raises(OutboxError) as caught:
        asyncio.run(limit.take())
    assert str(caught.value) == (
        "The rate limit of shop could not be counted in 200 attempts, because other workers were always quicker. Its "
        "requests wait until the worker is started again."
    )


def test_four_clients_together_keep_a_limit_on_a_real_server(new_address: Callable[..., StreamAddress]) -> None:
    address = new_address(partitions=1)
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(StreamClient(address, {}))) for _ in range(4)]
        layout = clients[0].call(create_or_check(clients[0], address))

        async def times() -> list[float]:
            limits = [SharedRateLimiter("shop", "100/h", RateKey(client, layout, "shop")) for client in clients]
            began = clients[0].time()
            waits = await asyncio.gather(*(limit.take() for limit in limits for _ in range(40)))
            return sorted(began + wait for wait in waits)

        found = asyncio.run(times())
    assert sum(1 for time in found if time < found[0] + 30) <= 101
    assert found[-1] - found[0] == pytest.approx(60 * 36, abs=36)
