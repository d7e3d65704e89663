"""Delivery from streams: two processes share the partitions, and what one of them or a person decides counts for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.pacing import Clock
from engine.stream import delivery
from engine.stream.client import StreamClient
from engine.stream.delivery import UNKNOWN, StreamDelivery
from engine.stream.intake import StreamIntake
from engine.stream.layout import Layout, create_or_check
from engine.stream.rates import RateKey
from engine.stream.shared_state import SharedState
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, event, fine, shop

PATIENCE = 20.0
Made = Callable[..., StreamAddress]


class Noted(DeliveryObserver):
    """Notes holds, their ends, and how many partitions are owned."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, ...]] = []
        self.owned = 0

    def held(self, connection: str, reason: str, hint: str) -> None:
        self.noted.append(("held", connection, reason, hint))

    def released(self, connection: str) -> None:
        self.noted.append(("released", connection))

    def warned(self, connection: str, warning: str) -> None:
        self.noted.append(("warned", connection, warning))

    def owning(self, partitions: int, of: int) -> None:
        self.owned = partitions


class Process:
    """What a process that delivers has: a client, the shared state, a delivery."""

    def __init__(self, address: StreamAddress, connections: Sequence[ConfiguredConnection]) -> None:
        self.client = StreamClient(address, {})
        self.layout: Layout = self.client.call(create_or_check(self.client, address))
        self.state = SharedState(self.client, self.layout)
        self.noted = Noted()
        self.delivery = StreamDelivery(
            self.client, self.layout, self.state, connections, observer=self.noted, options=QUICK
        )

    def take_in(self, events: Sequence[NewEvent], connections: Sequence[str] = ("shop",)) -> None:
        StreamIntake(self.client, self.layout).take_in(events, connections, 0.0)


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[asyncio.Task[None]]:
    """Deliver while the block runs; raise what the delivery does."""
    with closing(process.client):
        task = asyncio.create_task(process.delivery.run())
        try:
            yield task
        finally:
            process.delivery.stop()
            await asyncio.wait_for(task, PATIENCE)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  what is waited for happens in threads and at the servers
            await asyncio.sleep(0.02)


def of_users(first: int, count: int) -> list[NewEvent]:
    """Return events of ten users, whose order is that of their numbers."""
    return [event(number, f"u{number % 10}", "identify") for number in range(first, first + count)]


def ids(vendor: Vendor) -> list[str]:
    return [request.body["id"] for request in vendor.requests]


def test_two_processes_deliver_each_event_once_in_order_and_one_takes_over_from_the_other(
    new_address: Made, tmp_path: Path
) -> None:
    async def story() -> None:
        address = new_address(partitions=4)
        async with Vendor() as vendor:
            one, two = (Process(address, [shop(tmp_path, vendor.url, rate_limit="9000/s")]) for _ in range(2))
            async with running(one):
                async with running(two):
                    one.take_in(of_users(0, 40))
                    await until(lambda: len(vendor.requests) >= 40)
                    await until(lambda: (one.noted.owned, two.noted.owned) == (2, 2))
                one.take_in(of_users(40, 40))
                await until(lambda: len(vendor.requests) >= 80)
                assert one.noted.owned == 4
                await until(lambda: one.delivery.unfinished("shop") == (0, None))
                _, writes = await RateKey(one.client, one.layout, "shop").read()
                assert writes, "tokens were taken from the bucket of all processes"
            assert sorted(ids(vendor), key=lambda each: int(each[1:])) == [f"m{n}" for n in range(80)]
            for user in range(10):
                numbers = [int(each[1:]) for each in ids(vendor) if int(each[1:]) % 10 == user]
                assert numbers == sorted(numbers)
            assert vendor.most_at_once <= 8

    asyncio.run(story())


def test_events_of_a_connection_that_a_server_does_not_know_are_reported_once(
    new_address: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "UNKNOWN_SECONDS", 0.0)

    async def story() -> None:
        async with Vendor() as vendor:
            process = Process(new_address(partitions=2), [shop(tmp_path, vendor.url)])
            async with running(process):
                process.state.add(["quiet"])
                process.take_in(of_users(0, 10), ["shop", "new"])
                await until(lambda: len(vendor.requests) == 10 and bool(process.noted.noted))
            assert process.noted.noted == [("warned", "new", UNKNOWN)]

    asyncio.run(story())


def test_a_hold_counts_for_all_partitions_until_a_person_resumes(new_address: Made, tmp_path: Path) -> None:
    """Reported once, whatever the number of partitions."""
    revoked = True

    def answer(request: Request) -> Answer:
        return Answer(409, {"why": "revoked"}) if revoked else fine(request)

    async def story() -> None:
        nonlocal revoked
        async with Vendor(answer) as vendor:
            process = Process(new_address(partitions=3), [shop(tmp_path, vendor.url)])
            async with running(process):
                process.take_in(of_users(0, 30))
                await until(lambda: any(row.held for row in process.state.rows("shop")))
                row = process.state.rows("shop")[0]
                assert (row.held, row.hint) == ("the vendor answered 409: revoked", "Ask for access.")
                revoked = False
                assert await asyncio.to_thread(process.state.resume, "shop")
                await until(lambda: len({*ids(vendor)}) == 30 and process.delivery.unfinished("shop") == (0, None))
            held = ("held", "shop", "the vendor answered 409: revoked", "Ask for access.")
            assert process.noted.noted == [held, ("released", "shop")]

    asyncio.run(story())


def test_a_pause_of_another_process_lasts_until_a_person_resumes(new_address: Made, tmp_path: Path) -> None:
    async def story() -> None:
        async with Vendor() as vendor:
            process = Process(new_address(partitions=2), [shop(tmp_path, vendor.url)])
            await asyncio.to_thread(process.state.pause, "shop", Clock().time() + 3000, "429")
            async with running(process):
                process.take_in(of_users(0, 20))
                await until(lambda: process.delivery.unfinished("shop")[0] == 20)
                assert vendor.requests == []
                await asyncio.to_thread(process.state.resume, "shop")
                await until(lambda: len(vendor.requests) == 20)

    asyncio.run(story())


def test_a_reload_replaces_and_removes_connections_in_all_partitions(new_address: Made, tmp_path: Path) -> None:
    async def story() -> None:
        async with Vendor() as old, Vendor() as new:
            process = Process(new_address(partitions=2), [shop(tmp_path, old.url)])
            async with running(process):
                process.take_in(of_users(0, 10))
                await until(lambda: len(old.requests) == 10 and process.delivery.unfinished("shop") == (0, None))
                assert await process.delivery.replace([shop(tmp_path, new.url)]) == {}
                process.take_in(of_users(10, 10))
                await until(lambda: len(new.requests) == 10 and process.delivery.unfinished("shop") == (0, None))
                assert await process.delivery.replace([]) == {"shop": 0}
            assert len(old.requests) == 10

    asyncio.run(story())
