"""`engine serve --keep`: what ended long ago is removed, and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from engine.collector.background import tidy
from engine.delivery.outbox.base import Change, NewEvent
from engine.records import Outcome
from tests.collector.running import ROOT, serving
from tests.delivery.memory_outbox import MemoryOutbox

DAY = 24 * 3600.0
NOW = 100 * DAY


def event(name: str) -> NewEvent:
    return NewEvent("web", name, "2026-01-01T00:00:00Z", b"{}")


def test_what_ended_long_ago_is_removed() -> None:
    outbox, told = MemoryOutbox(), list[int]()
    outbox.take_in([event("old"), event("waits")], ["shop"], NOW - 40 * DAY)
    outbox.take_in([event("young")], ["shop"], NOW - DAY)
    outbox.lease("shop", "me", NOW - 40 * DAY, 10)
    old, _, young = outbox.waiting("shop", 0, 10)
    outbox.write("shop", "me", [Change(old.place, Outcome.REJECTED, "no")], NOW - 39 * DAY)
    outbox.write("shop", "me", [Change(young.place, Outcome.DELIVERED, "yes")], NOW - DAY)

    async def work() -> None:
        task = asyncio.create_task(tidy(outbox, 30 * DAY, lambda: NOW, told.append))
        async with asyncio.timeout(10):
            while not told:  # noqa: ASYNC110  it tells nobody else
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(work())
    assert told == [1]
    found = [outbox.event(number) for number in range(1, 4)]
    assert [each and each.message_id for each in found] == [None, "waits", "young"]


def test_without_it_nothing_is_removed() -> None:
    asyncio.run(asyncio.wait_for(tidy(MemoryOutbox(), None, lambda: NOW, pytest.fail), 10))


def test_the_server_has_it() -> None:
    with serving("--keep", "30d", mappings=["exponea"]) as server:
        assert "waybill_collector_purged_total 0.0" in server.metrics()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("23h", "--keep: at least 24h, as messageIds are remembered for so long to find duplicates.\n"),
        ("month", '--keep: "month" is not a duration; write a whole number and ms, s, m, h or d, e.g. 30s.\n'),
    ],
)
def test_what_it_takes(given: str, message: str) -> None:
    command = [sys.executable, "-m", "engine", "serve", "exponea", "--sandbox", "--keep", given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
