"""A vendor for tests that can be scripted, and everything needed to deliver to it in one call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import NewEvent, Outbox
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.plan import load
from engine.records import Json, Outcome
from tests.delivery.memory_outbox import MemoryOutbox

MAPPING = """
mapping: 1
name: shop
title: Shop
settings:
  url: {{ title: URL, type: url, example: "http://127.0.0.1" }}
  key: {{ title: Key, type: string, secret: true, example: top-secret-key }}
http:
  base_url: ${{settings.url}}
  headers: {{ Authorization: "Bearer ${{settings.key}}" }}
{more}
"""
# A batch of up to `max_items`; a page sends two requests, as does a group (the second needs what the first saved).
BATCHES = """
retry: {{ first_wait: 1ms, max_wait: 5ms, for: {give_up} }}
requests:
  add: {{ batch: many }}
  single: {{ path: /single }}
  find: {{ path: "/find/${{userId}}", if_missing: make }}
  make: {{ path: /make }}
  use: {{ path: "/use/${{saved.key}}" }}
batches:
  many:
    path: /many
    max_items: {max_items}
    fields: {{ items: items }}
    results: {{ list: body.results, ok: item.ok, error: item.error }}
responses:
  - {{ status: [409], then: stop, error: body.why, hint: Ask for access. }}
calls:
  track:
    - {{ request: add, fields: {{ id: messageId, user: userId }} }}
  page:
    - {{ request: add, fields: {{ id: messageId, part: {{ const: 1 }} }} }}
    - {{ request: add, fields: {{ id: messageId, part: {{ const: 2 }} }} }}
  identify:
    - {{ request: single, fields: {{ id: messageId, user: userId }} }}
  group:
    - {{ request: find, fields: {{ id: messageId }}, save: {{ key: body.key }} }}
    - {{ request: use, fields: {{ id: messageId }} }}
"""

OWN: dict[str, dict[str, Json]] = {"track": {"event": "E"}, "group": {"groupId": "g"}, "identify": {"traits": {"a": 1}}}
Answering = Callable[["Request"], "Answer"]
QUICK = Options(patience=0.5, poll=0.01, lease=2.0, random=lambda: 0.5)


class Request(NamedTuple):
    """A request received; for a batch, `body` is the list of its items."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


class Answer(NamedTuple):
    """`status` 0 cuts the connection."""

    status: int = 200
    body: Json | bytes = None
    headers: dict[str, str] = {}  # noqa: RUF012


def fine(request: Request) -> Answer:
    """Accept everything."""
    if isinstance(request.body, list):
        return Answer(200, {"results": [{"ok": True} for _ in request.body]})
    return Answer(200, {"key": "k1"})


class Vendor:
    """Listens on its own port and remembers the requests."""

    def __init__(self, answer: Answering = fine) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.at_once = 0
        self.most_at_once = 0
        self.delay = 0.0
        self.asked = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        self._tasks.discard(task)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _request(reader)
        self.requests.append(request)
        self.asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.delay:
            await asyncio.sleep(self.delay)
        self.at_once -= 1
        status, body, headers = self.answer(request)
        if not status:
            return False
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        await writer.drain()
        return True


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        body = None
    items = body.get("items") if isinstance(body, dict) else None
    return Request(method, path, headers, body if items is None else items, raw)


def event(number: int, user: str = "", call: str = "track", **fields: Json) -> NewEvent:
    value = {"type": call, "messageId": f"m{number}", "userId": user or f"u{number}", **fields}
    value |= OWN.get(call, {})
    return NewEvent("test", f"m{number}", "2026-01-01T00:00:00.000Z", orjson.dumps(value))


def shop(
    directory: Path,
    url: str,
    *,
    max_items: int = 5,
    give_up: str = "24h",
    more: str = BATCHES,
    name: str = "shop",
    **options: Any,
) -> ConfiguredConnection:
    """Connect the test mapping to a vendor."""
    path = directory / "shop.yaml"
    path.write_text(MAPPING.format(more=more.format(max_items=max_items, give_up=give_up)))
    connection = load(path).connect({"url": url, "key": "top-secret-key"}, {})
    return ConfiguredConnection(name=name, connection=connection, **options)


class Ran(NamedTuple):
    outbox: Outbox
    requests: list[Request]
    outcomes: dict[str, str]
    reasons: dict[str, str]


async def delivered(
    directory: Path,
    events: Sequence[NewEvent],
    answer: Answering = fine,
    *,
    outbox: Outbox | None = None,
    options: Options = QUICK,
    observer: DeliveryObserver | None = None,
    **shop_options: Any,
) -> Ran:
    """Take events in, deliver them until nothing can go, and return what happened."""
    outbox = outbox or MemoryOutbox()
    async with Vendor(answer) as vendor:
        configured = shop(directory, vendor.url, **shop_options)
        outbox.take_in(events, [configured.name], 1000.0)
        await Delivery(outbox, [configured], options, observer=observer).run()
        return Ran(outbox, vendor.requests, *results(outbox))


def results(outbox: Outbox) -> tuple[dict[str, str], dict[str, str]]:
    """Return outcome and reason (with the vendor's message) by messageId."""
    from engine.delivery.outbox.base import Chosen

    rows = outbox.listed(Chosen(), 0, 1_000_000)
    reasons = {row.message_id: f"{row.reason} | {row.error}" if row.error else row.reason for row in rows}
    return {row.message_id: Outcome(row.outcome).value for row in rows}, reasons
