"""Delivery beside intake: it continues until no more events come in, and the end of one ends the other."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.delivery.process import Shutdown, run
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Vendor, event, results, shop


async def until(met: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110  an outbox has no events to wait for
            await asyncio.sleep(0.005)


def test_a_delivery_that_is_being_filled_waits_for_what_comes(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK, intake_open=True)
            task = asyncio.create_task(delivery.run())
            for number in range(3):
                outbox.take_in([event(number)], ["shop"], 1.0)
                await until(lambda: not outbox.unfinished("shop")[0])
                assert not task.done()
            outbox.take_in([event(3)], ["shop"], 1.0)
            delivery.intake_ended()
            await task
            assert results(outbox)[0] == dict.fromkeys(["m0", "m1", "m2", "m3"], "delivered")

    asyncio.run(story())


def test_a_held_connection_is_taken_up_again_while_events_come_in(tmp_path) -> None:
    async def story() -> None:
        outbox, refuse = MemoryOutbox(), [True]
        async with Vendor(lambda _: Answer(401) if refuse else Answer(200, {"results": [{"ok": True}]})) as vendor:
            options = replace(QUICK, lease=0.1)
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], options, intake_open=True)
            outbox.take_in([event(1)], ["shop"], 1.0)
            task = asyncio.create_task(delivery.run())
            await until(lambda: outbox.connections()[0].held)
            refuse.clear()
            outbox.resume("shop")
            await until(lambda: not outbox.unfinished("shop")[0])
            assert not task.done()
            delivery.intake_ended()
            await task

    asyncio.run(story())


def test_a_vendor_that_stays_away_is_waited_for_once(tmp_path) -> None:
    async def story() -> float:
        outbox = MemoryOutbox()
        async with Vendor(lambda _: Answer(503)) as vendor:
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], replace(QUICK, patience=0.05), intake_open=True)
            outbox.take_in([event(1)], ["shop"], 1.0)
            task = asyncio.create_task(delivery.run())
            await until(lambda: len(vendor.requests) >= 20)
            assert not task.done(), "longer than its patience, as there is intake to wait for"
            delivery.intake_ended()
            await asyncio.wait_for(task, 5)
            return outbox.unfinished("shop")[0]

    assert asyncio.run(story()) == 1


def test_reading_ends_where_the_end_is_asked_for() -> None:
    shutdown = Shutdown()

    def source():
        yield 1
        yield 2
        shutdown.request(signaled=True)
        raise AssertionError

    assert list(shutdown.until_requested(source())) == [1, 2]
    assert list(shutdown.until_requested(iter([3]))) == []


def nothing() -> Delivery:
    return Delivery(MemoryOutbox(), [], QUICK, intake_open=True)


def test_a_delivery_that_breaks_ends_the_intake() -> None:
    class Broken(Delivery):
        async def run(self) -> None:
            raise OSError("no room")

    def endless(shutdown: Shutdown) -> None:
        for _ in shutdown.until_requested(itertools.count()):
            time.sleep(0.001)

    with pytest.raises(OSError, match=r"^no room$"):
        run(lambda: Broken(MemoryOutbox(), [], QUICK, intake_open=True), endless)


def test_an_intake_that_breaks_ends_the_delivery(tmp_path) -> None:
    def broken(_: Shutdown) -> None:
        raise OSError("no such device")

    outbox = MemoryOutbox()
    with pytest.raises(OSError, match=r"^no such device$"):
        run(lambda: Delivery(outbox, [shop(tmp_path, "http://127.0.0.1:9")], QUICK, intake_open=True), broken)


def test_signals_are_put_back_and_only_one_during_intake_cuts_it_short() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run(nothing, lambda _: None)
    assert not run(nothing, lambda _: os.kill(os.getpid(), signal.SIGTERM))

    class Long(Delivery):
        async def run(self) -> None:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
            while not self._stopping:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert run(lambda: Long(MemoryOutbox(), [], QUICK))
    assert signal.getsignal(signal.SIGTERM) == before
