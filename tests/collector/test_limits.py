"""What is too large, too slow, too much or broken is refused with a message, and never kept in memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc

import orjson
import pytest

from engine.collector.responses import CollectorLimits
from engine.delivery.outbox.base import OutboxError
from tests.collector.harness import Answer, Inside
from tests.delivery.memory_outbox import MemoryOutbox

TOO_LARGE = "The body is larger than 512000 bytes, the limit of a batch. Send fewer events at a time."
BOMB = gzip.compress(b'{"userId":"' + b"a" * 20_000_000 + b'"}', 1)


def refusal(answer: Answer) -> tuple[int, str, str]:
    body = orjson.loads(answer.body)
    return answer.status, body["code"], body["message"]


def track(number: int = 0, **more: object) -> dict:
    return {"type": "track", "userId": "u", "event": "E", "messageId": f"m{number}", **more}


def test_an_event_may_have_32_kb() -> None:
    room = 32 * 1024 - len(orjson.dumps(track(properties={"a": ""})))
    inside = Inside()
    assert inside.ask("/v1/track", orjson.dumps(track(properties={"a": "x" * room}))).status == 200
    refused = inside.ask("/v1/track", orjson.dumps(track(properties={"a": "x" * (room + 1)})))
    assert refusal(refused) == (413, "event_too_large", "The event has 32769 bytes; the limit is 32768.")
    assert len(inside.events()) == 1


def test_a_large_event_does_not_cost_the_others() -> None:
    inside = Inside()
    batch = [track(1), track(2, properties={"a": "x" * 40_000}), track(3)]
    assert inside.ask("/v1/batch", orjson.dumps({"batch": batch})).status == 200
    assert [event["messageId"] for event in inside.events()] == ["m1", "m3"]
    assert [(each.code, each.message_id) for each in inside.observer.discards] == [("event_too_large", "m2")]


def test_a_batch_may_have_2500_events() -> None:
    inside = Inside()
    assert inside.ask("/v1/batch", orjson.dumps({"batch": [track(n) for n in range(2500)]})).status == 200
    refused = inside.ask("/v1/batch", orjson.dumps({"batch": [track(n) for n in range(2501)]}))
    assert refusal(refused) == (400, "too_many_events", "The batch has 2501 events; the limit is 2500.")
    assert len(inside.events()) == 2500


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x" * 512_001, {}),
        ([b"x" * 1000] * 600, {}),
        (b"", {"content-length": "512001"}),
        (gzip.compress(b" " * 512_001, mtime=0), {"content-encoding": "gzip"}),
        (BOMB, {"content-encoding": "gzip"}),
        (BOMB, {}),
    ],
)
def test_a_body_may_have_500_kb(body: bytes | list[bytes], headers: dict[str, str]) -> None:
    inside = Inside()
    tracemalloc.start()
    try:
        answer = inside.ask("/v1/batch", body, headers=headers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusal(answer) == (413, "payload_too_large", TOO_LARGE)
    assert peak < 4_000_000


def test_a_context_that_multiplies_is_refused() -> None:
    body = {"context": {"a": "x" * 30_000}, "batch": [track(n) for n in range(2500)]}
    answer = Inside().ask("/v1/batch", orjson.dumps(body))
    message = "The batch is too large once its context is copied into each event."
    assert refusal(answer) == (413, "payload_too_large", message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (gzip.compress(b"{}", mtime=0)[:-3], "The gzip data in the body is incomplete."),
        (gzip.compress(b"{}", mtime=0) + b"more", "The body continues after the end of its gzip data."),
        (b"\x1f\x8b" + b"\0" * 30, "The body is not valid gzip data."),
    ],
)
def test_broken_gzip(body: bytes, message: str) -> None:
    assert refusal(Inside().ask("/v1/batch", body)) == (400, "bad_request", message)


def test_pieces_of_any_size() -> None:
    inside = Inside()
    body = gzip.compress(orjson.dumps({"batch": [track()]}))
    assert inside.ask("/v1/import", [bytes([byte]) for byte in body]).status == 200
    assert len(inside.events()) == 1


@pytest.mark.parametrize("depth", [101, 250, 253, 254, 255, 900, 1024, 5000])
def test_deep_nesting(depth: int) -> None:
    inside = Inside()
    deep = b'{"type":"track","userId":"u","event":"E","properties":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    answer = inside.ask("/v1/batch", b'{"batch":[' + deep + b"]}")
    assert answer.status == (200 if depth < 1000 else 400)
    assert inside.events() == []
    assert [each.code for each in inside.observer.discards] == (["bad_request"] if depth < 1000 else [])


def test_a_client_that_takes_too_long() -> None:
    async def receive() -> dict:
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": b" ", "more_body": True}

    inside = Inside(CollectorLimits(body_seconds=0.1))
    answer = inside.ask("/v1/batch", receive=receive)
    assert refusal(answer) == (408, "timeout", "The body did not arrive within 0.1 seconds.")
    assert answer.headers["connection"] == "close"


def test_a_client_that_goes_away_is_not_answered() -> None:
    async def receive() -> dict:
        return {"type": "http.disconnect"}

    inside = Inside()
    assert inside.ask("/v1/batch", receive=receive).status == 0
    assert inside.collector._bodies.held == 0


def test_bodies_together_are_bounded() -> None:
    inside = Inside(CollectorLimits(held_bytes=1000))

    async def both() -> tuple[Answer, Answer]:
        wait = asyncio.Event()
        body = orjson.dumps({"batch": [track(properties={"a": "x" * 600})]})
        rest = [{"body": body[:700], "more_body": True}, {"body": body[700:]}]

        async def receive() -> dict:
            if len(rest) == 1:
                await wait.wait()
            return {"type": "http.request", **rest.pop(0)}

        slow = asyncio.create_task(inside.asked("/v1/batch", receive=receive))
        await asyncio.sleep(0.01)
        refused = await inside.asked("/v1/batch", body)
        wait.set()
        return refused, await slow

    refused, taken = asyncio.run(both())
    assert refusal(refused) == (
        429,
        "too_many_requests",
        "The collector is receiving too much data right now. Send the request again later.",
    )
    assert refused.headers["retry-after"] == "5"
    assert taken.status == 200
    assert inside.collector._bodies.held == 0


def test_too_far_behind() -> None:
    inside = Inside()
    inside.collector.behind = lambda: True
    answer = inside.ask("/v1/batch", orjson.dumps({"batch": [track()]}))
    assert refusal(answer) == (
        429,
        "too_many_requests",
        "Too many events are waiting for delivery. Send the request again later.",
    )
    assert answer.headers["retry-after"] == "5"
    assert inside.ask("/readyz", method="GET").body == b"too far behind\n"


class Broken(MemoryOutbox):
    def take_in(self, *args: object, **kwargs: object):
        raise OutboxError("There is no room left.")


class Bug(MemoryOutbox):
    def take_in(self, *args: object, **kwargs: object):
        raise ZeroDivisionError


def test_an_outbox_that_fails() -> None:
    inside = Inside(outbox=Broken())
    answer = inside.ask("/v1/batch", orjson.dumps({"batch": [track()]}))
    assert refusal(answer) == (503, "unavailable", "The events could not be stored. Send the request again.")
    assert answer.headers["retry-after"] == "5"
    answer = Inside(outbox=Bug()).ask("/v1/batch", orjson.dumps({"batch": [track()]}))
    assert refusal(answer) == (500, "internal_error", "The collector failed. Send the request again.")


def test_each_source_feeds_its_connections_and_duplicates_are_found() -> None:
    inside = Inside()
    for key in ("wk", "wk-old", "app-key", "wk"):
        inside.ask("/v1/track", orjson.dumps(track(1)), key=key)
    assert len(inside.events("shop")) == 2
    assert len(inside.events("crm")) == 1
    assert b"waybill_collector_duplicates_total 2.0" in inside.observer.text()
