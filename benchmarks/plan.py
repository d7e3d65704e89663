"""Bytes of an event -> bytes of its request bodies, as a ratio to orjson reading and writing the same events.

    make bench            (or: .venv/bin/python benchmarks/plan.py [MAPPING...])

Both sides run in one process, in turns, and the best turn of each counts, so that a machine that changes its
speed changes both.  The ratio is the number to compare; the microseconds are only of this machine.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from engine import load
from engine.events.normalizing import normalize_json
from engine.events.reading import read_events

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 60
NOW = 1_700_000_000.0


TRAFFIC = ("web", "mobile", "ecommerce", "server")
"""The sample files that look like everyday traffic; `edge` and `documents` are odd or tiny on purpose."""


def samples() -> list[bytes]:
    """Read the sample events as compact JSON, as they come over the wire."""
    found = []
    for name in TRAFFIC:
        with read_events(ROOT / "samples" / f"{name}.ndjson") as reader:
            found += [orjson.dumps(line.value) for line in reader if line.error is None]
    return found


def best(work: Callable[[], None], other: Callable[[], None]) -> tuple[float, float]:
    """Time both in turns and give the best turn of each, in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for mine, run in zip(times, (work, other), strict=True):
            start = time.perf_counter()
            run()
            mine.append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def measure(name: str, events: list[bytes]) -> None:
    """Print one mapping's row."""
    destination = load(ROOT / "mappings" / f"{name}.yaml")
    connection = destination.connect(destination.example_settings())
    plan, dumps = connection.plan_normalized, orjson.dumps
    planned = [raw for raw in events if connection.plan_json(raw, now=NOW).requests]
    normalized = [normalize_json(raw) for raw in planned]

    def whole() -> None:
        for raw in planned:
            for request in plan(normalize_json(raw), now=NOW).requests:
                dumps(request.body)

    def floor() -> None:
        for raw in planned:
            dumps(orjson.loads(raw))

    def reading() -> None:
        for raw in planned:
            normalize_json(raw)

    def planning() -> None:
        for one in normalized:
            plan(one, now=NOW)

    engine, orjson_alone = best(whole, floor)
    read, _ = best(reading, floor)
    mapped, _ = best(planning, floor)
    each = 1e6 / len(planned)
    rest = engine - read - mapped
    print(
        f"{name:24} {len(planned):4} events  {engine * each:6.2f} us  {engine / orjson_alone:5.2f} x orjson "
        f"({orjson_alone * each:.2f} us)   read {read * each:.2f}  map {mapped * each:.2f}  write {rest * each:.2f}"
    )


def main() -> None:
    """Measure the mappings named, or all that ship."""
    names = sys.argv[1:] or [path.stem for path in sorted((ROOT / "mappings").glob("*.yaml"))]
    events = samples()
    size = sum(map(len, events)) / len(events)
    print(f"{len(events)} sample events, {size:.0f} bytes on average; events that give requests are measured\n")
    gc.freeze()
    for name in names:
        measure(name, events)


if __name__ == "__main__":
    main()
