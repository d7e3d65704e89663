"""How fast the collector takes events, how long a client waits, where the time goes, and whether anything is lost.

    python benchmarks/collector.py [--seconds 10] [--clients 16] [--batch 100]

The server, the sandbox and this client share the machine's cores; the client is no faster than it must be.  At the end
every event that was answered 200 is counted in the outbox.  The stages are measured alone, on the same body.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from engine.collector.arrival import Arrival
from engine.collector.body import parsed
from engine.collector.limits import Limits
from engine.collector.shaping import Shaped, shaped
from engine.delivery.intake import iso
from engine.delivery.sqlite import SqliteOutbox

ROOT = Path(__file__).parents[1]
AUTHORIZATION = base64.b64encode(b"sandbox:")


def event(number: int) -> dict:
    """Give an event of 1.8 KB, as a browser sends it."""
    return {
        "type": "track",
        "messageId": f"m{number}",
        "userId": f"u{number % 1000}",
        "anonymousId": f"a{number % 1000}",
        "event": "Product Viewed",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "properties": {f"property_{n}": f"value {n} of the product" for n in range(20)},
        "context": {
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "page": {"url": "https://shop.example/products/1", "path": "/products/1", "title": "A product"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
            "traits": {f"trait_{n}": f"value {n}" for n in range(20)},
        },
    }


def body(first: int, size: int) -> bytes:
    """Give a batch."""
    return orjson.dumps({"batch": [event(first + n) for n in range(size)], "sentAt": "2026-01-01T00:00:01.000Z"})


def per_event(work: Callable[[], object], size: int, seconds: float = 1.0) -> float:
    """Give the microseconds that `work` takes for each of `size` events."""
    runs, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        work()
        runs += 1
    return (time.perf_counter() - began) / runs / size * 1e6


def stages(size: int) -> None:
    """Measure each stage alone."""
    limits, raw, now = Limits(), body(0, size), time.time()
    arrival = Arrival(now, iso(now), None, "203.0.113.7", client=True, context={}, integrations={}, new_id=str)
    value = parsed(raw, b"", limits)

    def shape() -> Shaped:
        return shaped(value, "batch", "web", arrival, limits)

    events = shape().events
    numbers = iter(range(10**9))
    with tempfile.TemporaryDirectory() as directory:
        outbox = SqliteOutbox(Path(directory) / "outbox.db")

        def keep() -> None:
            outbox.take_in([each._replace(message_id=f"{next(numbers)}") for each in events], ["shop"], now)

        told = {
            "JSON in": per_event(lambda: parsed(raw, b"", limits), size),
            "rules, times, JSON out": per_event(shape, size),
            "outbox (fsync)": per_event(keep, size),
        }
        outbox.close()
    print(f"stages alone, {size} events of {len(raw) // size} bytes a request:")
    for name, microseconds in told.items():
        print(f"  {name:<24}{microseconds:7.1f} us/event {microseconds / sum(told.values()):7.0%}")


async def client(address: tuple[str, int], number: int, size: int, end: float, took: list[float]) -> None:
    """Send batches on one connection until the time is over; every answer must be 200."""
    reader, writer = await asyncio.open_connection(*address)
    first = number * 10_000_000
    while time.perf_counter() < end:
        raw = body(first, size)
        first += size
        head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
        began = time.perf_counter()
        writer.write(head % (AUTHORIZATION, len(raw)) + raw)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))  # type: ignore[index]
        took.append(time.perf_counter() - began)
        assert answer.startswith(b"HTTP/1.1 200"), answer
    writer.close()


def memory(process: int) -> int:
    """Give the resident memory of a process, in MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def under_load(seconds: float, clients: int, size: int) -> None:
    """Run the server at saturation."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outbox.db"
        command = [sys.executable, "-m", "engine", "serve", "exponea", "--sandbox", "--port", "0", "--no-log"]
        command += ["--outbox", str(path), "--backlog", "0"]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        server.stdout.readline()
        port = int(re.search(r"http://127.0.0.1:(\d+)", server.stdout.readline())[1])  # type: ignore[index]
        before, took = memory(server.pid), []

        async def load() -> None:
            end = time.perf_counter() + seconds
            await asyncio.gather(*(client(("127.0.0.1", port), n, size, end, took) for n in range(clients)))

        asyncio.run(load())
        after = memory(server.pid)
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        server.stdout.close()
        outbox = SqliteOutbox(path)
        kept = sum(outbox.counts().values())
        outbox.close()
    took.sort()
    lost = len(took) * size - kept
    rate, middle, late = kept / seconds, took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    print(
        f"{clients} clients, {size} events a request, {seconds:g} s: {rate:,.0f} events/s, p50 {middle:.0f} ms, ",
        end="",
    )
    print(f"p99 {late:.0f} ms, {kept:,} answered 200 and kept, {lost} lost, memory {before} -> {after} MB")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--batch", type=int, default=100)
    given = options.parse_args()
    stages(given.batch)
    under_load(given.seconds, given.clients, given.batch)
    under_load(given.seconds, given.clients, 1)


if __name__ == "__main__":
    main()
