"""Fills a small file system with an outbox of finished events, then purges it: DIRECTORY, BYTES of an event.

With `migrate` in place of the bytes: with an outbox of an older version, which has to wait for room.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from engine.delivery.outbox.base import Change, NewEvent, OutboxFull
from engine.delivery.outbox.file import VERSIONS, no_space_to_migrate
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


def older(path: Path) -> None:
    """Make an outbox of version 3 with 20,000 events."""
    with closing(sqlite3.connect(path)) as db:
        for statement in (each for part in VERSIONS[:3] for each in part):
            db.execute(statement)
        db.execute("INSERT INTO connections (id, name) VALUES (1, 'a')")
        numbers = [(number,) for number in range(1, 20_001)]
        db.executemany("INSERT INTO events VALUES (?1, 's', 'm' || ?1, '', 1.0, zeroblob(800), NULL)", numbers)
        db.executemany(
            "INSERT INTO states (place, event, connection, outcome, reason, queued_at, changed_at) "
            "VALUES (?1, ?1, 1, 'rejected', 'the vendor answered 422', 1.0, 1.0)",
            numbers,
        )
        db.execute("PRAGMA user_version = 3")
        db.commit()


def let_others_fill(directory: Path) -> Path:
    """Take the last room."""
    path = directory / "others"
    with suppress(OSError), path.open("wb", buffering=0) as others:
        while True:
            others.write(b"x" * 4096)
    return path


def migrate(directory: Path) -> None:
    """Bring an outbox up without room, then with it."""
    path = directory / "outbox.db"
    older(path)
    others = let_others_fill(directory)
    os.truncate(others, others.stat().st_size - 200_000)  # for `-shm`
    with pytest.raises(OutboxFull) as raised:
        SqliteOutbox(path)
    assert str(raised.value) == no_space_to_migrate(path, 20_000)
    others.unlink()
    outbox = SqliteOutbox(path)
    assert outbox.counts() == {("a", Outcome.REJECTED): 20_000}
    while outbox.key_some():
        pass
    outbox.close()


def main(directory: Path, size: int) -> None:
    """Fill, and let others take the last room; then look, purge and go on."""
    path = directory / "outbox.db"
    fill(path, size)
    Path(f"{path}-shm").unlink(missing_ok=True)
    let_others_fill(directory)
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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", sys.argv[1]], check=True)
    if sys.argv[2] == "migrate":
        migrate(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
