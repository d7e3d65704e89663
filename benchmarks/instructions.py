"""Counts the instructions of planning fixed events, and compares them with benchmarks/instructions.json.

    make bench-check        (or: .venv/bin/python -m benchmarks.instructions [--update])

Valgrind's callgrind counts the same on a busy machine as on a quiet one, so a slow-down is seen without one. Each case
runs in a thread of its own, whose instructions are counted apart: imports and loading are in none of them, and what a
thread itself takes is subtracted. The counts are those of one build of Python and one version of orjson: with others,
and where orjson's or Python's own work takes other instructions than it did, nothing is compared.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "benchmarks/instructions.json"
EVENTS = 40
TOLERANCE = 0.03
"""How much more is a slow-down."""
SAME_MACHINE = 0.01
"""How much the cases that are no work of the engine may differ."""
CALIBRATION = ("orjson", "hand")
MISSING = """\
valgrind is not installed, so no instructions were counted and nothing was compared.
  Debian, Ubuntu: apt-get install valgrind"""
UPDATE = """\
To compare on this machine, store its counts before a change: .venv/bin/python -m benchmarks.instructions --update"""


class Case(NamedTuple):
    """A row of benchmarks/rows.py and the input it reads."""

    row: str
    input: str

    @property
    def name(self) -> str:
        """As in the stored file: `plan_json/track`."""
        return f"{self.row}/{self.input}"


def cases() -> list[Case]:
    """Return what is counted: each kind of call, each shipped mapping, batches, small and large events."""
    from benchmarks.corpus import KINDS
    from benchmarks.plan import MAPPINGS

    inputs = ("all", *KINDS, "odd", "small", "products-8")
    found = [*(Case("plan_json", name) for name in inputs), *(Case(f"plan_json:{name}", "all") for name in MAPPINGS)]
    return [*(Case(name, "all") for name in CALIBRATION), *found, Case("plan", "all"), Case("batch", "bodies")]


def work_of(case: Case, folder: Path) -> Callable[[], None]:
    """Return one pass over the events of a case."""
    from benchmarks.rows import lines, row

    work, events = row(case.row), lines(str(folder / f"{case.input}.ndjson"))

    def once() -> None:
        for raw in events:
            work(raw)

    return once


def worker(folder: Path) -> None:
    """Run every case under callgrind, the first in thread 3; thread 2 does nothing.

    Nothing is counted before the parent has seen that all is ready: callgrind is slow, and much has to be loaded.
    """
    gc.disable()
    works = [work_of(case, folder) for case in cases()]
    for work in works:
        work()  # what is learned from events is known
    (folder / "ready").touch()
    while not (folder / "counting").exists():  # not asleep: callgrind listens while a program runs
        pass
    Relay([lambda: None, *works]).run()


class Relay:
    """Threads of which one runs at a time; all live to the end, so that none gets the number of one that ended."""

    def __init__(self, works: list[Callable[[], None]]) -> None:
        self.starts = [threading.Semaphore(0) for _ in works]
        self.done = threading.Semaphore(0)
        self.end = threading.Event()
        self.threads = [
            threading.Thread(target=self._thread, args=(start, work))
            for start, work in zip(self.starts, works, strict=True)
        ]

    def run(self) -> None:
        """Start all, let each run in turn, and end."""
        for thread in self.threads:
            thread.start()
        for start in self.starts:
            start.release()
            self.done.acquire()
        self.end.set()
        for thread in self.threads:
            thread.join()

    def _thread(self, start: threading.Semaphore, work: Callable[[], None]) -> None:
        start.acquire()
        work()
        self.done.release()
        self.end.wait()


def count() -> dict[str, int]:
    """Return the instructions of one pass of each case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
        command += [
            f"--callgrind-out-file={folder}/counted",
            sys.executable,
            "-m",
            "benchmarks.instructions",
            "--worker",
            name,
        ]
        if (fixed := shutil.which("setarch")) is not None:  # the order of objects in memory is the order of some sets
            command = [fixed, platform.machine(), "-R", *command]
        with (folder / "log").open("w+") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)
            while process.poll() is None and not (folder / "ready").exists():
                time.sleep(0.1)
            control("--instr=on", str(process.pid))
            (folder / "counting").touch()
            if process.wait():
                raise SystemExit(f"valgrind ended with {process.returncode}:\n{(folder / 'log').read_text()}")
        threads = dict(totals(file) for file in folder.glob("counted-*"))
    return {case.name: threads[3 + n] - threads[2] for n, case in enumerate(cases())}


def control(*words: str) -> None:
    """Tell callgrind something."""
    subprocess.run(["callgrind_control", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_inputs(folder: Path) -> None:
    """Write the first events of each input, and the first bodies."""
    from benchmarks.corpus import inputs, write

    for name, found in inputs(EVENTS * 8).items():
        write(folder / f"{name}.ndjson", found[: 1 if name == "bodies" else EVENTS])


def environment() -> dict[str, str]:
    """Return what the counted process sees: no caches of the user, hashes that are the same each time."""
    return {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def totals(file: Path) -> tuple[int, int]:
    """Return the number of a thread and its instructions."""
    found: dict[str, int] = {}
    with file.open() as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name in {"thread", "totals"}:
                found[name] = int(value)
    return found["thread"], found["totals"]


def build() -> dict[str, str]:
    """Return what the counts hold for."""
    import orjson

    return {"python": sys.version, "orjson": orjson.__version__, "machine": platform.machine()}


def not_comparable(stored: Mapping[str, object], counts: Mapping[str, int]) -> str:
    """Say why counts cannot be compared with the stored ones; '' if they can."""
    other = [f"{name} {stored[name]}, not {value}" for name, value in build().items() if stored[name] != value]
    if other:
        return f"the stored counts are of {'; '.join(other)}"
    reference: Mapping[str, int] = stored["counts"]  # type: ignore[assignment]
    for name in (case.name for case in cases() if case.row in CALIBRATION):
        if abs(counts[name] / reference[name] - 1) > SAME_MACHINE:
            return f"{name}, no work of the engine, takes {counts[name]:,} instructions; {reference[name]:,} are stored"
    return ""


def report(reference: Mapping[str, int], counts: Mapping[str, int]) -> tuple[list[str], bool]:
    """Return a line for each case, and whether none is slower than the tolerance allows."""
    lines, well = [], True
    for name, mine in counts.items():
        before = reference.get(name)
        if before is None:
            lines.append(f"{name:36} {mine:12,}  new: --update stores it")
            continue
        change = mine / before - 1
        lines.append(f"{name:36} {before:12,} -> {mine:12,}  {change:+7.1%}{note(change)}")
        well = well and change <= TOLERANCE
    return lines, well


def note(change: float) -> str:
    """Say what a change means; '' for a small one."""
    if change > TOLERANCE:
        return f"  slower: more than {TOLERANCE:.0%}"
    return "  faster: --update stores it" if change < -TOLERANCE else ""


def main() -> None:
    """Count, then compare or store."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--update", action="store_true", help="store the counts instead of comparing them")
    options.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker:
        worker(given.worker)
        return
    if shutil.which("valgrind") is None:
        print(MISSING)
        return
    counts = count()
    if given.update:
        STORED.write_text(json.dumps({**build(), "events": EVENTS, "counts": counts}, indent=2) + "\n")
        print(f"stored {len(counts)} counts in {STORED.relative_to(ROOT)}")
        return
    stored = json.loads(STORED.read_text())
    why = not_comparable(stored, counts)
    if why:
        print(f"nothing was compared: {why}.\n{UPDATE}")
        return
    lines, well = report(stored["counts"], counts)
    print("instructions of one pass over the events of a case, stored and now", *lines, sep="\n")
    sys.exit(not well)


if __name__ == "__main__":
    main()
