"""What an outbox on NATS JetStream carries beside the embedded one, what events cost, and how long a fail-over takes.

    python -m benchmarks.stream [--events 50000] [--parts throughput,recovery]

Everything is a process of this machine: one `nats-server`, `engine serve` as collector and as workers, and a vendor
that accepts everything.  So on few cores more workers show no more events a second: what scales is computed from the
CPU seconds of each process, which are measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
import psutil

from engine.delivery.intake import taken_in
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.stream.chaos_events import events
from tests.stream.chaos_load import ChaosLoad, Shape
from tests.stream.chaos_processes import ROOT, ServeProcess, connections_file
from tests.stream.chaos_story import ChaosStory, Size
from tests.stream.chaos_vendor import chaos_vendor

EACH = 10
WORKERS = (1, 2, 4)
PARTITIONS = 16
PATIENCE = 600


class Cost(NamedTuple):
    """What a row took: seconds by the clock, and CPU seconds by kind of process."""

    title: str
    count: int
    wall: float
    cpu: dict[str, float]

    def line(self, reference: float) -> str:
        """Return it as a line; `reference` is the events a second of the row it is compared to."""
        rate = self.count / self.wall
        costs = "  ".join(f"{name} {spent / self.count * 1e6:.0f} us" for name, spent in self.cpu.items())
        return f"{self.title:<34}{rate:>9,.0f} events/s {rate / reference:>6.2f}x   CPU per event: {costs}"


def used(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


@contextmanager
def measured(pids: dict[str, list[int]]) -> Iterator[dict[str, float]]:
    """Yield a table that has, after the block, the CPU seconds that processes of each kind used in it."""
    before = {name: sum(map(used, each)) for name, each in pids.items()}
    found: dict[str, float] = {}
    yield found
    found.update({name: sum(map(used, each)) - before[name] for name, each in pids.items()})


def embedded(directory: Path, shape: Shape) -> Cost:
    """Deliver from an outbox in a file, which is filled before."""
    path = directory / "outbox.db"
    outbox = SqliteOutbox(path)
    given = (
        NewEvent("chaos", str(each["messageId"]), "2026-01-01T00:00:00.000Z", orjson.dumps(each))
        for each in events(range(1, shape.senders + 1), shape.each)
    )
    for _ in taken_in(outbox, given, ["counted"], time.time):
        pass
    outbox.close()
    with ExitStack() as stack:
        vendor = stack.enter_context(chaos_vendor(0))
        process = ServeProcess("embedded", connections_file(directory, vendor.url), str(path), "", "--port", "0")
        stack.callback(process.kill)
        process.start()
        vendor.wait(1, PATIENCE)
        began = time.perf_counter()
        with measured({"worker": [process.pid]}) as cpu:
            assert vendor.wait(shape.events, PATIENCE) == shape.events
        return Cost("embedded: one process, one file", shape.events, time.perf_counter() - began, cpu)


def taking_in(story: ChaosStory, shape: Shape) -> Cost:
    """Fill the streams over HTTP, with no worker there."""
    load = story.loading(shape)
    pids = {"collector": [story.collectors["c1"].pid], "server": [story.cluster.nodes[1].pid]}
    began = time.perf_counter()
    with measured(pids) as cpu:
        asyncio.run(load.run())
    return Cost("stream: one collector", shape.events, time.perf_counter() - began, cpu)


def delivering(story: ChaosStory, shape: Shape, workers: int) -> Cost:
    """Deliver what is in the streams with a number of workers, which start at once."""
    started = [story.start_worker(f"w{number}") for number in range(1, workers + 1)]
    story.vendor.wait(1, PATIENCE)
    began = time.perf_counter()
    pids = {"worker": [each.pid for each in started], "server": [story.cluster.nodes[1].pid]}
    with measured(pids) as cpu:
        assert story.vendor.wait(shape.events, PATIENCE) == shape.events
    wall = time.perf_counter() - began
    return Cost(f"stream: {workers} worker{'s' * (workers > 1)}", shape.events, wall, cpu)


def throughput(shape: Shape) -> list[str]:
    """Return lines about intake and delivery, beside the embedded outbox in the same run."""
    with tempfile.TemporaryDirectory() as folder:
        reference = embedded(Path(folder), shape)
    rate = reference.count / reference.wall
    lines = [reference.line(rate)]
    for workers in WORKERS:
        size = Size(nodes=1, workers=0, collectors=1, partitions=PARTITIONS, delay=0)
        with tempfile.TemporaryDirectory() as folder, ChaosStory(Path(folder), size) as story:
            intake = taking_in(story, shape)
            if workers == WORKERS[0]:
                lines.append(intake.line(rate))
            lines.append(delivering(story, shape, workers).line(rate))
            if workers == WORKERS[-1]:
                lines.append(view(story, shape))
    return lines


def recovery() -> list[str]:
    """Return a line about how long the partitions of a killed worker stand still."""
    size = Size(nodes=1, workers=2, collectors=1, partitions=PARTITIONS, delay=0)
    took = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder, ChaosStory(Path(folder), size) as story:
            asyncio.run(story.shared_out())
            asyncio.run(story.loading(Shape(senders=400, each=1)).run())
            story.vendor.wait(400, PATIENCE)
            began = time.perf_counter()
            story.workers["w1"].kill()
            later = ChaosLoad(Shape(senders=400, each=2), [each.port for each in story.collectors.values()])
            asyncio.run(later.run())
            story.vendor.wait(800, PATIENCE)
            took.append(time.perf_counter() - began)
    return [
        f"kill -9 of one of two workers: all partitions deliver again after {', '.join(f'{t:.1f}' for t in took)} s"
    ]


def view(story: ChaosStory, shape: Shape) -> str:
    """Return a line about the first status on a machine, which builds the view; all events are delivered."""
    command = [sys.executable, "-m", "engine", "outbox", "status", "--outbox", story.address()]
    began, before = time.perf_counter(), children()
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "WAYBILL_VIEW": f"{folder}/view.db"}
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    wall, cpu = time.perf_counter() - began, children() - before
    each = 100_000 / shape.events
    took = f"{wall:.1f} s, {cpu * each:.1f} s CPU per 100,000 events"
    return f"first `engine outbox status`, which builds a view of {shape.events:,} events: {took}"


def children() -> float:
    """Return the CPU seconds of the processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


PARTS = ("throughput", "recovery")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=50_000)
    options.add_argument("--parts", default=",".join(PARTS))
    given = options.parse_args()
    shape = Shape(senders=given.events // EACH, each=EACH)
    parts = {"throughput": lambda: throughput(shape), "recovery": recovery}
    for name in given.parts.split(","):
        print("\n".join(parts[name]()), flush=True)


if __name__ == "__main__":
    main()
