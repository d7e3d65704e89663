"""How cost grows: event size, fields, connections, memory, five million events; and where the time of one event goes.

    python -m benchmarks.curves [stages sizes fields connections memory] [--rounds 9]
    python -m benchmarks.curves endless [--events 5000000]      planned one after the other; memory has to stay flat
    python -m benchmarks.curves shapes [--events 1000000]       the same, and no key of an event is ever seen again

Each round runs every piece of work once, between two runs of orjson reading and writing the same events; figures are
medians of the ratios.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orjson import dumps, loads

from benchmarks import corpus
from benchmarks.rows import NOW, connected

if TYPE_CHECKING:
    from engine.plan import Connection

SIZES = (500, 1000, 2000, 4000, 8000, 16000, 32000)
SHAPES = ("properties", "products", "text")
FIELDS = (10, 30, 100, 300, 1000)
PRESENT = 20
CONNECTIONS = (1, 4, 16, 64)
TURN = 200_000
"""Bytes of events in one turn."""
Points = dict[str, list[tuple[float, float]]]
MAPPING = """mapping: 1
name: wide
title: Wide
about: A mapping with many fields.
docs: https://example.com/
http: {{ base_url: "https://example.com" }}
requests:
  send: {{ about: Sends., path: /send }}
calls:
  track:
    - request: send
      fields:
{fields}
"""


def ratios(works: dict[str, Callable[[], None]], reference: Callable[[], None], rounds: int) -> dict[str, float]:
    """Run everything in turns and return the median ratio of each to the reference."""
    found: dict[str, list[float]] = {name: [] for name in works}
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        before = seconds(reference)
        for name, work in works.items():
            took = seconds(work)
            after = seconds(reference)
            found[name].append(2 * took / (before + after))
            before = after
    return {name: statistics.median(each) for name, each in found.items()}


def seconds(work: Callable[[], None]) -> float:
    """Return the processor time of one run."""
    began = time.process_time()
    work()
    return time.process_time() - began


def planning(connections: Sequence[Connection], events: list[bytes]) -> Callable[[], None]:
    """Return work that plans events for connections, from bytes to bodies."""
    plans = [connection.plan_json for connection in connections]

    def work() -> None:
        for raw in events:
            for plan in plans:
                for request in plan(raw, now=NOW).requests:
                    dumps(request.body)

    return work


def round_trip(events: list[bytes]) -> Callable[[], None]:
    """Return the reference."""

    def work() -> None:
        for raw in events:
            dumps(loads(raw))

    return work


def sizes(rounds: int) -> Points:
    """Event size in KB to x orjson, by what makes the event large."""
    connection, found = connected(), {}
    for shape in SHAPES:
        points = []
        for size in SIZES:
            events = [corpus.sized(size, shape)] * max(5, TURN // size)
            ratio = ratios({"": planning([connection], events)}, round_trip(events), rounds)[""]
            points.append((len(events[0]) / 1000, ratio))
        found[shape] = points
    return found


def fields(rounds: int) -> Points:
    """Fields of a mapping to x orjson: of an event that has 20 of them, and of one that has them all."""
    found: Points = {f"{PRESENT} in the event": [], "all in the event": []}
    for count in FIELDS:
        connection = wide(count)
        for name, present in zip(found, (PRESENT, count), strict=True):
            event = {**loads(corpus.of_kind(corpus.events(10), "track")[0])}
            event["properties"] = {f"p_{number}": number for number in range(present)}
            events = [dumps(event)] * max(5, TURN // len(dumps(event)))
            ratio = ratios({"": planning([connection], events)}, round_trip(events), rounds)[""]
            found[name].append((count, ratio))
    return found


def wide(count: int) -> Connection:
    """Return a connection of a mapping with so many fields."""
    from engine import load

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "wide.yaml")
        file.write_text(MAPPING.format(fields="\n".join(f"        f_{n}: properties.p_{n}" for n in range(count))))
        return load(file).connect({})


def connections(rounds: int) -> Points:
    """Connections of one mapping to x orjson for each of them: an event is read once, and once for each."""
    from engine.events.normalizing import normalize_json

    events = list(corpus.events(100))
    found: Points = {"read once": [], "read for each": []}
    for count in CONNECTIONS:
        made = [connected() for _ in range(count)]
        plans = [connection.plan_normalized for connection in made]

        def once(plans: list[Any] = plans) -> None:
            for raw in events:
                normalized = normalize_json(raw, now=NOW)
                for plan in plans:
                    for request in plan(normalized, now=NOW).requests:
                        dumps(request.body)

        works = {"read once": once, "read for each": planning(made, events)}
        for name, ratio in ratios(works, round_trip(events), rounds).items():
            found[name].append((count, ratio / count))
    return found


def memory(rounds: int) -> Points:  # noqa: ARG001  what is counted is the same in every round
    """Return bytes of what is held for an event of the corpus (its JSON has 1.8 KB)."""
    from engine.delivery.outbox.base import Waiting
    from engine.delivery.sending.jobs import Job, ids_of, normalized

    connection, events = connected(), list(corpus.events(1000))

    def job(number: int, raw: bytes) -> Job:
        given = {"place": number, "queued_at": 0.0, "raw": raw, "message_id": f"m{number}", "received_at": RECEIVED}
        row = Waiting(**{name: given.get(name) for name in Waiting._fields})  # type: ignore[arg-type]
        event = normalized(row)
        return Job(connection, row, "", 0.0, event, ids_of(event))

    held: dict[str, Callable[[], list[Any]]] = {
        "the event, parsed": lambda: [loads(raw) for raw in events],
        "its plan": lambda: [connection.plan_json(raw, now=NOW) for raw in events],
        "its job in delivery, without the bytes": lambda: [job(number, raw) for number, raw in enumerate(events)],
    }
    return {name: [(1, weighed(make))] for name, make in held.items()}


RECEIVED = "2026-07-01T00:00:00.000Z"


def weighed(make: Callable[[], list[Any]]) -> float:
    """Return bytes an item of what is made."""
    make()
    gc.collect()
    tracemalloc.start()
    held = make()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / len(held)


class Tenth(NamedTuple):
    """What was seen at each tenth of an endless run."""

    events: int
    megabytes: float
    """Of the process, resident."""
    ratio: float
    """Planning to orjson's round trip of the same events, both by processor time."""


def own_name(event: dict[str, Any], number: int) -> None:
    """Give an event a name that no other has."""
    if "properties" in event:
        event["properties"]["of_its_own"] = {f"name_{number}": number}


def own_shape(event: dict[str, Any], number: int) -> None:
    """Give an event only names that no other has, flat and nested, but for those of Segment's spec."""
    flat = {f"k{number}_{each}": each for each in range(15)}
    nested = {f"o{number}": {f"n{number}_{each}": each for each in range(10)}}
    event["traits" if "traits" in event else "properties"] = {**flat, **nested}


def endless(count: int, change: Callable[[dict[str, Any], int], None] = own_name) -> Iterator[Tenth]:
    """Plan the events, each with names of its own."""
    import psutil

    connection, process = connected(), psutil.Process()
    events = [loads(raw) for raw in corpus.events(1000)]
    size = max(1, min(500, count // 10))
    took, least = [0.0, 0.0], 0
    for number in range(0, count, size):
        made = []
        for each in range(number, number + size):
            change(events[each % len(events)], each)
            made.append(dumps(events[each % len(events)]))
        for which, work in enumerate((round_trip(made), planning([connection], made))):
            took[which] += seconds(work)
        if number + size - least >= count // 10:
            yield Tenth(number + size, process.memory_info().rss / 2**20, took[1] / took[0])
            took, least = [0.0, 0.0], number + size


SMALLEST = """mapping: 1
name: smallest
title: Smallest
about: A mapping that sends a constant.
docs: https://example.com/
integrations: [Smallest]
http: { base_url: "https://example.com" }
requests:
  send: { about: Sends., path: /send }
calls:
  track:
    - request: send
      fields: { one: { const: 1 } }
"""


def stages(rounds: int) -> Points:
    """Return what the stages of a track call take in x orjson, each alone; all together are `plan_json` and writing.

    A stage is the difference between two runs that differ in nothing else.
    """
    from engine import load
    from engine.events.json_values import nesting_problem
    from engine.events.normalizing import fields_of_json

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "smallest.yaml")
        file.write_text(SMALLEST)
        smallest = load(file).connect({}).plan_json
    events = corpus.of_kind(corpus.events(200), "track")
    bare = [dumps({key: value for key, value in loads(raw).items() if key != "integrations"}) for raw in events]
    plan = connected().plan_json

    def whole(raw: bytes) -> None:
        for request in plan(raw, now=NOW).requests:
            dumps(request.body)

    works = {
        "read": over(events, loads),
        "depth": over(events, lambda raw: nesting_problem(loads(raw), raw)),
        "checked": over(events, lambda raw: fields_of_json(raw, None, NOW)),
        "bare, checked": over(bare, lambda raw: fields_of_json(raw, None, NOW)),
        "bare, planned": over(bare, lambda raw: smallest(raw, now=NOW)),
        "smallest": over(events, lambda raw: smallest(raw, now=NOW)),
        "planned": over(events, lambda raw: plan(raw, now=NOW)),
        "written": over(events, whole),
    }
    took = ratios(works, round_trip(events), rounds * 3)
    around = took["bare, planned"] - took["bare, checked"]
    alone = {
        "reading the JSON": took["read"],
        "depth": took["depth"] - took["read"],
        "IDs and times": took["checked"] - took["depth"],
        "integrations": took["smallest"] - took["checked"] - around,
        "plan, reports, clock": around,
        "the generated step": took["planned"] - took["smallest"],
        "writing the body": took["written"] - took["planned"],
    }
    return {name: [(1, ratio)] for name, ratio in alone.items()}


def over(events: list[bytes], work: Callable[[bytes], object]) -> Callable[[], None]:
    """Return work on each of the events."""

    def run() -> None:
        for raw in events:
            work(raw)

    return run


CURVES: dict[str, Callable[[int], Points]] = {
    "stages": stages,
    "sizes": sizes,
    "fields": fields,
    "connections": connections,
    "memory": memory,
}
ENDLESS = {"endless": (5_000_000, own_name), "shapes": (1_000_000, own_shape)}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", default=list(CURVES), help=", ".join([*CURVES, *ENDLESS]))
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--events", type=int)
    given = options.parse_args()
    for name in given.names:
        if name in ENDLESS:
            for tenth in endless(given.events or ENDLESS[name][0], ENDLESS[name][1]):
                print(f"{tenth.events:12,} events planned, {tenth.megabytes:6.1f} MB, {tenth.ratio:5.2f} x", flush=True)
            continue
        print(name)
        for line, points in CURVES[name](given.rounds).items():
            print(f"  {line:40}", "  ".join(f"{x:g}: {y:,.2f}" for x, y in points), flush=True)


if __name__ == "__main__":
    main()
