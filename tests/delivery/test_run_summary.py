"""The summary of a run: it counts only what the run did, in bounded memory."""

from __future__ import annotations

import asyncio

from engine.delivery.observers import MOST_REASONS, RunSummary
from engine.delivery.outbox.base import DUPLICATE, Change, TakenIn
from engine.delivery.supervisor import Delivery
from engine.records import Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, event, fine, shop


def test_reasons_are_counted_with_an_example_and_the_commonest_comes_first() -> None:
    summary = RunSummary()
    refused = [Change(n, Outcome.REJECTED, "the vendor answered 400", f"no {n}") for n in range(2)]
    summary.written("a", [Change(7, Outcome.INVALID, "no name"), *refused, Change(8, Outcome.WAITING, "busy")])
    summary.written("a", [Change(9, Outcome.DELIVERED, "1 request accepted")])
    summary.count_duplicates(TakenIn(4, 1, {"a": 3}))
    assert summary.counts == {
        ("a", Outcome.INVALID): 1,
        ("a", Outcome.REJECTED): 2,
        ("a", Outcome.DELIVERED): 1,
        ("a", Outcome.IGNORED): 3,
    }
    assert summary.ended_here == {"a": 4}, "what was a duplicate at once was not delivered here"
    assert summary.reasons() == [
        ("a", Outcome.IGNORED, DUPLICATE, 3, ""),
        ("a", Outcome.REJECTED, "the vendor answered 400", 2, "no 1"),
        ("a", Outcome.INVALID, "no name", 1, ""),
    ]


def test_memory_is_bounded_however_many_reasons_there_are() -> None:
    summary = RunSummary()
    for number in range(MOST_REASONS + 50):
        summary.written("a", [Change(number, Outcome.REJECTED, f"reason {number}")])
    assert (len(summary.reasons()), summary.counts["a", Outcome.REJECTED]) == (MOST_REASONS, MOST_REASONS + 50)


def test_two_workers_count_what_each_of_them_ended(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(400) if request.path == "/single" and request.body["user"] == "u7" else fine(request)

    async def story() -> None:
        outbox, summaries = MemoryOutbox(), [RunSummary(), RunSummary()]
        async with Vendor(answer) as vendor:
            vendor.delay = 0.02
            names = ("one", "two")
            configured = [shop(tmp_path, vendor.url, name=name) for name in names]
            outbox.take_in([event(n, user=f"u{n}", call="identify") for n in range(10)], names, 1.0)
            first = Delivery(outbox, configured[:1], QUICK, observer=summaries[0])
            both = Delivery(outbox, configured, QUICK, observer=summaries[1])
            outbox.lease("one", first._owner, first._clock.time(), 2.0)
            await asyncio.gather(first.run(), both.run())
        expected = {Outcome.DELIVERED: 9, Outcome.REJECTED: 1}
        assert summaries[0].counts == {("one", outcome): count for outcome, count in expected.items()}
        assert summaries[1].counts == {("two", outcome): count for outcome, count in expected.items()}

    asyncio.run(story())
