"""Measures how fast events are delivered from the outbox to the sandbox, and the cost of each stage.

    python -m benchmarks.delivery [--events 50000] [--mapping exponea]    stages and the whole, for people
    python -m benchmarks.delivery --row 20000                         the whole as JSON, for benchmarks/programs.py

The sandbox runs in its own process, so two cores are enough.  The rate limit is off, because the aim is to measure the
engine and not what a vendor allows.  Each stage is also measured alone, on the same events; the rest of the total is
asyncio and waiting for the other side.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from engine.delivery.configured_connection import ConfiguredConnection, into_sandbox
from engine.delivery.intake import taken_in
from engine.delivery.outbox.base import NewEvent, Waiting
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import rare_garbage_collection, run
from engine.delivery.sending.jobs import Job, ids_of, normalized
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.plan import Connection, load
from engine.responses import ResponseReader

SERVE = """
import sys, time
from engine.sandbox.server import Sandbox
with Sandbox() as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
"""
# A server that accepts everything without reading it closely, so the sender is measured and not the server.
SINK = """
import asyncio, re, sys
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\\d+)", head)[1]))
            count = body.count(b'"name":"customers')
            reply = b'{"success":true,"results":[' + b",".join([b'{"success":true}'] * count) + b"]}"
            head = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n"
            writer.write(head % len(reply) + reply)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**24)
    print("http://127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
USERS = 5000


def event(number: int) -> NewEvent:
    """Return a track call of about 1.2 KB, as web pages send it."""
    value = {
        "type": "track",
        "messageId": f"m{number}",
        "userId": f"user-{number % USERS}",
        "anonymousId": f"507f191e-810c-4972-9de8-{number % USERS:012d}",
        "event": "Product Viewed",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "properties": {"n": number, "product_id": "507f1f77", "price": 18.99, "tags": ["a", "b"], "about": "x" * 300},
        "context": {
            "ip": "8.8.8.8",
            "locale": "en-US",
            "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/120.0.0.0",
            "page": {"url": "https://example.com/pricing", "path": "/pricing", "title": "Pricing", "referrer": ""},
            "app": {"name": "shop", "version": "1.2.3"},
            "os": {"name": "Mac OS X", "version": "14"},
            "library": {"name": "analytics.js", "version": "2.1.0"},
        },
    }
    return NewEvent("bench", f"m{number}", "2026-01-01T00:00:01.000Z", orjson.dumps(value))


@contextmanager
def server(code: str) -> Iterator[str]:
    """Run a server in its own process; yield its address."""
    running = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout is not None
    try:
        yield running.stdout.readline().decode().strip()
    finally:
        running.communicate()


def timed(what: str, count: int, work: Callable[[], object]) -> float:
    """Run once and print the cost per event."""
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    print(f"{what:<44} {count / took:>10,.0f} events/s  {took / count * 1e6:>7.1f} us/event")
    return took


def fill(outbox: SqliteOutbox, events: Iterable[NewEvent]) -> None:
    """Put events into an outbox."""
    for _ in taken_in(outbox, events, ["bench"], time.time):
        pass


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--mapping", default="exponea")
    parser.add_argument("--row", type=int, help="only deliver so many events to a sink, and print it as JSON")
    given = parser.parse_args()
    target = load(given.mapping)
    configured = ConfiguredConnection(name="bench", connection=target.connect(target.example_settings()), rate_limit="")
    if given.row:
        row(configured, given.row)
        return
    events = [event(number) for number in range(min(given.events, 50_000))]
    with tempfile.TemporaryDirectory() as directory:
        print(f"{given.events} events of {len(events[0].raw)} bytes, {given.mapping}\n")
        stages(configured, events, Path(directory))
        print()
        for name, code in (("sink", SINK), ("sandbox", SERVE)):
            whole(configured, given.events, Path(directory) / f"{name}.db", name, code)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of this process: {peak:.0f} MB")


def stages(configured: ConfiguredConnection, events: list[NewEvent], directory: Path) -> None:
    """Measure each stage alone."""
    outbox = SqliteOutbox(directory / "stages.db")
    count = len(events)
    timed("intake: 100 rows a transaction, on disk", count, lambda: fill(outbox, events))
    rows = []
    timed("reading the queue", count, lambda: rows.extend(outbox.waiting("bench", 0, count)))
    jobs: list[Job] = []
    connection, digest = configured.connection, configured.digest()
    with rare_garbage_collection():  # as in production
        timed("parsing, planning", count, lambda: jobs.extend(job(connection, row, digest) for row in rows))
    responses = ResponseReader(connection)
    requests = [job.next().requests[0] for job in jobs]

    def encode() -> None:
        for start in range(0, count, 50):
            orjson.dumps(responses.batched(requests[start : start + 50], 0.0).body)

    timed("items, batch bodies, JSON", count, encode)
    outbox.close()


def job(connection: Connection, row: Waiting, digest: str) -> Job:
    """Read and plan an event as a worker does."""
    event = normalized(row)
    return Job(connection, row, digest, 0.0, event, ids_of(event))


def row(configured: ConfiguredConnection, count: int) -> None:
    """Deliver to a sink and print what it took."""
    with tempfile.TemporaryDirectory() as directory:
        wall, cpu = delivered(configured, count, Path(directory) / "outbox.db", SINK)
    print(json.dumps({"wall": wall, "cpu": cpu, "count": count}))


def delivered(configured: ConfiguredConnection, count: int, path: Path, code: str) -> tuple[float, float]:
    """Deliver so many events from an outbox to a server; return seconds by the clock and of this process."""
    outbox = SqliteOutbox(path)
    fill(outbox, map(event, range(count)))
    with server(code) as url:
        redirected = into_sandbox(configured, url)
        wall, cpu = time.perf_counter(), time.process_time()
        run(lambda: Delivery(outbox, [redirected], Options()))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert list(outbox.counts()) == [("bench", "delivered")], outbox.counts()
    outbox.close()
    return wall, cpu


def whole(configured: ConfiguredConnection, count: int, path: Path, name: str, code: str) -> None:
    """Measure everything together."""
    took, cpu = delivered(configured, count, path, code)
    print(f"{f'outbox -> {name}':<44} {count / took:>10,.0f} events/s  {took / count * 1e6:>7.1f} us/event")
    print(f"{'':<44} {cpu / took:.0%} of a core")


if __name__ == "__main__":
    main()
