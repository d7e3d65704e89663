"""The rows from bytes to bodies: the engine's and its peers', each in a process of its own, in turns.

    python -m benchmarks.plan [--rounds 15] [--only plan_json,hand,...]

Each turn stands between two turns of the reference, orjson reading and writing the same events, and its ratio to their
mean is what counts: this machine changes its speed from minute to minute, and both sides change with it. Before
anything is timed, the bodies of all rows are compared, event by event; where they differ, nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from orjson import loads

from benchmarks import corpus
from benchmarks._table import Measured, Turn, table

ROOT = Path(__file__).resolve().parent.parent
NODE = ROOT / "benchmarks/peers"
REFERENCE = "orjson"
ROUNDS = 15
GENERATION = 5
"""Rounds that a process lives: where memory lies and what a JIT chose differ from process to process."""
WARM = 3


class Row(NamedTuple):
    """A line of the table: a row of `benchmarks/rows.py` or `peers/rows.mjs` with one of the inputs."""

    name: str
    input: str
    title: str
    goal: str = ""
    group: str = "plan"

    @property
    def key(self) -> str:
        """Its name in reports: `plan_json/all`."""
        return f"{self.name}/{self.input}"


MAPPINGS = tuple(path.stem for path in sorted((ROOT / "mappings").glob("*.yaml")) if path.stem != "exponea")
GOALS = {"user_com": "2.8"}
ROWS = (
    Row("orjson-loads", "all", "orjson, reading alone"),
    Row("plan_json", "all", "plan_json, exponea", "2.2"),
    Row("plan", "all", "plan of a parsed event, exponea"),
    Row("batch", "bodies", "bodies of 100 events to batches of 50, exponea", "2.3"),
    *(Row(f"plan_json:{name}", f"all-{name}", f"plan_json, {name}", GOALS.get(name, "")) for name in MAPPINGS),
    Row("plan_json", "small", "plan_json, events of 0.5 KB", "3.5"),
    Row("plan_json", "products-8", "plan_json, product lists of 8 KB", "2.2"),
    Row("plan_json", "products-32", "plan_json, product lists of 32 KB", "2.2"),
    *(Row("plan_json", kind, f"plan_json, {kind} calls") for kind in corpus.KINDS),
    Row("hand", "all", "Python by hand", group="peers"),
    Row("hand-batch", "bodies", "Python by hand, batches of 50", group="peers"),
    Row("jmespath", "all", "jmespath, an expression a field", group="peers"),
    Row("node-json", "all", "Node.js: JSON.parse and JSON.stringify", group="npm"),
    Row("node-hand", "all", "Node.js by hand", group="npm"),
    Row("mapping-kit", "all", "Segment's mapping-kit", group="npm"),
    Row("mapping-kit-batch", "bodies", "Segment's mapping-kit, batches of 50", group="npm"),
    Row("workflow-engine", "all", "RudderStack's workflow engine", group="npm"),
)
NO_BODIES = {"orjson", "orjson-loads", "node-json"}
COMPARED = ("all", "alias", "odd")


class Running:
    """The process of a row."""

    def __init__(self, name: str, *, node: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.rows", name]
        if node:
            command = [sys.executable, "-m", "tests.node", str(NODE / "rows.mjs"), name]
        self.name = name
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> dict[str, float]:
        """Send a command and return the response."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        response = self.process.stdout.readline()
        if not response:
            raise SystemExit(f"the row {self.name} ended; its own message stands above")
        return dict(json.loads(response))

    def turn(self, file: Path, count: int) -> Turn:
        """Time one pass."""
        took = self.ask(f"pass {file}")
        return Turn(took["wall"], took["cpu"], count)

    def close(self) -> None:
        """End it."""
        self.process.communicate()


@contextmanager
def running(rows: Iterable[Row]) -> Iterator[dict[str, Running]]:
    """Run the processes of rows, and of the reference."""
    with ExitStack() as stack:
        found: dict[str, Running] = {}
        for name, group in {REFERENCE: "plan", **{row.name: row.group for row in rows}}.items():
            found[name] = Running(name, node=group == "npm")
            stack.callback(found[name].close)
        yield found


class Inputs:
    """The inputs as files, with how many events each has."""

    def __init__(self, folder: Path, count: int = 5000) -> None:
        self.folder = folder
        found = corpus.inputs(count)
        self.counts = {name: len(lines) for name, lines in found.items()} | {"bodies": len(found["all"])}
        for name, lines in found.items():
            corpus.write(self.file(name), lines)
        self._all = found["all"]

    def add_mapping(self, mapping: str) -> None:
        """Add the events of which a mapping makes requests; the others are over before anything is mapped."""
        from benchmarks.rows import NOW, connected

        plan, name = connected(mapping).plan_json, f"all-{mapping}"
        lines = [raw for raw in self._all if plan(raw, now=NOW).requests]
        self.counts[name] = len(lines)
        corpus.write(self.file(name), lines)

    def file(self, name: str) -> Path:
        """Return an input's file."""
        return self.folder / f"{name}.ndjson"


def compare(rows: Sequence[Row], inputs: Inputs) -> list[str]:
    """Compare the bodies of all rows with the engine's; exits where they differ. Returns what was compared."""
    made = [row for row in rows if row.name not in NO_BODIES and row.input in {"all", "bodies"}]
    engine = Row("plan_json", "all", "")
    with running([engine, *made]) as processes:
        for kind in COMPARED:
            want = bodies(processes[engine.name], inputs.file(kind))
            for row in made:
                if row.input == "bodies" and kind != "all":
                    continue
                found = bodies(processes[row.name], inputs.file("bodies" if row.input == "bodies" else kind))
                if found != want:
                    raise SystemExit(difference(row, kind, found, want))
    return sorted({row.name for row in made})


def bodies(process: Running, file: Path) -> list[Any]:
    """Return the bodies that a row makes; batches are taken apart. 1.0 is 1, as in JSON, and True is not 1."""
    output = file.with_suffix(".output")
    process.ask(f"write {file} {output}")
    found = [loads(line) for line in output.read_bytes().splitlines()]
    if found and "commands" in found[0]:
        found = [item["data"] for value in found for item in value["commands"]]
    return list(map(plain, found))


def plain(value: Any) -> Any:
    """Return a value that is equal where its JSON means the same."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return (type(value) is bool, value)


def difference(row: Row, kind: str, found: list[Any], want: list[Any]) -> str:
    """Say where bodies differ first."""
    if len(found) != len(want):
        return f"{row.name} makes {len(found)} bodies of {kind}, and the engine {len(want)}; nothing was measured"
    number = next(n for n, (mine, other) in enumerate(zip(found, want, strict=True)) if mine != other)
    return f"{row.name}, {kind}: body {number} is {found[number]}\nthe engine's is {want[number]}; nothing was measured"


def measure(rows: Sequence[Row], inputs: Inputs, rounds: int) -> list[Measured]:
    """Time the rows in turns, in a new order each round."""
    measured = {row: Measured(row.key, row.title, row.goal) for row in rows}
    for first in range(0, rounds, GENERATION):
        with running(rows) as processes:
            for row in rows:
                for _ in range(WARM):
                    processes[row.name].turn(inputs.file(row.input), 1)
            for number in range(first, min(first + GENERATION, rounds)):
                for row in random.Random(number).sample(rows, len(rows)):
                    take(measured[row], processes, row, inputs)
    return list(measured.values())


def take(into: Measured, processes: dict[str, Running], row: Row, inputs: Inputs) -> None:
    """Time one turn between two of the reference."""
    events, count = inputs.file("all" if row.input == "bodies" else row.input), inputs.counts[row.input]
    before = processes[REFERENCE].turn(events, count)
    turn = processes[row.name].turn(inputs.file(row.input), count)
    into.add(turn, before, processes[REFERENCE].turn(events, count))


def chosen(only: Sequence[str], groups: Sequence[str]) -> list[Row]:
    """Return the rows of these names and groups."""
    return [row for row in ROWS if row.group in groups and (not only or row.name in only or row.key in only)]


def has_npm() -> bool:
    """Whether the packages of the npm rows are installed."""
    return (NODE / "node_modules").is_dir()


def run(rows: Sequence[Row], rounds: int, count: int = 5000) -> list[Measured]:
    """Compare, then measure."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(Path(folder), count)
        for row in rows:
            if row.input.startswith("all-"):
                inputs.add_mapping(row.input.removeprefix("all-"))
        names = compare(rows, inputs)
        print(f"the bodies of {', '.join(names)} are equal, event by event", flush=True)
        return measure(rows, inputs, rounds)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--events", type=int, default=5000)
    options.add_argument("--only", default="", help="names of rows, by commas")
    given = options.parse_args()
    groups = ("plan", "peers", "npm") if has_npm() else ("plan", "peers")
    rows = chosen([name for name in given.only.split(",") if name], groups)
    print("\n".join(table(run(rows, given.rounds, given.events))))
    if "npm" not in groups:
        print("without Node.js: `make bench` installs its packages")


if __name__ == "__main__":
    main()
