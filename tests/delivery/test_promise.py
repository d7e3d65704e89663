"""The guarantee as a property: for any behavior of a vendor, events end or wait, none is lost, order is kept."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.delivery.outbox.base import OutboxError
from engine.delivery.sending.batching import Shipment
from engine.delivery.sending.shipping import Shipping
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, event, fine, results, shop

CALLS = ("track", "identify", "group", "page")
GROWING = """
    CREATE TEMP TRIGGER growing AFTER UPDATE ON states BEGIN
        INSERT INTO events (source, message_id, received_at, taken_at, raw) VALUES ('', '', '', 0, zeroblob(9000));
    END
"""
EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(CALLS)), min_size=1, max_size=25)


class Moody:
    """A vendor that fails in every way; what it took is in `taken`, in the order it took it."""

    def __init__(self, random: Random, badness: float) -> None:
        self.taken: list[str] = []
        self.refused: set[str] = set()
        self._random = random
        self._badness = badness

    def __call__(self, request: Request) -> Answer:
        items = request.body if isinstance(request.body, list) else [request.body]
        mood = self._random.random() if self._random.random() < self._badness else 1.0
        if mood < 0.2:
            return Answer(self._random.choice([429, 500, 503]))
        if mood < 0.3:
            return Answer(0)
        results = [self._take(item["id"]) for item in items]
        if mood < 0.4:
            return Answer(0)
        if mood < 0.5:
            return Answer(200, b'{"results": [')
        if isinstance(request.body, list):
            return Answer(200, {"results": [{"ok": ok, "error": "no"} for ok in results]})
        return fine(request) if results[0] else Answer(400, "no")

    def _take(self, name: str) -> bool:
        """Refuse one event in ten, always the same ones: what is refused by chance has no order."""
        if int(name[1:]) % 10 == 7:
            self.refused.add(name)
            return False
        self.taken.append(name)
        return True


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS, st.integers(0, 2**32), st.floats(0, 0.6), st.booleans(), st.integers(1, 7))
def test_nothing_is_lost_and_order_is_kept(made, seed, badness, ordered, max_items) -> None:
    moody = Moody(Random(seed), badness)

    async def story() -> dict[str, str]:
        outbox = MemoryOutbox()
        async with Vendor(moody) as vendor:
            with tempfile.TemporaryDirectory() as directory:
                configured = shop(Path(directory), vendor.url, max_items=max_items, ordered_batches=ordered)
            outbox.take_in([event(n, user, call) for n, (user, call) in enumerate(made)], ["shop"], 1.0)
            while any(outcome == "waiting" for outcome in results(outbox)[0].values()):
                await Delivery(outbox, [configured], QUICK).run()
        return results(outbox)[0]

    outcomes = asyncio.run(story())
    names = {f"m{n}" for n in range(len(made))}
    assert set(outcomes) == names
    assert {name for name, outcome in outcomes.items() if outcome == "rejected"} == moody.refused
    assert {name for name, outcome in outcomes.items() if outcome == "delivered"} == names - moody.refused
    first = list(dict.fromkeys(moody.taken))
    for user in "abc":
        mine = [int(name[1:]) for name in first if made[int(name[1:])][0] == user]
        assert mine == sorted(mine)


def test_an_error_of_the_engine_itself_ends_the_run_and_loses_nothing(tmp_path, monkeypatch) -> None:
    async def broken(self: Shipping, shipment: Shipment) -> bool:
        raise ZeroDivisionError

    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1)], ["shop"], 1.0)
            with monkeypatch.context() as patched:
                patched.setattr(Shipping, "ship", broken)
                errors = await asyncio.gather(Delivery(outbox, [configured], QUICK).run(), return_exceptions=True)
            assert isinstance(errors[0], ZeroDivisionError)
            assert results(outbox)[0] == {"m1": "waiting"}
            assert outbox.connections()[0].owner is None
            await Delivery(outbox, [configured], QUICK).run()
            assert results(outbox)[0] == {"m1": "delivered"}

    asyncio.run(story())


def test_a_disk_that_fills_up_during_delivery_loses_nothing(tmp_path, durable) -> None:
    async def story() -> None:
        async with Vendor() as vendor:
            configured = shop(tmp_path, vendor.url)
            durable.take_in([event(n) for n in range(300)], ["shop"], 1.0)
            pages = durable._db.execute("PRAGMA page_count").fetchone()[0]
            durable._db.execute(f"PRAGMA max_page_count = {pages}")
            durable._db.execute(GROWING)  # what is written needs room, as errors and progress do
            errors = await asyncio.gather(Delivery(durable, [configured], QUICK).run(), return_exceptions=True)
            assert isinstance(errors[0], OutboxError)
            assert str(errors[0]).startswith("No space left on the disk of ")
            assert set(results(durable)[0].values()) == {"waiting"}
            durable._db.execute("DROP TRIGGER growing")
            durable._db.execute("PRAGMA max_page_count = 100000")
            await Delivery(durable, [configured], QUICK).run()
            assert set(results(durable)[0].values()) == {"delivered"}

    asyncio.run(story())
