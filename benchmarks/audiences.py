"""How long an audience takes to be computed and sent, and what the archive costs the collector.

    python -m benchmarks.audiences [--events 20000000] [--users 1000000] [--days 90] [--members 100000]
    python -m benchmarks.audiences --only recompute|sync|ingest       one part; --archive DIR uses the archive in DIR
    python -m benchmarks.audiences --row sync 10000                   a part as JSON, for benchmarks/programs.py

recompute   members of an audience over 30 days, and what else is computed, from an archive made by DuckDB; each in a
            process of its own, so that its peak memory is seen
sync        an audience of so many members, from nothing to the last response of a vendor that costs nothing; beside it
            as many identify calls that come in by themselves, in turns
ingest      `serve` under load with and without --archive, in turns
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import _archive
from benchmarks._load import CONNECTIONS, Load, collecting, drive
from benchmarks._table import markdown
from benchmarks.collector import processors, waiting
from benchmarks.delivery import SINK, server
from engine.archive.catalog import Catalog
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox

ROOT = Path(__file__).resolve().parent.parent
NOW = _archive.END.timestamp()
PARTS = ("recompute", "sync", "ingest")
DEFINITIONS = """\
audiences:
  - name: Order Completed Last 30days
    did: Order Completed
    within: 30d
  - name: Big Spenders
    all:
      - {did: Order Completed, times: ">= 2", within: 30d, where: properties.total > 100}
      - {traits: {plan: pro}}
  - name: Lapsed
    did_not: Order Completed
    within: 60d
computed_traits:
  - name: Total Spent 30days
    sum: properties.total
    did: Order Completed
    within: 30d
  - name: Last Category
    last: properties.category
    did: Product Viewed
    within: 30d
"""
AUDIENCE = "audiences: [{ name: Ordered, did: Order Completed, within: 30d, connections: [shop] }]\n"
PACK = 500
BACKLOG = 1_000_000


# Members


def recompute(archive: Path) -> list[tuple[str, ...]]:
    """Return a row for each computation: seconds, processors' seconds, peak MB, users."""
    rows = [("users found out anew, then the first of these", child("users", archive))]
    rows += [(name, child("compute", archive, name)) for name in names()]
    _archive.add(archive, users_of(archive), 10_000)
    rows.append((f"{names()[0]}, 10,000 events later", child("compute", archive, names()[0])))
    return [
        (what, f"{found['wall']:.1f} s", f"{found['cpu']:.1f} s", f"{found['peak']:.0f} MB", f"{found['count']:,}")
        for what, found in rows
    ]


def names() -> list[str]:
    """Return the names of what is computed."""
    return [line.partition("name: ")[2] for line in DEFINITIONS.splitlines() if "name: " in line]


def users_of(archive: Path) -> int:
    """Return how many users the events are of."""
    return int((archive / "users").read_text())


def child(*words: object) -> dict[str, Any]:
    """Run a part in a process of its own, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.audiences", "--child", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(work: Callable[[], int]) -> dict[str, Any]:
    """Do something once; return what it took, and this process's peak memory in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "count": count, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def compute_one(archive: Path, name: str) -> int:
    """Compute the members of a definition, as a first sync does before it sends; return how many there are."""
    from engine.archive.connecting import QueryLimits
    from engine.audiences.definitions import load as load_definitions
    from engine.audiences.feeding import FeedingHooks
    from engine.audiences.state import AudienceState
    from engine.audiences.syncing import Syncer, SyncSettings

    with tempfile.TemporaryDirectory() as folder, closing(AudienceState(Path(folder) / "state")) as state:
        file = Path(folder) / "audiences.yaml"
        file.write_text(DEFINITIONS)
        definition = load_definitions(file).named(name)
        assert definition is not None
        hooks = FeedingHooks(lambda: NOW, time.sleep)
        return Syncer(state, SyncSettings(archive, {}, QueryLimits(), hooks)).preview(definition, NOW).run.size


def compute_users(archive: Path) -> int:
    """The same when nothing is known of users yet."""
    from engine.archive import people

    with Catalog.open(archive) as catalog, catalog.maintenance():
        people.forget(catalog)
    return compute_one(archive, names()[0])


# Sync


class Synced(NamedTuple):
    """Seconds until all members were fed and until all were delivered, and of processors in the server."""

    fed: float
    delivered: float
    cpu: float


def sync(members: int, rounds: int) -> list[tuple[str, ...]]:
    """Return a row for each way in which as many identify calls get to the vendor."""
    plain, synced, alone = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        _archive.make_members(archive, members)
        for _ in range(rounds):
            plain.append(delivered(lambda directory: put(directory, members), members))
            synced.append(delivered(lambda directory: command(directory, archive), members))
            alone.append(fed_alone(archive))
    ratio = statistics.median(each.delivered / other.delivered for each, other in zip(synced, plain, strict=True))
    quickest = min(plain, key=lambda each: each.delivered), min(synced, key=lambda each: each.delivered)
    rows = [
        (f"{members:,} identify calls that are in the outbox at once", *quickest[0]),
        (f"an audience of {members:,} members, beside a server", *quickest[1]),
        ("the same without a server: computed, compared, fed", min(alone), 0.0, 0.0),
    ]
    return [
        (what, f"{fed:.1f} s", f"{took:.1f} s" if took else "", f"{members / (took or fed):,.0f}", note)
        for (what, fed, took, _), note in zip(rows, ("", f"x {ratio:.2f} (median)", ""), strict=True)
    ]


def delivered(feed: Callable[[Path], object], members: int) -> Synced:
    """Serve, feed, and wait until the vendor has all; return what it took."""
    with served() as (directory, service):
        used, began = processors(service), time.perf_counter()
        feed(directory)
        fed = time.perf_counter() - began
        while waiting(directory / "outbox.db"):
            time.sleep(0.1)
        wall, used = time.perf_counter() - began, processors(service) - used
        with closing(SqliteOutbox(directory / "outbox.db")) as outbox:
            assert outbox.counts() == {("shop", "delivered"): members}, outbox.counts()
    return Synced(fed, wall, used)


@contextmanager
def served() -> Iterator[tuple[Path, int]]:
    """Serve with one connection to a vendor that costs nothing; yield the directory and the server's process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server(SINK) as url,
        collecting(Path(folder), url, BACKLOG, 0) as service,
    ):
        yield Path(folder), service.process.pid
        assert service.stop() == 0


def put(directory: Path, count: int) -> None:
    """Put plain identify calls into an outbox, which are as large as those of an audience."""
    from engine.audiences.events import EventSeries, MemberChange, new_event

    series = EventSeries("ordered", "audience", 1, NOW, b"plain")
    with closing(SqliteOutbox(directory / "outbox.db")) as outbox:
        for start in range(0, count, PACK):
            numbers = range(start, min(count, start + PACK))
            changes = [MemberChange(n, "all", f"user-{n}", f"user-{n}", None, None, "true") for n in numbers]
            events: list[NewEvent] = [new_event(series, each, {"Exponea": True}) for each in changes]
            outbox.take_in([each._replace(source="plain") for each in events], ["shop"], time.time())


def command(directory: Path, archive: Path) -> None:
    """Sync by the command, as if it were the first time."""
    file = directory / "audiences.yaml"
    file.write_text(AUDIENCE)
    words = ["audiences", "sync", "--audiences", str(file), "--archive", str(archive)]
    words += ["--connections", str(directory / "connections.yaml"), "--outbox", str(directory / "outbox.db")]
    words += ["--at", _archive.END.isoformat()]
    shutil.rmtree(archive / "audiences", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def fed_alone(archive: Path) -> float:
    """Sync into an outbox that nobody delivers; return the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "connections.yaml").write_text(CONNECTIONS.format(url="http://127.0.0.1:9"))
        began = time.perf_counter()
        command(Path(folder), archive)
        return time.perf_counter() - began


# Ingest


class Taken(NamedTuple):
    """Events a second, accepted while the load lasted and delivered up to the last; seconds of processors an event.

    `behind` is how many events were not archived when the load ended.
    """

    accepted: float
    whole: float
    cpu: float
    behind: int
    caught_up: float


def ingest(seconds: float, rounds: int) -> list[tuple[str, ...]]:
    """Return a row for a server without and with an archive."""
    without, with_archive = [], []
    for number in range(rounds):
        pair = [(without, False), (with_archive, True)]
        for found, is_on in pair if number % 2 else reversed(pair):
            found.append(loaded(seconds, archive=is_on))
    pairs = list(zip(with_archive, without, strict=True))
    ratio = statistics.median(on.accepted / off.accepted for on, off in pairs)
    whole = statistics.median(on.whole / off.whole for on, off in pairs)
    return [
        _taken("serve", without, ""),
        _taken("serve --archive", with_archive, f"x {ratio:.2f} accepted, x {whole:.2f} until delivered (medians)"),
    ]


def _taken(what: str, found: list[Taken], note: str) -> tuple[str, ...]:
    middle = Taken(*(statistics.median(values) for values in zip(*found, strict=True)))
    behind = f"{middle.behind:,.0f} events, {middle.caught_up:.1f} s" if middle.caught_up else ""
    return what, f"{middle.accepted:,.0f}", f"{middle.whole:,.0f}", f"{middle.cpu * 1e6:.0f} us", behind, note


def loaded(seconds: float, *, archive: bool) -> Taken:
    """Load a server whose vendor costs nothing, until all is delivered, and archived."""
    load = Load(seconds, 16, 100)
    with tempfile.TemporaryDirectory() as folder, server(SINK) as url:
        directory = Path(folder)
        more = ["--archive", str(directory / "archive")] if archive else []
        with collecting(directory, url, 50_000, 1, *more) as service:
            first = Load(0.1, 1, 100)  # so that nothing starts any more while it is measured
            asyncio.run(drive(first, service))
            while waiting(directory / "outbox.db") or (archive and archived(directory) < first.events):
                time.sleep(0.05)
            used, began = processors(service.process.pid), time.perf_counter()
            asyncio.run(drive(load, service, 1_000_000))
            ended = time.perf_counter()
            behind = first.events + load.events - archived(directory) if archive else 0
            while waiting(directory / "outbox.db"):
                time.sleep(0.05)
            wall = time.perf_counter() - began
            while archive and archived(directory) < first.events + load.events:
                time.sleep(0.05)
            caught_up = time.perf_counter() - ended if archive else 0.0
            used = processors(service.process.pid) - used
            assert service.stop() == 0
    return Taken(load.events / seconds, load.events / wall, used / load.events, behind, caught_up)


def archived(directory: Path) -> int:
    """Return how many events are in an archive."""
    if not (directory / "archive/catalog.db").exists():
        return 0
    with Catalog.open(directory / "archive") as catalog:
        return sum(each.rows for each in catalog.snapshot().files)


HEADS = {
    "recompute": ("what is computed", "time", "processors", "peak memory", "users"),
    "sync": ("100 % delivered to a vendor that costs nothing", "fed", "delivered", "a second", "beside plain"),
    "ingest": ("16 clients, 100 events a request", "accepted/s", "until delivered/s", "an event", "behind", "beside"),
}


def tables(parts: list[str], given: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the table of each part."""
    if "recompute" in parts:
        with kept_archive(given) as archive:
            yield [f"{given.events:,} events of {given.users:,} users in {given.days} days:", ""]
            yield markdown(HEADS["recompute"], recompute(archive))
    if "sync" in parts:
        yield markdown(HEADS["sync"], sync(given.members, given.rounds))
    if "ingest" in parts:
        yield markdown(HEADS["ingest"], ingest(given.seconds, given.rounds))


def figures(rounds: int, events: int, archive: Path | None = None) -> list[str]:
    """Return all tables for docs/performance.md: with 500,000, those of 20 M events, 1 M users, 100,000 members."""
    events = min(events, 500_000)
    given = argparse.Namespace(
        events=events * 40,
        users=events * 2,
        days=90,
        members=max(1, events // 5),
        seconds=min(10.0, 0.5 + events / 10_000),
        rounds=max(1, rounds // 3),
        archive=archive,
    )
    return [line for lines in tables([*PARTS], given) for line in ([*lines, ""] if lines[-1] else lines)][:-1]


@contextmanager
def kept_archive(given: argparse.Namespace) -> Iterator[Path]:
    """Make the archive, or use the one that was named and is there."""
    with tempfile.TemporaryDirectory() as folder:
        archive = given.archive or Path(folder) / "archive"
        if not (archive / "users").exists():
            size = _archive.Size(given.events, given.users, given.days)
            made = _archive.make(archive, size)
            (archive / "users").write_text(str(given.users))
            print(f"An archive of {made.bytes / 1e6:,.0f} MB was made in {made.seconds:.0f} s.\n", flush=True)
        yield archive


def row(part: str, count: int) -> dict[str, float]:
    """Measure one part with so many events or members, for a table of ratios."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        if part == "recompute":
            _archive.make(archive, _archive.Size(count, max(1, count // 20), 90))
            child("users", archive)
            return child("compute", archive, names()[0]) | {"count": count}
        _archive.make_members(archive, count)
        found = delivered(lambda directory: command(directory, archive), count)
        return {"wall": found.delivered, "cpu": found.cpu, "count": count}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=20_000_000)
    options.add_argument("--users", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=90)
    options.add_argument("--members", type=int, default=100_000)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--archive", type=Path, help="an archive that is made if it is not there, and kept")
    options.add_argument("--only", default=",".join(PARTS), help="parts, by commas")
    options.add_argument("--row", nargs=2, metavar=("PART", "COUNT"), help="measure one part, and print it as JSON")
    options.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        what, archive, *name = given.child
        work = {"users": compute_users, "compute": compute_one}[what]
        print(json.dumps(measured(lambda: work(Path(archive), *name))))
    elif given.row:
        print(json.dumps(row(given.row[0], int(given.row[1]))))
    else:
        for lines in tables(given.only.split(","), given):
            print("\n".join([*lines, ""] if lines[-1] else lines), flush=True)


if __name__ == "__main__":
    main()
