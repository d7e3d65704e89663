"""A worker respects what others change of its connection, where several workers deliver to one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from engine.delivery.outbox.base import ConnectionRow
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.sending.shipping import Part
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_attempts import attempts_by_event
from tests.delivery.vendor import QUICK, Vendor, event, shop


def test_a_hold_a_pause_and_their_ends_are_followed(tmp_path: Path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], replace(QUICK, until_idle=False))
            running = asyncio.create_task(delivery.run())
            outbox.take_in([event(1)], ["shop"], 1000.0)
            await vendor.asked.wait()
            [worker] = delivery._workers
            now = delivery._clock.time()
            pace = worker.shipping.pace
            delivery.follow(ConnectionRow("another", due=now + 60))
            assert pace.resume_at < now
            delivery.follow(ConnectionRow("shop", due=now + 60))
            delivery.follow(ConnectionRow("shop", due=now + 30))
            assert (pace.resume_at, pace.slots(now)) == (now + 60, 0)
            delivery.follow(ConnectionRow("shop", due=now + 1e9))
            assert pace.resume_at == now + 60, "only a clock that jumped pauses that long"
            delivery.follow(ConnectionRow("shop"))
            assert pace.slots(delivery._clock.time()) == QUICK.slots
            delivery.follow(ConnectionRow("shop", held="401"))
            assert worker.shipping.stopping.is_set()
            delivery.stop()
            await running

    asyncio.run(story())


def test_workers_of_different_parts_never_give_an_attempt_the_same_number(tmp_path: Path) -> None:
    async def numbers(part: Part) -> list[int]:
        outbox = SqliteOutbox(tmp_path / f"{part.number}.db")
        outbox.take_in([event(number) for number in range(9)], ["shop"], 1000.0)
        async with Vendor() as vendor:
            await Delivery(outbox, [shop(tmp_path, vendor.url, max_items=1)], replace(QUICK, part=part)).run()
        found = [each.number for attempts in attempts_by_event(outbox).values() for each in attempts]
        outbox.close()
        return found

    first, last = asyncio.run(numbers(Part(0, 4))), asyncio.run(numbers(Part(3, 4)))
    assert len({*first}) == len({*last}) == 9
    assert ({number % 4 for number in first}, {number % 4 for number in last}) == ({0}, {3})
