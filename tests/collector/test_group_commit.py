"""One transaction for many requests: each is answered after its own, and learns when it failed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import orjson
import pytest

from engine.collector.group_commit import GroupCommit
from engine.delivery.outbox.base import NewEvent, OutboxDamaged, OutboxError, TakenIn
from tests.collector.harness import Answer, Inside
from tests.delivery.memory_outbox import MemoryOutbox


def track(number: int) -> dict:
    return {"type": "track", "userId": "u", "event": "E", "messageId": f"m{number}"}


class Counting(MemoryOutbox):
    """Counts transactions; the first waits."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.go = threading.Event()

    def take_in(self, events, connections, now, *, again=False):
        self.go.wait(5)
        self.sizes.append(len(events))
        return super().take_in(events, connections, now, again=again)


class Forgetting(Counting):
    """Counts transactions and stores nothing: the outbox in memory takes seconds for thousands of events."""

    def take_in(self, events, connections, now, *, again=False):
        super().take_in([], connections, now, again=again)
        self.sizes[-1] = len(events)
        return TakenIn(len(events), 0, Counter())


def test_one_transaction_answers_many_requests_and_none_before() -> None:
    outbox = Counting()
    inside = Inside(outbox=outbox)

    async def work() -> list[Answer]:
        first = asyncio.create_task(inside.asked("/v1/track", orjson.dumps(track(0))))
        await asyncio.sleep(0.02)
        others = [asyncio.create_task(inside.asked("/v1/track", orjson.dumps(track(n)))) for n in range(1, 50)]
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not any(other.done() for other in others)
        outbox.go.set()
        return [await task for task in [first, *others]]

    assert {answer.status for answer in asyncio.run(work())} == {200}
    assert outbox.sizes == [1, 49]
    assert inside.group_commit.pending_bytes == 0


class Failing(MemoryOutbox):
    def take_in(self, *args: object, **kwargs: object):
        raise OutboxError("There is no room left.")


def test_every_request_of_a_failed_transaction_learns_of_it() -> None:
    async def work() -> list[BaseException | None]:
        group_commit = GroupCommit(Failing(), lambda: 1000.0, 10**6)
        events = [[NewEvent("web", f"m{n}", "2026-01-01T00:00:00Z", b"{}")] for n in range(5)]
        waiting = [group_commit.commit(each, ("shop",)) for each in events]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert group_commit.pending_bytes == 0
        await group_commit.close()
        return results

    assert [type(result) for result in asyncio.run(work())] == [OutboxError] * 5


@pytest.mark.parametrize(("size", "sizes"), [(1000, [2000, 2000, 1000]), (3000, [3000] * 5)])
def test_a_group_has_2500_events_and_one_request_at_least(size: int, sizes: list[int]) -> None:
    outbox = Forgetting()
    outbox.go.set()

    async def work() -> None:
        group_commit = GroupCommit(outbox, lambda: 1000.0, 10**6)
        requests = [
            [NewEvent("web", f"m{request}-{n}", "2026-01-01T00:00:00Z", b"{}") for n in range(size)]
            for request in range(5)
        ]
        await asyncio.gather(*(group_commit.commit(events, ("shop",)) for events in requests))
        await group_commit.close()

    asyncio.run(work())
    assert outbox.sizes == sizes


def test_a_group_has_requests_for_the_same_connections() -> None:
    outbox = Counting()
    outbox.go.set()

    async def work() -> None:
        group_commit = GroupCommit(outbox, lambda: 1000.0, 10**6)
        targets = [("shop",), ("shop", "crm"), ("shop",), ("crm",)]
        events = [[NewEvent("web", f"m{n}", "2026-01-01T00:00:00Z", b"{}")] for n in range(len(targets))]
        await asyncio.gather(*(group_commit.commit(*each) for each in zip(events, targets, strict=True)))
        await group_commit.close()

    asyncio.run(work())
    assert outbox.sizes == [2, 1, 1]


def test_damage_is_reported_once_those_who_wait_know() -> None:
    class Damaged(MemoryOutbox):
        def take_in(self, events, connections, now, *, again=False):
            raise OutboxDamaged("outbox.db is damaged.")

    inside = Inside(outbox=Damaged())
    reported: list[OutboxDamaged | None] = []
    inside.group_commit.on_damage = lambda: reported.append(inside.group_commit.damage)
    assert inside.ask("/v1/track", orjson.dumps(track(0))).status == 503
    assert [str(each) for each in reported] == ["outbox.db is damaged."]
