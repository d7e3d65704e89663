"""A vendor that verifies signatures takes every request, and each try has its own."""

from __future__ import annotations

import asyncio
import gzip
import hmac

import orjson
import pytest

from engine.delivery import status
from engine.delivery.sending.http import Sender
from engine.language.signatures import Signer
from engine.language.template import parse
from engine.records import PlannedRequest, Secret
from tests.delivery.vendor import Answer, Request, Vendor, delivered, event, fine, shop

SIGNED = """
  compress: gzip
  signature: {{ header: X-Signature, secret: settings.key, prefix: v0=, over: OVER, sent_at_header: X-Time }}
requests:
  add: {{ batch: many }}
  form: {{ path: /form, encode: form }}
  find: {{ path: "/find/${{userId}}", if_missing: make }}
  make: {{ path: /make }}
  me: {{ path: /me, method: GET }}
batches:
  many: {{ path: /many, max_items: {max_items}, fields: {{ items: items }} }}
retry: {{ first_wait: 1ms, max_wait: 5ms, for: {give_up} }}
check: me
calls:
  track:
    - {{ request: form, fields: {{ user: userId, note: {{ const: é }} }} }}
  page:
    - {{ request: add, fields: {{ user: userId }} }}
  group:
    - {{ request: find, fields: {{ id: messageId }} }}
"""
OVER = {"body": "%s", "wire": "%s", "v0:${{sent_at}}:${{body}}": "v0:{time}:%s"}


def verified(request: Request, over: str) -> bool:
    """Verify a request as a vendor does, from what came over the wire."""
    body = request.raw if over == "wire" or not request.raw else gzip.decompress(request.raw)
    signed = OVER[over].format(time=request.headers["x-time"]).encode() % body
    wanted = f"v0={hmac.new(b'top-secret-key', signed, 'sha256').hexdigest()}"
    return hmac.compare_digest(request.headers["x-signature"], wanted)


@pytest.mark.parametrize("over", OVER)
def test_everything_that_is_sent_is_signed(tmp_path, over) -> None:
    def answer(request: Request) -> Answer:
        if not verified(request, over):
            return Answer(401)
        asked.append(request.path)
        if request.path.startswith("/find") and "/make" not in asked:
            return Answer(404)
        return Answer(503) if len(asked) == 1 else fine(request)

    asked: list[str] = []
    events = [event(1), event(2, call="page"), event(3, call="page"), event(4, call="group")]
    more = SIGNED.replace("OVER", orjson.dumps(over).decode())
    ran = asyncio.run(delivered(tmp_path, events, answer, more=more))
    assert set(ran.outcomes.values()) == {"delivered"}, ran.reasons
    assert {path.split("/")[1] for path in asked} == {"form", "many", "find", "make"}


def test_the_check_of_credentials_is_signed(tmp_path) -> None:
    async def story() -> tuple[bool | None, str]:
        async with Vendor(lambda request: Answer(200 if verified(request, "wire") else 401)) as vendor:
            return await status.check_credentials(shop(tmp_path, vendor.url, more=SIGNED.replace("OVER", "wire")))

    assert asyncio.run(story()) == (True, "Shop accepts the credentials.")


def test_each_try_is_signed_anew() -> None:
    async def story() -> list[Request]:
        times = iter([5.0, 65.5])
        signer = Signer("X-Signature", Secret("k"), "sha256", "hex", parse(""), parse("${sent_at}"), "X-Time", False)
        async with Vendor() as vendor:
            sender = Sender(vendor.url, now=lambda: next(times))
            planned = PlannedRequest("r", "POST", vendor.url, {"X-Signature": "old", "X-Time": "1"}, {}, {})
            for _ in range(2):
                await sender.send(planned, "json", signer)
            await sender.close()
            return vendor.requests

    found = [(request.headers["x-time"], request.headers["x-signature"]) for request in asyncio.run(story())]
    assert found == [(time, hmac.new(b"k", time.encode(), "sha256").hexdigest()) for time in ("5", "65")]
