"""`make demo`: the samples as planned requests (a few in full, all as counts), then delivered into the sandbox.

It runs the installed command and prints what it runs, so that everything seen here can be typed again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.records import Json
from engine.sources.read import read_events

HERE = Path(__file__).parent
ENGINE = [sys.executable, "-m", "engine"]
TELLING: tuple[dict[str, Json], ...] = (
    {"type": "page"},
    {"type": "identify"},
    {"type": "track"},
)
SENT = ("exponea", "extole", "user_com")  # the fourth mapping has the same vendor as the first
FOUND_INVALID = 1  # a sample may be invalid for one destination on purpose; the table says why


def main() -> int:
    """Run the three commands; 0 unless one of them could not do its work."""
    files = [str(path.relative_to(Path.cwd())) for path in sample_files()]
    mappings = sorted(path.stem for path in (HERE.parent / "mappings").glob("*.yaml"))
    shown = "\n".join(telling_events(files)).encode()
    codes = [
        run(["run", *mappings, "--example-settings", "--events", "-"], "three of the samples", shown),
        run(["run", *mappings, "--example-settings", "--format", "ndjson", "--events", *spread(files)], "all of them"),
        run(["send", *SENT, "--sandbox", "--events", *spread(files)], "delivered, into emulated vendors"),
    ]
    return max((code for code in codes if code != FOUND_INVALID), default=0)


def sample_files() -> list[Path]:
    """Give the sample files, whatever form they are in."""
    return sorted(path for path in HERE.iterdir() if path.name.endswith((".json", ".ndjson", ".ndjson.gz")))


def telling_events(files: list[str]) -> Iterator[str]:
    """Give the first sample of each kind in TELLING."""
    wanted = list(TELLING)
    for file in files:
        with read_events(file, stdin=sys.stdin.buffer) as reader:
            for line in reader:
                kind = next((kind for kind in wanted if is_a(line.value, kind)), None)
                if kind is not None and line.raw is not None:
                    wanted.remove(kind)
                    yield line.raw.decode().replace("\n", " ")


def is_a(event: Json, kind: dict[str, Json]) -> bool:
    """Whether an event has everything a kind asks for."""
    return isinstance(event, dict) and kind.items() <= event.items()


def spread(files: list[str]) -> list[str]:
    """Repeat `--events` between files."""
    return [word for file in files for word in ("--events", file)][1:]


def run(words: list[str], about: str, stdin: bytes = b"") -> int:
    """Say a command, and run it; the records of `--format ndjson` are for programs, and left out here."""
    print(f"\n$ engine {' '.join(words)}    # {about}", flush=True)
    quiet = subprocess.DEVNULL if "ndjson" in words else None
    return subprocess.run([*ENGINE, *words], input=stdin, stdout=quiet, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
