"""One bad event, one busy user, one sick batch: what the others notice of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.records import Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import BATCHES, QUICK, Answer, Request, Vendor, delivered, event, fine, results, shop

SLOW_RETRIES = BATCHES.replace("first_wait: 1ms, max_wait: 5ms", "first_wait: 1m, max_wait: 5m")


def number(item: dict) -> int:
    return int(item["id"][1:])


def failing(poison: Callable[[int], bool]) -> Callable[[Request], Answer]:
    """Answer 500 whenever one of the poison events is in a request."""

    def answer(request: Request) -> Answer:
        items = request.body if isinstance(request.body, list) else [request.body]
        return Answer(500, {"why": "oops"}) if any(poison(number(item)) for item in items) else fine(request)

    return answer


def test_a_poison_event_stops_nobody_else(tmp_path) -> None:
    """Its retry belongs to it: all the others are delivered, at full speed, and the connection does not pause."""
    events = [event(n, call="identify") for n in range(300)]
    options = replace(QUICK, patience=0.0)
    ran = asyncio.run(delivered(tmp_path, events, failing(lambda n: n == 0), options=options, more=SLOW_RETRIES))
    assert list(ran.outcomes.values()).count("delivered") == 299
    assert (ran.outcomes["m0"], ran.reasons["m0"]) == ("waiting", 'the vendor answered 500: {"why":"oops"}')
    assert len(ran.requests) == 300
    assert ran.outbox.connections()[0].due is None


def test_the_events_behind_a_poison_event_of_the_same_user_wait(tmp_path) -> None:
    events = [event(n, user="same" if n < 3 else "", call="identify") for n in range(30)]
    options = replace(QUICK, patience=0.0)
    ran = asyncio.run(delivered(tmp_path, events, failing(lambda n: n == 0), options=options, more=SLOW_RETRIES))
    assert [name for name, outcome in ran.outcomes.items() if outcome == "waiting"] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("count", [2, 5, 16])
def test_a_batch_that_fails_is_halved_until_the_poison_is_alone(tmp_path, count) -> None:
    """The first batch succeeds; so the second, which fails, has itself to blame."""
    poison = 16 + count // 2
    events = [event(n) for n in range(16 + count)]
    options = replace(QUICK, slots=1, patience=0.0)
    ran = asyncio.run(
        delivered(tmp_path, events, failing(lambda n: n == poison), options=options, more=SLOW_RETRIES, max_items=16)
    )
    assert [name for name, outcome in ran.outcomes.items() if outcome == "waiting"] == [f"m{poison}"]


def test_an_event_that_made_a_batch_fail_is_retried_alone(tmp_path) -> None:
    events = [event(n) for n in range(12)]
    ran = asyncio.run(delivered(tmp_path, events, failing(lambda n: n == 9), options=replace(QUICK, slots=1)))
    after = [each for each in ran.requests if any(item["id"] == "m9" for item in each.body)]
    assert [len(each.body) for each in after[:2]] == [5, 3], "five items, then the half with three"
    assert {len(each.body) for each in after[4:]} == {1}


@pytest.mark.parametrize("lost", [Answer(0), Answer(200, b"{"), Answer(200, {"results": []})])
def test_a_batch_whose_answer_was_lost_is_not_halved(tmp_path, lost) -> None:
    """Its items may have arrived: in halves they would arrive more than twice."""

    def answer(request: Request) -> Answer:
        if number(request.body[0]) == 5 and not seen:
            seen.append(request)
            return lost
        return fine(request)

    seen: list[Request] = []
    ran = asyncio.run(delivered(tmp_path, [event(n) for n in range(10)], answer, options=replace(QUICK, slots=1)))
    assert [len(each.body) for each in ran.requests] == [5, 5, 5]
    assert set(ran.outcomes.values()) == {"delivered"}


def test_a_user_with_events_in_both_halves_stays_in_order(tmp_path) -> None:
    """The first of the user's events fails once, in the first half: the second must not overtake it."""

    def answer(request: Request) -> Answer:
        items = [item["id"] for item in request.body]
        if "m10" in items and failures:
            failures.pop()
            return Answer(500)
        taken.extend(items)
        return fine(request)

    failures, taken = [1, 2, 3, 4], list[str]()
    events = [event(n, user="same" if n in {10, 17} else "") for n in range(18)]
    ran = asyncio.run(delivered(tmp_path, events, answer, options=replace(QUICK, slots=1), max_items=8))
    assert set(ran.outcomes.values()) == {"delivered"}
    assert taken.index("m10") < taken.index("m17")
    assert sorted(taken) == sorted(f"m{n}" for n in range(18)), "nothing twice: these failures were answers"


class Paced:
    """Runs a delivery to a vendor with a latency, and notes when events were accepted."""

    def __init__(self, tmp_path, latency: float, poison: Callable[[int], bool] = lambda n: False) -> None:
        self.tmp_path = tmp_path
        self.latency = latency
        self.poison = poison
        self.accepted: dict[int, float] = {}

    def answer(self, request: Request) -> Answer:
        found = number(request.body)
        if self.poison(found):
            return Answer(500)
        self.accepted[found] = time.monotonic()
        return fine(request)

    async def until(self, events: list[NewEvent], done: Callable[[], bool], options: Options = QUICK) -> float:
        """Deliver until `done`; return the seconds that it took."""
        outbox = SqliteOutbox(self.tmp_path / "outbox.db")
        async with Vendor(self.answer) as vendor:
            vendor.delay = self.latency
            configured = shop(self.tmp_path, vendor.url, more=SLOW_RETRIES)
            outbox.take_in(events, ["shop"], 1.0)
            delivery = Delivery(outbox, [configured], replace(options, until_idle=False))
            began = time.monotonic()
            task = asyncio.create_task(delivery.run())
            while not done():  # noqa: ASYNC110  the vendor has no event for what is asked here
                await asyncio.sleep(0.01)
            took = time.monotonic() - began
            delivery.stop()
            await task
        outbox.close()
        return took


def starved(tmp_path, backlog: int, others: int, latency: float) -> tuple[float, float]:
    """Return how long the events of the others take alone, and behind one user's backlog."""
    busy = [event(n, user="busy", call="identify") for n in range(backlog)]
    rest = [event(n, call="identify") for n in range(backlog, backlog + others)]
    (tmp_path / "alone").mkdir()
    (tmp_path / "behind").mkdir()
    alone = Paced(tmp_path / "alone", latency)
    alone_took = asyncio.run(alone.until(rest, lambda: len(alone.accepted) == others))
    behind = Paced(tmp_path / "behind", latency)
    arrived = lambda: sum(n >= backlog for n in behind.accepted) == others  # noqa: E731
    took = asyncio.run(behind.until([*busy, *rest], arrived))
    mine = [n for n in behind.accepted if n < backlog]
    assert mine == list(range(len(mine))), "in order"
    return alone_took, took


def test_a_busy_user_does_not_starve_the_others(tmp_path) -> None:
    alone, behind = starved(tmp_path, 3000, 40, 0.02)
    assert behind < 3 * alone + 1.0, "it was never, with a window of rows"


@pytest.mark.slow
def test_fifty_thousand_events_of_one_user_do_not_starve_four_hundred_others(tmp_path) -> None:
    alone, behind = starved(tmp_path, 50_000, 400, 0.05)
    assert behind < 2 * alone, (behind, alone)


@pytest.mark.slow
def test_one_percent_of_poison_leaves_the_others_nine_tenths_of_the_rate(tmp_path) -> None:
    events = [event(n, call="identify") for n in range(1200)]
    took = []
    for name, poison in (("clean", lambda n: False), ("poison", lambda n: n % 100 == 0)):
        (tmp_path / name).mkdir()
        paced = Paced(tmp_path / name, 0.1, poison)
        wanted = sum(not poison(n) for n in range(1200))
        took.append(asyncio.run(paced.until(events, lambda: len(paced.accepted) == wanted)) / wanted)  # noqa: B023
    clean, beside = took
    assert beside < clean / 0.9, (beside, clean)


def test_a_vendor_that_fails_for_all_is_left_alone(tmp_path) -> None:
    """Eight failures in a row, then a pause and one probe at a time, each of another user."""
    users: list[str] = []

    def answer(request: Request) -> Answer:
        users.append(request.body["user"])
        return Answer(500)

    events = [event(n, call="identify") for n in range(100)]
    ran = asyncio.run(delivered(tmp_path, events, answer, options=replace(QUICK, slots=4, patience=0.3)))
    assert set(ran.outcomes.values()) == {"waiting"}
    assert 8 <= len(users) < 100
    probes = users[12:]
    assert len(set(probes)) == len(probes), "each probe is of a user who has not been tried yet"
    assert ran.outbox.connections()[0].pause == "the vendor answered 500"


def test_results_survive_a_worker_that_forgets_everything(tmp_path) -> None:
    """A backlog deeper than a worker may know is delivered whole, in order, with the smallest limits."""
    events = [event(n, user=f"u{n % 3}", call="identify") for n in range(200)]
    small = replace(QUICK, queue=QUICK.queue._replace(users=2, places=5, line=2, memory=1), chunk=3)
    outbox = MemoryOutbox()
    ran = asyncio.run(delivered(tmp_path, events, outbox=outbox, options=small))
    assert set(ran.outcomes.values()) == {Outcome.DELIVERED.value}
    seen = [number(each.body) for each in ran.requests]
    for user in range(3):
        assert [n for n in seen if n % 3 == user] == list(range(user, 200, 3))
    assert results(outbox)[1]["m0"] == "1 request accepted"


@pytest.mark.parametrize("max_bytes", ["", ", max_bytes: 1000"])
def test_an_item_that_its_batch_cannot_hold_is_invalid_alone(tmp_path, max_bytes) -> None:
    """What a batch's item needs and the event lacks is a fault of the data: it holds nothing and stops no worker."""
    more = BATCHES.replace(
        "add: {{ batch: many }}",
        "add: {{ batch: many, item: {{ fields: {{ id: body.id, part: {{ from: body.part, required: true }} }} }} }}",
    ).replace("max_items: {max_items}", f"max_items: {{max_items}}{max_bytes}".replace(", ", "\n    "))
    events = [event(n, call="track" if n == 2 else "page") for n in range(5)]
    ran = asyncio.run(delivered(tmp_path, events, more=more))
    assert [name for name, outcome in ran.outcomes.items() if outcome == "invalid"] == ["m2"]
    assert ran.reasons["m2"] == "part is required but missing; tried body.part (requests.add.item.fields.part)"
    assert list(ran.outcomes.values()).count("delivered") == 4
    assert ran.outbox.connections()[0].held == ""


def test_a_poison_event_in_the_first_batch_of_all_stops_nobody_else(tmp_path) -> None:
    """Nothing has shown yet that the vendor works; an event that is sent alone shows it."""
    events = [event(n, user=f"u{n % 6}") for n in range(12)]
    ran = asyncio.run(delivered(tmp_path, events, failing(lambda n: n == 0), options=replace(QUICK, patience=1)))
    assert [name for name, outcome in ran.outcomes.items() if outcome == "waiting"] == ["m0", "m6"], "those of one user"
    assert list(ran.outcomes.values()).count("delivered") == 10


def test_a_probe_is_a_single_event(tmp_path) -> None:
    answers = [Answer(429, None, {"Retry-After": "0"})]
    ran = asyncio.run(
        delivered(tmp_path, [event(n) for n in range(20)], lambda request: answers.pop() if answers else fine(request))
    )
    assert set(ran.outcomes.values()) == {"delivered"}
    sizes = [len(each.body) for each in ran.requests]
    assert 1 in sizes[1:]


LOST = {
    "junk": Answer(200, b"{"),
    "cut": Answer(0),
    "500": Answer(500),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_a_batch_that_fails_again_and_again_is_sent_as_single_events(tmp_path, lost) -> None:
    """One event has the vendor answer with junk: its neighbors are delivered, and do not give up with it."""

    def answer(request: Request) -> Answer:
        return lost if any(number(item) == 3 for item in request.body) else fine(request)

    ran = asyncio.run(delivered(tmp_path, [event(n) for n in range(10)], answer, options=replace(QUICK, patience=0.5)))
    assert [name for name, outcome in ran.outcomes.items() if outcome == "waiting"] == ["m3"]
    whole = [each for each in ran.requests if any(number(item) == 3 for item in each.body) and len(each.body) > 1]
    assert len(whole) <= 4


def test_a_vendor_that_limits_the_rate_still_gets_batches(tmp_path) -> None:
    """What it refuses with 429 is not the fault of the events: they are not sent one by one afterward."""
    left = [Answer(429, None, {"Retry-After": "0"})] * 6
    options = replace(QUICK, slots=1)
    answer = lambda request: left.pop() if left else fine(request)  # noqa: E731
    ran = asyncio.run(delivered(tmp_path, [event(n) for n in range(21)], answer, options=options))
    assert set(ran.outcomes.values()) == {"delivered"}
    sizes = [len(each.body) for each in ran.requests]
    assert sizes == [5, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5], "a batch, probes until one succeeds, batches"


def test_every_tenth_event_is_poison_and_all_others_are_delivered_in_batches(tmp_path) -> None:
    """The vendor refuses the poison for good once all others have arrived, so that the run ends then."""
    arrived: set[int] = set()

    def answer(request: Request) -> Answer:
        numbers = {number(item) for item in request.body}
        if any(each % 10 == 0 for each in numbers):
            return Answer(400 if len(arrived) == 108 else 500, {"why": "oops"})
        arrived.update(numbers)
        return fine(request)

    options = replace(QUICK, patience=60)
    ran = asyncio.run(delivered(tmp_path, [event(n) for n in range(120)], answer, options=options, max_items=40))
    assert list(ran.outcomes.values()).count("delivered") == 108


def test_patience_ends_a_run_whose_events_are_never_answered(tmp_path) -> None:
    """Requests are on their way all the time: the run ends all the same."""

    async def story() -> dict[str, str]:
        outbox = MemoryOutbox()
        async with Vendor(fine) as vendor:
            vendor.delay = 0.3
            configured = shop(tmp_path, vendor.url, more="  timeout: 100ms\n" + BATCHES)
            outbox.take_in([event(n, call="identify") for n in range(30)], ["shop"], 1.0)
            async with asyncio.timeout(20):
                await Delivery(outbox, [configured], replace(QUICK, patience=0.2, slots=2)).run()
        return results(outbox)[0]

    assert set(asyncio.run(story()).values()) == {"waiting"}
