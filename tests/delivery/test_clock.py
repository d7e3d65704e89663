"""A clock that jumps gives up no event, ends no lease, stretches no pause."""

from __future__ import annotations

import asyncio
import time

from engine.delivery.outbox_thread import Clock
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Vendor, event, fine, results, shop

DAY = 86400.0


def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    walls = iter([1000.0, 5_000_000.0])
    ticks = iter([10.0, 11.0, 12.0])
    clock = Clock(lambda: next(walls), lambda: next(ticks))
    assert [clock.time(), clock.time()] == [1001.0, 1002.0]


def delivered_at(directory, moments, answers) -> tuple[dict[str, str], int]:
    """Deliver one event in several processes whose clocks differ."""

    async def story() -> tuple[dict[str, str], int]:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            outbox.take_in([event(1)], ["shop"], moments[0])
            for moment, answer in zip(moments, answers, strict=True):
                vendor.answer = answer
                clock = Clock(lambda now=moment: now, time.monotonic)
                await Delivery(outbox, [shop(directory, vendor.url)], QUICK, clock=clock).run()
            return results(outbox)[0], len(vendor.requests)

    return asyncio.run(story())


def test_a_pause_from_a_clock_that_ran_ahead_is_not_kept_to(tmp_path) -> None:
    busy = Answer(429, None, {"Retry-After": "600"})
    ran_ahead = delivered_at(tmp_path, [1e9 + 30 * DAY, 1e9], [lambda _: busy, fine])
    assert ran_ahead == ({"m1": "delivered"}, 2)


def test_a_clock_that_went_back_gives_nothing_up(tmp_path) -> None:
    outcomes, _ = delivered_at(
        tmp_path, [1e9, 1e9 - 10 * DAY, 1e9], [lambda _: Answer(503), lambda _: Answer(503), fine]
    )
    assert outcomes == {"m1": "delivered"}


def test_a_lease_from_a_clock_that_ran_ahead_is_taken_over(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            outbox.take_in([event(1)], ["shop"], 1.0)
            outbox.lease("shop", "gone", time.time() + 30 * DAY, 10)
            await Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK).run()
            assert results(outbox)[0] == {"m1": "delivered"}

    asyncio.run(story())
