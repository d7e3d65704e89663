"""A process is stopped while it delivers, another one takes over, and the first one wakes: it sends nothing stale."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import threading
import time
from asyncio.subprocess import Process
from pathlib import Path

import psutil
import pytest

from engine.delivery.lease import Lease
from engine.delivery.outbox.base import Change, LeaseLost
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.outbox_thread import ChangeWriter, OutboxThread
from engine.delivery.sending import pacing
from engine.delivery.sending.http import Sender
from engine.records import Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_http import planned
from tests.delivery.test_process import until
from tests.delivery.vendor import BATCHES, MAPPING, Request, Vendor, event, results

ROOT = Path(__file__).parents[2]
USERS = 20


async def worker(directory: Path, url: str, lease: float) -> Process:
    given = (str(directory / "outbox.db"), str(directory / "shop.yaml"), url, str(lease))
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.delivery.stalled", *given, cwd=ROOT)


async def stop_owner(workers: list[Process], outbox: SqliteOutbox) -> list[Process]:
    """Stop the process that has the lease; return it first.

    It is not writing then: in the middle of a transaction, it would keep all others from writing.
    """
    await until(lambda: outbox.connections()[0].owner)
    with outbox._transaction() as db:
        [(owner,)] = db.execute("SELECT owner FROM connections").fetchall()
        pid = int(owner.split(":")[1])
        first, second = sorted(workers, key=lambda each: each.pid != pid)
        first.send_signal(signal.SIGSTOP)
        await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return [first, second]


def stale(requests: list[Request]) -> list[str]:
    """Return the events that arrived after a newer one of their user."""
    newest: dict[str, int] = {}
    found = []
    for request in requests:
        user, number = request.body["user"], int(request.body["id"][1:])
        if number < newest.get(user, -1):
            found.append(request.body["id"])
        newest[user] = max(number, newest.get(user, -1))
    return found


async def story(directory: Path, *, events: int, stop_after: int, lease: float, pause: float) -> None:
    (directory / "shop.yaml").write_text(MAPPING.format(more=BATCHES.format(max_items=5, give_up="24h")))
    outbox = SqliteOutbox(directory / "outbox.db")
    outbox.take_in([event(n, f"u{n % USERS}", "identify") for n in range(events)], ["shop"], time.time())
    async with Vendor() as vendor:
        workers = [await worker(directory, vendor.url, lease) for _ in range(2)]
        try:
            await until(lambda: len(vendor.requests) >= stop_after)
            first, second = await stop_owner(workers, outbox)
            stopped_at = time.monotonic()
            async with asyncio.timeout(60 + events / 50):
                await second.wait()
                await asyncio.sleep(max(0.0, stopped_at + pause - time.monotonic()))
                by_second = len(vendor.requests)
                first.send_signal(signal.SIGCONT)
                await first.wait()
        finally:
            for each in workers:
                if each.returncode is None:
                    each.kill()
                await each.wait()
        assert [each.returncode for each in workers] == [0, 0]
        assert set(results(outbox)[0].values()) == {"delivered"}
        assert stop_after <= by_second
        assert stale(vendor.requests) == []
        assert len(vendor.requests) == by_second, "the first one has nothing left to send"
        assert len(vendor.requests) <= events + 8, "only what was in flight is repeated"
    outbox.close()


@pytest.mark.slow
def test_a_process_that_wakes_sends_nothing_stale(tmp_path) -> None:
    asyncio.run(story(tmp_path, events=140, stop_after=105, lease=0.8, pause=0.0))


@pytest.mark.slow
def test_a_process_that_wakes_after_ten_seconds_sends_nothing_stale(tmp_path) -> None:
    asyncio.run(story(tmp_path, events=3000, stop_after=400, lease=10.0, pause=12.0))


def test_a_lease_that_has_run_out_lets_nothing_through() -> None:
    async def sent(now: float) -> int:
        lease = Lease("shop", 1, 10.0, lambda: now)
        async with Vendor() as vendor:
            sender = Sender(vendor.url, before_write=lease.check)
            try:
                await sender.send(planned(vendor.url))
            finally:
                await sender.close()
                assert len(vendor.requests) == (now < 10.0)
            return len(vendor.requests)

    assert asyncio.run(sent(9.9)) == 1
    with pytest.raises(LeaseLost, match=r"^The lease of shop ran out before a request was sent\.$"):
        asyncio.run(sent(10.0))


def test_a_lease_lasts_as_long_as_the_outbox_knows_of_its_fence() -> None:
    now, known = 12.0, {("shop", 1): 13.0}
    lease = Lease("shop", 1, 10.0, lambda: now, lambda *of: known.get(of, 0.0))
    lease.check()
    lease.fence = 2
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_request_is_not_finished_when_the_lease_runs_out_in_the_middle() -> None:
    moments = iter([9.0, 11.0, math.inf])

    async def story() -> None:
        lease = Lease("shop", 1, 10.0, lambda: next(moments))
        async with Vendor() as vendor:
            sender = Sender(vendor.url, before_write=lease.check)
            with pytest.raises(LeaseLost):
                await sender.send(planned(vendor.url, body={"a": 1}))
            await sender.close()
            assert vendor.requests == []

    asyncio.run(story())


def test_nobody_waits_for_what_is_not_written_because_the_lease_is_lost() -> None:
    written = threading.Event()

    class Slow(MemoryOutbox):
        def write(self, connection, fence, changes, now, attempts=()):
            written.wait(10)
            return super().write(connection, fence, changes, now, attempts)

    async def story() -> None:
        thread = OutboxThread(Slow())
        writer = ChangeWriter(thread, "shop", 1, pacing.Clock())
        waiting = []
        for place in (1, 2):  # the second one is to be written after the first one, which fails
            writer.add(Change(place, Outcome.DELIVERED, ""))
            await asyncio.sleep(0.01)
            waiting.append(asyncio.create_task(writer.durable()))
        written.set()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        writer.add(Change(3, Outcome.DELIVERED, ""))
        await asyncio.wait_for(writer.durable(), 5)
        with pytest.raises(LeaseLost):
            await writer.settle()
        thread.close()

    asyncio.run(story())


def test_the_clock_goes_on_while_the_process_is_stopped() -> None:
    """Fork a process that stops itself; its clock has gone on when it wakes."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        before = pacing.since_boot()
        os.kill(os.getpid(), signal.SIGSTOP)
        os.write(writing, str(pacing.since_boot() - before).encode())
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    time.sleep(0.1)
    os.kill(child, signal.SIGCONT)
    os.waitpid(child, 0)
    assert float(os.read(reading, 100)) >= 0.1
    os.close(reading)
    os.close(writing)
