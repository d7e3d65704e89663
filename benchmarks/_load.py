"""Load for the collector, and the account of it: what was answered 200 has to be with the vendor, once.

Used by `benchmarks/collector.py` and by tests/collector/test_load.py.  Collector, sandbox and this client are three
processes; the client holds as many connections as it is told, and has one request on each.
"""

from __future__ import annotations

import asyncio
import base64
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

from tests.collector.running import Server, emulating, serving

AUTHORIZATION = base64.b64encode(b"load-key:")
HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
LENGTH = re.compile(rb"content-length: (\d+)")
CONNECTIONS = """
shop:
  destination: exponea
  base_url: {url}
  rate_limit: none
  settings: {{api_key: public-key, project_token: project-token, hard_id: registered, soft_id: cookie}}
sources:
  load: {{write_keys: load-key}}
"""
PAUSE = 0.05
"""Seconds after a 429; a real client waits as long as Retry-After says, which would be no load."""
STILL = 20
"""Seconds in which nothing more arrived, and nothing is going to."""


@dataclass
class Load:
    """What a run was, and what became of it."""

    seconds: float
    clients: int
    size: int
    took: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    taken: list[int] = field(default_factory=list)
    """The first number of every batch that was answered 200."""
    memory: list[int] = field(default_factory=list)
    """MB of the collector, from before the first request to after the last delivery."""
    delivery_seconds: float = 0.0
    twice: int = 0
    """Events that the vendor got again."""
    missing: int = 0
    """Events that were answered 200 and did not arrive: lost."""
    unasked: int = 0
    """Events that arrived and were never answered 200."""

    @property
    def events(self) -> int:
        """How many events were answered 200."""
        return len(self.taken) * self.size


def event(number: int) -> dict:
    """Return an event of 1.8 KB, as a browser sends it."""
    return {
        "type": "track",
        "messageId": f"m{number}",
        "userId": f"u{number % 1000}",
        "anonymousId": f"a{number % 1000}",
        "event": "Product Viewed",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "properties": {"n": number, **{f"property_{n}": f"value {n} of the product" for n in range(20)}},
        "context": {
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "page": {"url": "https://shop.example/products/1", "path": "/products/1", "title": "A product"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
            "traits": {f"trait_{n}": f"value {n}" for n in range(20)},
        },
    }


def body(first: int, size: int) -> bytes:
    """Return a batch."""
    return orjson.dumps({"batch": [event(first + n) for n in range(size)], "sentAt": "2026-01-01T00:00:01.000Z"})


def run(directory: Path, seconds: float, clients: int, size: int, *, backlog: int = 0, workers: int = 1) -> Load:
    """Serve, load until the time is over, wait for delivery, stop, and count."""
    load, held = Load(seconds, clients, size), directory / "vendors.db"
    with emulating("--database", str(held)) as vendors, collecting(directory, vendors, backlog, workers) as server:
        asyncio.run(drive(load, server))
        began = time.monotonic()
        load.twice = _delivered(vendors, load.events)
        load.delivery_seconds = time.monotonic() - began
        load.memory.append(server.memory())
        assert server.stop() == 0
    _compare(load, held)
    return load


@contextmanager
def collecting(directory: Path, vendors: str, backlog: int, workers: int, *more: str) -> Iterator[Server]:
    """Serve a collector that delivers to vendors in another process; `more` are options of `serve`."""
    file = directory / "connections.yaml"
    file.write_text(CONNECTIONS.format(url=f"{vendors}/exponea"))
    options = ["--connections", str(file), "--outbox", str(directory / "outbox.db"), "--backlog", str(backlog), *more]
    with serving(*options, mappings=[], sandbox=False, workers=workers) as server:
        yield server


async def drive(load: Load, server: Server, first: int = 0) -> None:
    """Send from all clients until the time is over; events are numbered from `first`."""
    end = time.perf_counter() + load.seconds
    watching = asyncio.create_task(_watch(load, server))
    await asyncio.gather(
        *(_client(load, server.port, first + number * 10_000_000, end) for number in range(load.clients))
    )
    watching.cancel()
    load.memory.append(server.memory())


async def _watch(load: Load, server: Server) -> None:
    while True:
        load.memory.append(server.memory())
        await asyncio.sleep(load.seconds / 10)


async def _client(load: Load, port: int, first: int, end: float) -> None:
    """Send batches on one connection, one after the other; a batch that is answered 429 is sent again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw = body(first, load.size)
    while time.perf_counter() < end:
        began = time.perf_counter()
        writer.write(HEAD % (AUTHORIZATION, len(raw)) + raw)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(LENGTH.search(answer)[1]))  # type: ignore[index]
        status = int(answer.split()[1])
        load.statuses[status] += 1
        if status == 429:
            await asyncio.sleep(PAUSE)
            continue
        load.took.append(time.perf_counter() - began)
        assert status == 200, answer
        load.taken.append(first)
        first += load.size
        raw = body(first, load.size)
    writer.close()
    await writer.wait_closed()


def _delivered(vendors: str, events: int) -> int:
    """Wait until so many events arrived, or no more do; gives how many came twice."""
    last, since = -1, time.monotonic()
    while True:
        counts = httpx.get(f"{vendors}/_sandbox/counts").json()["exponea"]
        twice = counts.get("events_deduplicated", 0)
        arrived = counts.get("events_received", 0) - twice
        if arrived >= events:
            return twice
        if arrived != last:
            last, since = arrived, time.monotonic()
        elif time.monotonic() - since > STILL:
            return twice
        time.sleep(0.1)


def _compare(load: Load, held: Path) -> None:
    with sqlite3.connect(held) as database:
        there = {number for (number,) in database.execute("SELECT json_extract(properties, '$.n') FROM exponea_events")}
    database.close()
    asked = {first + n for first in load.taken for n in range(load.size)}
    load.missing, load.unasked = len(asked - there), len(there - asked)
