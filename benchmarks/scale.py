"""What one event costs in each part of an outbox on streams, for the formulas of docs/scale.md.

    python -m benchmarks.scale [--parts processes,idle,packs,window,headers,view,disk] [--events 20000]
    python -m benchmarks.scale --page           writes the figures of docs/scale.md, from `benchmarks/_sizing.py`

Figures are CPU time, of processes, and bytes; no clock is in them, so a busy machine changes them by the half and not
by the tenfold. What was measured is put into `MEASURED` of `benchmarks/_sizing.py` by hand, where the formulas are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import corpus
from benchmarks._load import CONNECTIONS
from benchmarks._sizing import figures
from benchmarks.delivery import SINK, event, server
from benchmarks.page import ROOT, filled
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.location import location_of
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.stream import packs
from engine.stream.client import StreamClient
from engine.stream.duplicates import DuplicateWindow
from engine.stream.layout import Layout, create_or_check
from engine.stream.pack_reader import PackReader
from engine.stream.segments import SEGMENT_IDS, PackIds, SegmentBuilder, decode_segment, encode_segment
from engine.stream.view_file import ViewFile
from tests.stream.chaos_load import KEY, ChaosConnection
from tests.stream.chaos_processes import TOKEN, ServeProcess
from tests.stream.cluster import Cluster, Node, free_ports

PAGE = ROOT / "docs/scale.md"
FILLS = (1, 5, 50)
"""Events in a pack: what a collector sends to a partition at a time."""
NODES = (1, 3)
AT = "2026-01-01T00:00:00.000Z"
SIDE_BY_SIDE = 64
IDS = 1_000_000
BODIES = (100, 10, 1)
"""Events in a request to the collector."""
CLIENTS = 8
SETTLING, IDLE = 4.0, 10.0
"""Seconds until the partitions are divided; and for which nothing is done."""
PATIENCE = 60.0
EVENTS_OF = re.compile(rb"^waybill_events_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


class Spent(NamedTuple):
    """CPU seconds of this process, and of each node by its number."""

    here: float
    nodes: dict[int, float]


@contextmanager
def spending(cluster: Cluster) -> Iterator[Callable[[], Spent]]:
    """Yield a function that returns what was spent since."""
    nodes = {number: _cpu(node) for number, node in cluster.nodes.items()}
    here = time.process_time()
    yield lambda: Spent(
        time.process_time() - here, {number: _cpu(node) - nodes[number] for number, node in cluster.nodes.items()}
    )


def _cpu(node: Node) -> float:
    return float(sum(psutil.Process(node.pid).cpu_times()[:2]))


def raw_events(number: int, kind: str) -> list[bytes]:
    """Return events of the corpus (1.8 KB each), or as small as events are (0.4 KB)."""
    if kind == "large":
        found = list(corpus.events(min(number, 5000)))
        return [found[at % len(found)] for at in range(number)]
    small = '{"type":"track","event":"Lamp Viewed","anonymousId":"507f191e-810c-4972-9de8-%012d","properties":%s}'
    text = '{"path":"/lamps/1","title":"Lamps","referrer":"https://search.example.com/","note":"%s"}' % ("x" * 200)
    return [(small % (at, text)).encode() for at in range(number)]


def packed(raws: Sequence[bytes], fill: int) -> list[packs.Pack]:
    """Return packs with `fill` events each, every one with a messageId of its own."""
    numbers = count()
    given = iter(raws)
    found = []
    while some := list(islice(given, fill)):
        made = [NewEvent("web", f"message-{next(numbers)}", AT, raw) for raw in some]
        found.append(packs.Pack(("shop",), made))
    return found


async def publish_all(client: StreamClient, layout: Layout, messages: Sequence[tuple[dict[str, str], bytes]]) -> None:
    """Publish messages, many at a time, to all partitions in turn."""
    given = iter(enumerate(messages))

    async def one() -> None:
        for number, (headers, body) in given:
            await client.publish(layout.events_subject(number % layout.partitions), body, headers)

    await asyncio.gather(*(one() for _ in range(SIDE_BY_SIDE)))


async def read_all(client: StreamClient, layout: Layout) -> int:
    """Read all partitions as their workers do; return how many events there were."""
    found = 0
    for partition in range(layout.partitions):
        after = 0
        while messages := await client.read(layout.events, layout.events_subject(partition), after, 200):
            after = messages[-1].seq
            found += sum(len(packs.decode(each.headers, each.data).events) for each in messages)
    return found


def pack_costs(number: int) -> None:
    """Publishing and reading packs, by how full they are, how large events are, and how many servers keep them."""
    print("nodes  events  a pack |  CPU us an event: publisher  leader  follower | reader  server | bytes on a disk")
    for nodes in NODES:
        for kind in ("small", "large"):
            raws = raw_events(number, kind)
            for fill in FILLS:
                _pack_cost(nodes, kind, raws[: number // (1 if fill > 1 else 4)], fill)


def _pack_cost(nodes: int, kind: str, raws: Sequence[bytes], fill: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), nodes) as cluster:
        address = location_of(f"{cluster.servers()}/bench?partitions=16&replicas={nodes}")
        assert not isinstance(address, Path)
        client = StreamClient(address, {})
        try:
            layout = client.call(create_or_check(client, address))
            with spending(cluster) as spent:
                messages = [packs.encode(each) for each in packed(raws, fill)]
                client.call(publish_all(client, layout, messages), 600)
                published = spent()
            leader = cluster.leader(layout.events).number if nodes > 1 else 1
            stored = _bytes(cluster, layout.events)
            with spending(cluster) as spent:
                assert client.call(read_all(client, layout), 600) == len(raws)
                read = spent()
        finally:
            client.close()
    each = 1e6 / len(raws)
    followers = [used for node, used in published.nodes.items() if node != leader]
    follower = sum(followers) / len(followers) if followers else 0.0
    size = sum(map(len, raws)) / len(raws)
    print(
        f"{nodes:>5}  {kind:<6} {fill:>7} | {published.here * each:>27.1f} {published.nodes[leader] * each:>7.1f} "
        f"{follower * each:>9.1f} | {read.here * each:>6.1f} {sum(read.nodes.values()) * each:>7.1f} | "
        f"{stored / len(raws):.0f} of {size:.0f} ({stored / len(raws) - size:+.0f})",
        flush=True,
    )


def _bytes(cluster: Cluster, stream: str) -> int:
    """Return the bytes of a stream's messages, as its server counts them."""
    for account in cluster.nodes[1].asked("jsz?streams=true&accounts=true")["account_details"]:
        for each in account["stream_detail"]:
            if each["name"] == stream:
                return int(each["state"]["bytes"])
    raise AssertionError(stream)


def window_cost(number: int) -> None:
    """The window of duplicates: making segments of ids, taking them over, and asking."""
    each = 50
    receivers = frozenset({"shop"})
    segments, at = [], 0
    began = time.process_time()
    while at < number:
        builder = SegmentBuilder(at // each)
        for _ in range(SEGMENT_IDS // each):
            digests = [blake2b((at + n).to_bytes(8, "big"), digest_size=8).digest() for n in range(each)]
            at += each
            builder.add(PackIds(at // each, at / 1000, digests, receivers))
        segments.append(encode_segment(builder.closed(), "stream"))
    made = time.process_time() - began
    window = DuplicateWindow()
    window.begin(0.0)
    began = time.process_time()
    for headers, body in segments:
        found = decode_segment(headers, body, "stream")
        assert found is not None
        window.take(found)
    taken = time.process_time() - began
    size = sum(len(body) for _, body in segments)
    print(
        f"window of {number:,} ids: {made / number * 1e6:.1f} us CPU to make segments, {taken / number * 1e6:.2f} us "
        f"to take them over, {size / number:.1f} bytes an id"
    )
    window.close()


def header_cost(number: int) -> None:
    """Reading the headers of packs, as at a take-over behind the last segment."""
    for fill in FILLS:
        with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), 1) as cluster:
            address = location_of(f"{cluster.servers()}/bench?partitions=1")
            assert not isinstance(address, Path)
            client = StreamClient(address, {})
            try:
                layout = client.call(create_or_check(client, address))
                messages = [packs.encode(each) for each in packed(raw_events(number, "large"), fill)]
                client.call(publish_all(client, layout, messages), 600)
                reader, after = PackReader(client, layout, 0), 0
                began = time.process_time()
                while found := reader.headers(0.0, after):
                    after = found[-1].sequence
                spent = time.process_time() - began
            finally:
                client.close()
        print(f"headers, {fill:>2} events a pack: {spent / len(messages) * 1e6:.0f} us CPU a pack")


def view_cost(number: int) -> None:
    """A view of events that wait: how long it takes to build, and how large it is."""
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), 1) as cluster:
        address = location_of(f"{cluster.servers()}/bench?partitions=16")
        assert not isinstance(address, Path)
        client = StreamClient(address, {})
        try:
            layout = client.call(create_or_check(client, address))
            raws = raw_events(number, "large")
            client.call(publish_all(client, layout, [packs.encode(each) for each in packed(raws, 50)]), 600)
            file = Path(folder) / "view.db"
            began = time.process_time()
            with ViewFile.opened(file, client, layout) as view:
                view.catch_up()
            spent = time.process_time() - began
            size = file.stat().st_size
        finally:
            client.close()
    print(
        f"view: {spent / number * 1e6:.0f} us CPU an event that waits, {size / number:.0f} bytes of disk "
        f"for one of {sum(map(len, raws)) / number:.0f} bytes"
    )


def disk_cost(number: int) -> None:
    """What an outbox in a file has of an event, beside the streams."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = SqliteOutbox(Path(folder) / "outbox.db")
        raws = raw_events(number, "large")
        for at in range(0, number, 500):
            made = [NewEvent("web", f"m{at + n}", AT, raw) for n, raw in enumerate(raws[at : at + 500])]
            outbox.take_in(made, ["shop"], 1.8e9)
        outbox.close()
        size = (Path(folder) / "outbox.db").stat().st_size
    print(f"outbox in a file: {size / number:.0f} bytes of disk for an event of {sum(map(len, raws)) / number:.0f}")


def process_costs(number: int) -> None:
    """Whole processes: collectors and workers of streams, and the one process that does both with a file."""
    size = len(event(1).raw)
    print(f"CPU us an event of {size} bytes, exponea, batches of 50, a vendor that costs nothing")
    for body in BODIES:
        given = number if body > 1 else number // 4
        with tempfile.TemporaryDirectory() as folder, server(SINK) as url:
            _embedded(Path(folder), url, given, body)
        for nodes, workers in (1, 1), (1, 2), (3, 1):
            with tempfile.TemporaryDirectory() as folder, server(SINK) as url:
                _streams(Path(folder), url, given, body, nodes, workers)


def _embedded(folder: Path, url: str, number: int, body: int) -> None:
    process = ServeProcess("both", _connections(folder, url), str(folder / "outbox.db"), "", "--port", "0")
    try:
        process.start().ready()
        before = _used(process)
        took = _load([process.port], [process], number, body)
        print(f"file, {body:>3} a request: {(_used(process) - before) / number * 1e6:.0f} both; {number / took:,.0f}/s")
    finally:
        process.kill()


def _streams(folder: Path, url: str, number: int, body: int, nodes: int, workers: int) -> None:
    with Cluster(folder, nodes) as cluster:
        connections = _connections(folder, url)
        address = f"{cluster.servers()}/bench?partitions=16&replicas={nodes}"
        port = free_ports(1)[0]
        collector = ServeProcess("c1", connections, address, "collector", "--port", str(port))
        found = [ServeProcess(f"w{at}", connections, address, "delivery") for at in range(workers)]
        try:
            for each in (collector, *found):
                each.start().ready()
            time.sleep(SETTLING)
            before = [_used(each) for each in (collector, *found)]
            with spending(cluster) as spent:
                took = _load([port], found, number, body)
                servers = spent().nodes.values()
            after = [_used(each) for each in (collector, *found)]
            fill = number / _messages(cluster, "bench_events")
            results = _bytes(cluster, "bench_results") / number
        finally:
            for each in (collector, *found):
                each.kill()
    used = [(end - start) / number * 1e6 for start, end in zip(before, after, strict=True)]
    server_costs = " + ".join(f"{each / number * 1e6:.0f}" for each in servers)
    print(
        f"streams, {body:>3} a request, {workers} workers: collector {used[0]:.0f}, workers {sum(used[1:]):.0f}, "
        f"servers {server_costs}; {fill:.1f} events a pack; {results:.0f} bytes of results; {number / took:,.0f}/s",
        flush=True,
    )


def idle_costs(_: int) -> None:
    """Processes that have nothing to do, with 16 partitions."""
    for nodes in NODES:
        with tempfile.TemporaryDirectory() as folder, server(SINK) as url, Cluster(Path(folder), nodes) as cluster:
            address = f"{cluster.servers()}/bench?partitions=16&replicas={nodes}"
            worker = ServeProcess("w1", _connections(Path(folder), url), address, "delivery")
            try:
                worker.start().ready()
                time.sleep(SETTLING)
                before = _used(worker)
                with spending(cluster) as spent:
                    time.sleep(IDLE)
                    servers = spent().nodes.values()
                used = _used(worker) - before
            finally:
                worker.kill()
        each = " + ".join(f"{seconds / IDLE * 1e3:.0f}" for seconds in servers)
        print(f"idle: worker {used / IDLE * 1e3:.0f} ms CPU a second, servers {each}", flush=True)


def _connections(folder: Path, url: str) -> Path:
    file = folder / "connections.yaml"
    file.write_text(CONNECTIONS.format(url=url).replace("load-key", KEY))
    return file


def _used(process: ServeProcess) -> float:
    return float(sum(psutil.Process(process.pid).cpu_times()[:2]))


def _load(ports: Sequence[int], workers: Sequence[ServeProcess], number: int, body: int) -> float:
    """Send events, and wait until the workers have finished all; return the seconds by the clock."""
    began = time.perf_counter()
    asyncio.run(_send(ports, number, body))
    while (done := sum(map(_finished, workers))) < number:
        assert time.perf_counter() - began < PATIENCE, f"{done} of {number}"
        time.sleep(0.25)
    return time.perf_counter() - began


async def _send(ports: Sequence[int], number: int, body: int) -> None:
    numbers = iter(range(0, number, body))

    async def client(port: int) -> None:
        connection = ChaosConnection(port)
        for first in numbers:
            batch = [event(at).raw for at in range(first, min(first + body, number))]
            assert await connection.post(b'{"batch":[' + b",".join(batch) + b"]}") == 200
        connection.close()

    await asyncio.gather(*(client(ports[at % len(ports)]) for at in range(CLIENTS)))


def _finished(process: ServeProcess) -> int:
    """Return how many events a process has finished, by its metrics."""
    asked = urllib.request.Request(f"{process.admin}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return sum(int(float(each)) for each in EVENTS_OF.findall(answer.read()))


def _messages(cluster: Cluster, stream: str) -> int:
    for account in cluster.nodes[1].asked("jsz?streams=true&accounts=true")["account_details"]:
        for each in account["stream_detail"]:
            if each["name"] == stream:
                return int(each["state"]["last_seq"])
    raise AssertionError(stream)


PARTS: dict[str, Callable[[int], None]] = {
    "processes": process_costs,
    "idle": idle_costs,
    "packs": pack_costs,
    "window": lambda _: window_cost(IDS),
    "headers": header_cost,
    "view": view_cost,
    "disk": disk_cost,
}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--parts", default=",".join(PARTS))
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--page", action="store_true", help="write the figures of docs/scale.md and measure nothing")
    given = options.parse_args()
    if given.page:
        PAGE.write_text(filled(PAGE.read_text(), figures()))
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", flush=True)
    for name in given.parts.split(","):
        PARTS[name](given.events)
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
