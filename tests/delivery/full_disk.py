"""Fills a small file system with an outbox of finished events, then purges it: DIRECTORY, BYTES of an event."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

from engine.delivery.outbox.base import Change, NewEvent, OutboxFull
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

NOW = 1_000.0
CHANCE = Random(7)


def events(count: int, size: int) -> list[NewEvent]:
    """Return events with random ids, which touch as many pages of the index as they can."""
    time = "2026-01-01T00:00:00Z"
    return [NewEvent("s", f"{CHANCE.getrandbits(128):032x}", time, b"x" * size) for _ in range(count)]


def fill(path: Path, size: int) -> None:
    """Take in and finish events until the disk is full; what is in the `-wal` then stays there, as after a crash."""
    outbox = SqliteOutbox(path)
    with suppress(OutboxFull):
        while True:
            outbox.take_in(events(100, size), ["a"], NOW)
            fence = outbox.lease("a", "w", NOW, 10)
            rows = outbox.waiting("a", 0, 100)
            outbox.write("a", fence, [Change(row.place, Outcome.DELIVERED, "") for row in rows], NOW)
    outbox.close()


def main(directory: Path, size: int) -> None:
    """Fill, and let others take the last room; then look, purge and go on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", directory], check=True)
    path = directory / "outbox.db"
    fill(path, size)
    Path(f"{path}-shm").unlink(missing_ok=True)
    with suppress(OSError), (directory / "others").open("wb", buffering=0) as others:
        while True:
            others.write(b"x" * 4096)
    outbox = SqliteOutbox(path)
    outbox.overview(10)
    outbox.close()
    outbox = SqliteOutbox(path)
    purged = outbox.purge(NOW + 1)
    assert purged.events > 1000, purged
    assert set(purged.outcomes) == {Outcome.DELIVERED}
    outbox.take_in(events(1000, size), ["a"], NOW)
    outbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
