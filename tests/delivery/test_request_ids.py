"""A request has the same id whenever it is sent: in a retry, after a restart, in a replay."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import orjson

from engine.delivery import status
from engine.delivery.outbox.base import Chosen, Outbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, delivered, event, fine, results, shop

REQUESTS = """
  request_id: Idempotency-Key
retry: {{ first_wait: 1ms, max_wait: 5ms, for: {give_up} }}
requests:
  add: {{ batch: many }}
  single: {{ path: /single }}
  find: {{ path: "/find/${{userId}}", if_missing: make }}
  make: {{ path: /make }}
  me: {{ path: /me, method: GET }}
batches:
  many: {{ path: /many, max_items: {max_items}, fields: {{ items: items }} }}
check: me
calls:
  track:
    - {{ request: single, fields: {{ user: userId }} }}
    - {{ request: single, fields: {{ user: userId }} }}
  page:
    - {{ request: add, fields: {{ user: userId }} }}
    - {{ request: single, fields: {{ user: userId }} }}
  group:
    - {{ request: find, fields: {{ id: messageId }} }}
"""
CORRECTED = REQUESTS.replace("fields: {{ user: userId }}", "fields: {{ person: userId }}")


def ids(requests: list[Request]) -> list[str | None]:
    return [request.headers.get("idempotency-key") for request in requests]


def replay(outbox: Outbox) -> None:
    outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "replayed", 2.0)


def test_a_request_that_is_tried_again_has_the_same_id_and_two_steps_have_two(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(503) if left.pop(0) else fine(request)

    left = [True, True, False, True, False]
    ran = asyncio.run(delivered(tmp_path, [event(1)], answer, more=REQUESTS))
    assert ran.outcomes == {"m1": "delivered"}
    first, *others = ids(ran.requests)
    assert others == [first, first, others[-1], others[-1]]
    assert [UUID(first).version, UUID(others[-1]).version] == [5, 5]
    assert first != others[-1]


def test_the_same_event_has_the_same_ids_in_another_outbox_and_at_another_host(tmp_path) -> None:
    blank = orjson.dumps({"type": "track", "event": "E", "userId": "u1", "messageId": " "})
    events = [event(1), event(1), event(1)._replace(raw=blank)]
    found = [ids(asyncio.run(delivered(tmp_path, [each], more=REQUESTS)).requests) for each in events]
    assert found[0] == found[1] == found[2]
    assert None not in found[0]


def test_a_worker_that_comes_after_a_restart_sends_the_same_id(tmp_path) -> None:
    async def story() -> list[str | None]:
        async with Vendor(lambda _: Answer(503)) as vendor:
            outbox = SqliteOutbox(tmp_path / "outbox.db")
            outbox.take_in([event(1)], ["shop"], 1.0)
            brief = replace(QUICK, patience=0.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=REQUESTS)], brief).run()
            outbox.close()
            vendor.answer = fine
            outbox = SqliteOutbox(tmp_path / "outbox.db")
            await Delivery(outbox, [shop(tmp_path, vendor.url, more=REQUESTS)], QUICK).run()
            assert results(outbox)[0] == {"m1": "delivered"}
            outbox.close()
            return ids(vendor.requests)

    before, *after = asyncio.run(story())
    assert (after[-2], len(set(after))) == (before, 2)


def test_a_replay_has_the_same_ids_and_under_a_corrected_mapping_others(tmp_path) -> None:
    async def story() -> list[str | None]:
        outbox = MemoryOutbox()
        async with Vendor(lambda _: Answer(400)) as vendor:
            outbox.take_in([event(1)], ["shop"], 1.0)
            for more in (REQUESTS, REQUESTS, CORRECTED):
                await Delivery(outbox, [shop(tmp_path, vendor.url, more=more)], QUICK).run()
                replay(outbox)
            return ids(vendor.requests)

    first, second, third = asyncio.run(story())
    assert first == second
    assert third not in (None, first)


def test_a_batch_has_none(tmp_path) -> None:
    ran = asyncio.run(delivered(tmp_path, [event(1, call="page")], more=REQUESTS))
    assert [request.path for request in ran.requests] == ["/many", "/single"]
    batch, single = ids(ran.requests)
    assert (batch, single is None) == (None, False)


def test_what_makes_the_missing_has_an_id_of_its_own(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(404) if request.path.startswith("/find") else fine(request)

    ran = asyncio.run(delivered(tmp_path, [event(1, call="group")], answer, more=REQUESTS))
    assert [request.path for request in ran.requests] == ["/find/u1", "/make"]
    assert None not in ids(ran.requests)
    assert len(set(ids(ran.requests))) == 2


def test_a_question_about_credentials_has_none(tmp_path) -> None:
    async def story() -> list[Request]:
        async with Vendor() as vendor:
            assert (await status.check_credentials(shop(tmp_path, vendor.url, more=REQUESTS))).passed
            return vendor.requests

    assert ids(asyncio.run(story())) == [None]
