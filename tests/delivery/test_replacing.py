"""A delivery whose connections are replaced while it runs: nothing lost, nothing twice, nobody else disturbed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.delivery.configured_connection import ConfiguredConnection, differences
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Outbox
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.records import Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import BATCHES, QUICK, Answer, Request, Vendor, event, fine, shop

SERVING = replace(QUICK, until_idle=False)
CORRECTED = BATCHES.replace("path: /single", "path: /corrected")


class Notes(DeliveryObserver):
    """Keeps which workers ended, and what was removed."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.removals: list[tuple[str, int]] = []
        self.failures: list[str] = []

    def ended(self, connection: str, unfinished: int) -> None:
        self.ends.append(connection)

    def removed(self, connection: str, unfinished: int) -> None:
        self.removals.append((connection, unfinished))

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        self.failures.append(reason)


class Running:
    """A delivery that runs, its vendor, and what was noted."""

    def __init__(self, vendor: Vendor, outbox: Outbox, delivery: Delivery, notes: Notes) -> None:
        self.vendor, self.outbox, self.delivery, self.notes = vendor, outbox, delivery, notes

    def paths(self, name: str = "") -> Counter[str]:
        """Count the requests by path, those with the id of one event only."""
        found = (each for each in self.vendor.requests if not name or each.body.get("id") == name)
        return Counter(each.path for each in found)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110  there is nothing to wait for
                await asyncio.sleep(0.005)

    def outcomes(self, outcome: Outcome, name: str = "shop") -> int:
        return self.outbox.counts().get((name, outcome), 0)


@asynccontextmanager
async def running(
    connections: Callable[[str], list[ConfiguredConnection]],
    options: Options = SERVING,
    outbox: Outbox | None = None,
    answer: Callable[[Request], Answer] = fine,
) -> AsyncIterator[Running]:
    notes, outbox = Notes(), outbox or MemoryOutbox()
    async with Vendor(answer) as vendor:
        delivery = Delivery(outbox, connections(vendor.url), options, observer=notes)
        task = asyncio.create_task(delivery.run())
        try:
            yield Running(vendor, outbox, delivery, notes)
        finally:
            delivery.stop()
            await task


def test_each_event_is_sent_once_under_one_version(tmp_path: Path, outbox: Outbox) -> None:
    """What is in flight is finished by the old version, and all that waits is planned by the new one."""

    async def work() -> None:
        async with running(lambda url: [shop(tmp_path, url)], outbox=outbox) as run:
            run.vendor.delay = 0.1
            outbox.take_in([event(n, call="identify") for n in range(60)], ["shop"], 1000.0)
            await run.vendor.asked.wait()
            await run.delivery.replace([shop(tmp_path, run.vendor.url, more=CORRECTED)])
            assert run.outcomes(Outcome.DELIVERED) == run.paths()["/single"], "every outcome of the old one is written"
            run.vendor.delay = 0.0
            await run.until(lambda: run.outcomes(Outcome.DELIVERED) == 60)
            assert Counter(each.body["id"] for each in run.vendor.requests) == {f"m{n}": 1 for n in range(60)}
            assert set(run.paths()) == {"/single", "/corrected"}
            paths = [each.path for each in run.vendor.requests]
            assert paths == sorted(paths, reverse=True), "the new one began when the old one had ended"
            assert run.notes.ends == ["shop"]

    asyncio.run(work())


def test_a_connection_that_does_not_differ_is_not_disturbed(tmp_path: Path) -> None:
    async def work() -> None:
        def connections(url: str, more: str = BATCHES) -> list[ConfiguredConnection]:
            return [shop(tmp_path, url, more=more), shop(tmp_path, url, name="crm")]

        async with running(connections) as run:
            run.outbox.take_in([event(0, call="identify")], ["shop", "crm"], 1000.0)
            await run.until(lambda: run.outcomes(Outcome.DELIVERED, "crm") == 1)
            await run.delivery.replace(connections(run.vendor.url, CORRECTED))
            run.outbox.take_in([event(1, call="identify")], ["shop", "crm"], 1000.0)
            await run.until(lambda: len(run.vendor.requests) == 4)
            assert run.paths("m1") == {"/single": 1, "/corrected": 1}
            assert run.notes.ends == ["shop"]

    asyncio.run(work())


def test_a_removed_connection_leaves_what_waits_and_an_added_one_starts(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(lambda url: [shop(tmp_path, url, give_up="24h")], answer=lambda _: Answer(503)) as run:
            run.outbox.take_in([event(n, call="identify") for n in range(3)], ["shop", "crm"], 1000.0)
            await run.until(lambda: len(run.vendor.requests) >= 3)
            waiting = await run.delivery.replace([shop(tmp_path, run.vendor.url, name="crm")])
            assert waiting == {"shop": 3}
            assert run.notes.removals == [("shop", 3)]
            run.vendor.answer = fine
            await run.until(lambda: run.outcomes(Outcome.DELIVERED, "crm") == 3)
            assert run.outcomes(Outcome.WAITING, "shop") == 3
            await run.delivery.replace([shop(tmp_path, run.vendor.url), shop(tmp_path, run.vendor.url, name="crm")])
            await run.until(lambda: run.outcomes(Outcome.DELIVERED, "shop") == 3)

    asyncio.run(work())


def test_a_request_longer_than_grace_is_given_up_and_sent_by_the_new_version(tmp_path: Path) -> None:
    """As at a stop: its answer is not waited for, so it counts as lost."""

    async def work() -> None:
        options = replace(SERVING, grace=0.05)
        async with running(lambda url: [shop(tmp_path, url)], options) as run:
            run.vendor.delay = 60.0
            run.outbox.take_in([event(0, call="identify")], ["shop"], 1000.0)
            await run.vendor.asked.wait()
            run.vendor.delay = 0.0
            await run.delivery.replace([shop(tmp_path, run.vendor.url, more=CORRECTED)])
            await run.until(lambda: run.outcomes(Outcome.DELIVERED) == 1)
            assert [each.path for each in run.vendor.requests] == ["/single", "/corrected"]

    asyncio.run(work())


def test_replacing_again_before_the_first_has_ended(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(lambda url: [shop(tmp_path, url)]) as run:
            run.vendor.delay = 0.1
            run.outbox.take_in([event(n, call="identify") for n in range(30)], ["shop"], 1000.0)
            await run.vendor.asked.wait()
            versions = [CORRECTED, BATCHES, CORRECTED.replace("/corrected", "/last")]
            made = [[shop(tmp_path, run.vendor.url, more=more)] for more in versions]
            await asyncio.gather(*(run.delivery.replace(each) for each in made))
            run.vendor.delay = 0.0
            await run.until(lambda: run.outcomes(Outcome.DELIVERED) == 30)
            assert set(run.paths()) == {"/single", "/last"}
            assert run.paths().total() == 30

    asyncio.run(work())


def test_a_stop_while_it_is_replaced_ends_everything(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(lambda url: [shop(tmp_path, url)]) as run:
            run.vendor.delay = 0.1
            run.outbox.take_in([event(n, call="identify") for n in range(30)], ["shop"], 1000.0)
            await run.vendor.asked.wait()
            replacing = asyncio.create_task(run.delivery.replace([shop(tmp_path, run.vendor.url, name="crm")]))
            await asyncio.sleep(0)
            run.delivery.stop()
            assert await replacing == {}
            assert await run.delivery.replace([shop(tmp_path, run.vendor.url)]) == {}
        assert run.outcomes(Outcome.DELIVERED) == len(run.vendor.requests)

    asyncio.run(work())


def test_it_goes_on_without_any_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with running(lambda _: []) as run:
            run.outbox.take_in([event(0, call="identify")], ["shop"], 1000.0)
            await run.delivery.replace([shop(tmp_path, run.vendor.url)])
            await run.until(lambda: run.outcomes(Outcome.DELIVERED) == 1)

    asyncio.run(work())


class Failing(MemoryOutbox):
    """Cannot write outcomes while `failing`."""

    failing = True

    def write(self, *given):
        if self.failing:
            raise OSError("no space left")
        return super().write(*given)


def test_an_old_version_that_fails_at_its_end_does_not_keep_the_new_one_from_starting(tmp_path: Path) -> None:
    async def work() -> None:
        outbox = Failing()
        options = replace(SERVING, restart=0.01, longest_restart=0.01)
        async with running(lambda url: [shop(tmp_path, url)], options, outbox) as run:
            run.vendor.delay = 0.1
            outbox.take_in([event(0, call="identify")], ["shop"], 1000.0)
            await run.vendor.asked.wait()
            await run.delivery.replace([shop(tmp_path, run.vendor.url, more=CORRECTED)])
            assert run.notes.failures == ["OSError: no space left"]
            outbox.failing = False
            outbox.pause("shop", None, "")
            await run.until(lambda: run.outcomes(Outcome.DELIVERED) == 1)

    asyncio.run(work())


def test_the_pause_of_the_old_version_counts_for_the_new_one(tmp_path: Path) -> None:
    async def work() -> None:
        busy = Answer(429, headers={"Retry-After": "600"})
        async with running(lambda url: [shop(tmp_path, url)], answer=lambda _: busy) as run:
            run.outbox.take_in([event(0, call="identify")], ["shop"], 1000.0)
            await run.until(lambda: run.outbox.connections()[0].due is not None)
            await run.delivery.replace([shop(tmp_path, run.vendor.url, more=CORRECTED)])
            run.outbox.take_in([event(1, call="identify")], ["shop"], 1000.0)
            await run.until(lambda: run.outbox.connections()[0].leased_until is not None)
            assert [each.path for each in run.vendor.requests] == ["/single"]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"more": BATCHES.replace("path: /single", "path: /other")}, ("mapping",)),
        ({"more": BATCHES + "about: Some words.\n"}, ()),
        ({"more": BATCHES + "# a comment\n"}, ()),
        ({"url": "http://127.0.0.1:2"}, ("settings",)),
        ({"calls": frozenset({"track"})}, ("calls",)),
        ({"when": "userId == 'u1'"}, ("when",)),
        ({"rate_limit": "5/s"}, ("rate_limit",)),
        ({"ordered_batches": True}, ("ordered_batches",)),
        ({"url": "http://127.0.0.1:2", "more": CORRECTED, "rate_limit": ""}, ("mapping", "settings", "rate_limit")),
    ],
)
def test_what_differs(tmp_path: Path, change: dict, expected: tuple[str, ...]) -> None:
    usual = {"url": "http://127.0.0.1:1"}
    assert differences(shop(tmp_path, **usual), shop(tmp_path, **{**usual, **change})) == expected
