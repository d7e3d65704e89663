"""How fast the collector takes events, how long a client waits, where the time goes, and whether anything is lost.

    python -m benchmarks.collector [--seconds 30] [--clients 16] [--batch 100] [--backlog 50000] [--workers 1]
    python -m benchmarks.collector --row 8      what `serve` sustains into a sink, as JSON for benchmarks/programs.py

The collector, the sandbox and this client are three processes that share the machine's cores; the client is no faster
than it must be.  Afterwards it waits for delivery and looks up every event that was answered 200 in the sandbox.  The
stages are also measured alone, on the same body.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks._load import Load, body, collecting, drive, run
from benchmarks.delivery import SINK, server
from engine.collector.body import parse_body
from engine.collector.responses import CollectorLimits
from engine.collector.shaping import Arrival, Shaped, shape_body
from engine.delivery.intake import iso
from engine.delivery.outbox.sqlite import SqliteOutbox


def per_event(work: Callable[[], object], size: int, seconds: float = 1.0) -> float:
    """Return the microseconds that `work` takes for each of `size` events."""
    runs, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        work()
        runs += 1
    return (time.perf_counter() - began) / runs / size * 1e6


def stages(size: int) -> None:
    """Measure each stage alone."""
    limits, raw, now = CollectorLimits(), body(0, size), time.time()
    arrival = Arrival(now, iso(now), None, "203.0.113.7", client=True, context={}, integrations={}, new_id=str)
    value = parse_body(raw, b"", limits)

    def shape() -> Shaped:
        return shape_body(value, "batch", "web", arrival, limits)

    events = shape().events
    numbers = iter(range(10**9))
    with tempfile.TemporaryDirectory() as directory:
        outbox = SqliteOutbox(Path(directory) / "outbox.db")

        def write() -> None:
            outbox.take_in([each._replace(message_id=f"{next(numbers)}") for each in events], ["shop"], now)

        costs = {
            "JSON in": per_event(lambda: parse_body(raw, b"", limits), size),
            "rules, times, JSON out": per_event(shape, size),
            "outbox (fsync)": per_event(write, size),
        }
        outbox.close()
    print(f"stages alone, {size} events of {len(raw) // size} bytes a request:")
    for name, microseconds in costs.items():
        print(f"  {name:<24}{microseconds:7.1f} us/event {microseconds / sum(costs.values()):7.0%}")


def sustained(seconds: float, clients: int = 16, size: int = 100) -> dict[str, float]:
    """Load a server whose vendor costs nothing, and wait until all is delivered; return what it took."""
    load = Load(seconds, clients, size)
    with (
        tempfile.TemporaryDirectory() as directory,
        server(SINK) as url,
        collecting(Path(directory), url, 50_000, 1) as service,
    ):
        used, began = processors(service.process.pid), time.perf_counter()
        asyncio.run(drive(load, service))
        while waiting(Path(directory) / "outbox.db"):
            time.sleep(0.05)
        wall = time.perf_counter() - began
        used = processors(service.process.pid) - used
        assert service.stop() == 0
    return {"wall": wall, "cpu": used, "count": load.events}


def processors(pid: int) -> float:
    """Return the seconds that a process and its children have used."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def waiting(outbox: Path) -> int:
    """Return how many events wait to be delivered."""
    with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True) as database:
        found = database.execute("SELECT count(*) FROM states WHERE outcome = 'waiting'").fetchone()[0]
    database.close()
    return found


def under_load(seconds: float, clients: int, size: int, backlog: int, workers: int) -> None:
    """Run the server at saturation, and print what became of it."""
    with tempfile.TemporaryDirectory() as directory:
        load = run(Path(directory), seconds, clients, size, backlog=backlog, workers=workers)
    print(
        f"{clients} clients, {size} events a request, {seconds:g} s, {workers} processes accepting requests, "
        f"429 above {backlog:,} unfinished events:"
    )
    for line in report(load):
        print(f"  {line}")


def report(load: Load) -> list[str]:
    """Return lines about a run."""
    took, requests = sorted(load.took), len(load.taken)
    middle, late = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    memory = " ".join(map(str, load.memory))
    rate = f"{load.events / load.seconds:,.0f} events/s in {requests / load.seconds:,.0f} requests/s"
    return [
        f"accepted   {rate}, p50 {middle:.0f} ms, p99 {late:.0f} ms, {load.statuses[429]:,} requests answered 429",
        f"delivered  {load.events:,} events answered 200: {load.missing} lost, {load.twice} twice",
        f"           the last one {load.delivery_seconds:.0f} s after the load ended",
        f"memory     {memory} MB, the last value after all was delivered",
    ]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--backlog", type=int, default=50_000)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--row", type=float, metavar="SECONDS", help="only load, and print what it took as JSON")
    given = options.parse_args()
    if given.row:
        print(json.dumps(sustained(given.row)))
        return
    stages(given.batch)
    under_load(given.seconds, given.clients, given.batch, given.backlog, given.workers)
    under_load(given.seconds, given.clients, 1, given.backlog, given.workers)


if __name__ == "__main__":
    main()
