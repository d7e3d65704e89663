"""The rows that are whole programs: `engine run`, start-up, delivery, `serve` and audiences, each a new process.

    python -m benchmarks.programs [--rounds 5] [--only run,start,delivery,serve,audiences] [--events 200000]

The reference of start-up is a Python that does nothing; that of the others orjson reading and writing an event of the
corpus, measured before and after, so that a machine that changes its speed changes both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus
from benchmarks._table import Measured, Turn, table
from benchmarks.plan import REFERENCE, Running

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
BIN = Path(sys.executable).parent
LOAD = "import engine; engine.load('exponea')"
SCRIPT = """
import sys
from benchmarks.peers.hand import dumps, loads, transform
out = sys.stdout.buffer
for raw in sys.stdin.buffer:
    body = transform(loads(raw))
    if body is not None:
        out.write(dumps(body) + b"\\n")
"""


class Program(NamedTuple):
    """A row: how one turn is made, and what it stands between."""

    group: str
    key: str
    title: str
    turn: Callable[[], Turn]
    reference: Callable[[], Turn]
    goal: str = ""
    unit: str = "us"


def process(*command: str, read: Path | None = None, count: int = 1) -> Turn:
    """Run a program to its end; its output is not kept."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with (read or Path(os.devnull)).open("rb") as given:
        none = subprocess.DEVNULL
        done = subprocess.run(command, cwd=ROOT, env=environment(), stdin=given, stdout=none, stderr=none, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1}:  # 1: there was something to report
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return Turn(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, count)


def environment() -> dict[str, str]:
    """Return the environment of programs: bytecode is kept, as where they are installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def reported(*command: str) -> Turn:
    """Run a benchmark that measures itself, and prints it as JSON in its last line."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Turn(found["wall"], found["cpu"], found["count"])


def programs(round_trip: Callable[[], Turn], folder: Path, count: int, only: Sequence[str]) -> Iterator[Program]:
    """Return the rows of these groups."""
    engine, python = str(BIN / "engine"), sys.executable

    def bare() -> Turn:
        return process(python, "-c", "pass")

    def start(key: str, title: str, goal: str, *command: str) -> Program:
        return Program("start", key, title, lambda: process(*command), bare, goal, "ms")

    if "run" in only:
        events = big(folder, count)
        options = ("--events", str(events), "--example-settings", "--format", "ndjson")
        yield Program(
            "run",
            "run",
            f"engine run, NDJSON, {count:,} events",
            lambda: process(engine, "run", "exponea", *options, count=count),
            round_trip,
            "45,000/s",
        )
        script = "a script by hand, line by line"
        yield Program(
            "run", "script", script, lambda: process(python, "-c", SCRIPT, read=events, count=count), round_trip
        )
    if "delivery" in only:
        command = ("benchmarks.delivery", "--row", str(min(count, 20_000)))
        yield Program(
            "delivery", "delivery", "delivery, outbox to a sink", lambda: reported(*command), round_trip, "32 us"
        )
    if "serve" in only:
        command = ("benchmarks.collector", "--row", "8" if count >= 20_000 else "1")
        title = "serve: collector and delivery, 100 events a request"
        yield Program("serve", "serve", title, lambda: reported(*command), round_trip, "14,000/s")
    if "audiences" in only:
        whole, some = str(count * 5), str(min(count, 20_000))
        title = f"an audience of 30 days over {count * 5:,} events, each event"
        recompute = ("benchmarks.audiences", "--row", "recompute", whole)
        yield Program("audiences", "recompute", title, lambda: reported(*recompute), round_trip, "0.5 us")
        title = "a first sync to its last delivery, each member"
        sync = ("benchmarks.audiences", "--row", "sync", some)
        yield Program("audiences", "sync", title, lambda: reported(*sync), round_trip)
    if "start" in only:
        one = str(ROOT / "mappings/exponea.yaml")
        yield start("import", "import engine and load a mapping", "50 ms", python, "-c", LOAD)
        yield start("validate", "validate-mappings, one file", "14", str(BIN / "validate-mappings"), one)
        yield start("validate-all", "validate-mappings, all files", "", str(BIN / "validate-mappings"), "mappings")
        yield start("version", "engine --version", "", engine, "--version")


def big(folder: Path, count: int) -> Path:
    """Write so many events, the corpus again and again."""
    found, file = corpus.events(), folder / "big.ndjson"
    with file.open("wb") as out:
        for start in range(0, count, len(found)):
            out.writelines(raw + b"\n" for raw in found[: count - start])
    return file


@contextmanager
def round_trips(folder: Path) -> Iterator[Callable[[], Turn]]:
    """Yield what measures the reference: orjson in a process of its own."""
    file = corpus.write(folder / "all.ndjson", corpus.events())
    reference = Running(REFERENCE, node=False)
    try:
        yield lambda: reference.turn(file, len(corpus.events()))
    finally:
        reference.close()


GROUPS = ("run", "delivery", "serve", "audiences", "start")


def run(only: Sequence[str], rounds: int, count: int = 200_000) -> list[Measured]:
    """Time the programs in turns. Start-up takes three times as many rounds: it is short, and so less even."""
    with tempfile.TemporaryDirectory() as name, round_trips(Path(name)) as round_trip:
        rows = list(programs(round_trip, Path(name), count, only))
        measured = [Measured(row.key, row.title, row.goal, row.unit) for row in rows]
        for number in range(rounds * 3):
            for row, into in zip(rows, measured, strict=True):
                if row.group == "start" or number < rounds:
                    before = row.reference()
                    turn = row.turn()
                    into.add(turn, before, row.reference())
        return measured


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--only", default=",".join(GROUPS))
    options.add_argument("--events", type=int, default=200_000)
    given = options.parse_args()
    print("\n".join(table(run(given.only.split(","), given.rounds, given.events))))


if __name__ == "__main__":
    main()
