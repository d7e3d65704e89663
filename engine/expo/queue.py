"""The queue and the identity of the Expo client, in one SQLite file.

SQLite because an event and its identity must be stored together or not at all, and must survive when the app is killed.
The write key is never stored: an event has a fingerprint of the key it was recorded with, and waits until that key is
used again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson

from engine.expo.events import Identity, Reporter
from engine.records import Report

FILE: Final = "expo-segment.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_source ON events (source, id);
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
"""
_ADD = "INSERT INTO events (source, body) VALUES (?, ?)"
_IDENTIFY = "INSERT OR REPLACE INTO identity (one, body) VALUES (1, ?)"
_OLDEST = "SELECT id, body FROM events WHERE id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?"
_NEXT = "SELECT id, body FROM events WHERE source = ? AND id <= ? ORDER BY id LIMIT ?"
_SOURCES = "SELECT source, count(*), min(id) FROM events GROUP BY source ORDER BY min(id)"
_LAST = "SELECT coalesce(max(id), 0) FROM events"
_REMOVE = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))"


class QueuedBatch(NamedTuple):
    """Events of one source, oldest first, small enough for one request."""

    source: str
    ids: tuple[int, ...]
    bodies: tuple[bytes, ...]


class Queue:
    """The waiting events and the identity. Not thread-safe: the client holds a lock."""

    def __init__(self, database: sqlite3.Connection, limit: int) -> None:
        self._database = database
        self._limit = limit
        self._sending: tuple[int, ...] = ()

    @classmethod
    def open(cls, directory: Path, limit: int, report: Reporter) -> Self:
        """Open the file in `directory`; a damaged file is renamed, and an unusable directory is replaced by memory."""
        path = directory / FILE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(_open_or_replace(path, report), limit)
        except (OSError, sqlite3.Error) as problem:
            text = f"{path} cannot be used ({problem}); events are kept in memory and lost when the app ends."
            report(Report("storage-failed", "storage", text))
            return cls(_connect(":memory:"), limit)

    def identity(self) -> Identity | None:
        """Return the stored identity, if any."""
        row = self._database.execute("SELECT body FROM identity").fetchone()
        if row is None:
            return None
        anonymous_id, user_id, traits = orjson.loads(row[0])
        return Identity(anonymous_id, user_id, traits)

    def keep(self, identity: Identity) -> None:
        """Store an identity."""
        self._database.execute(_IDENTIFY, (orjson.dumps(tuple(identity)),))

    def add(self, source: str, body: bytes, identity: Identity | None) -> list[bytes]:
        """Add an event and its new identity; return the oldest events, dropped to make room."""
        with self._transaction():
            self._database.execute(_ADD, (source, body))
            if identity is not None:
                self.keep(identity)
            return self._make_room()

    def _make_room(self) -> list[bytes]:
        over = len(self) - self._limit
        if over <= 0:
            return []
        # events being sent must not be reported as dropped: they may have arrived
        oldest = self._database.execute(_OLDEST, (_numbers(self._sending), over)).fetchall()
        self._database.execute(_REMOVE, (_numbers([number for number, _ in oldest]),))
        return [body for _, body in oldest]

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM events").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Return the number of waiting events by source, the source with the oldest event first."""
        return {source: count for source, count, _ in self._database.execute(_SOURCES)}

    def last(self) -> int:
        """Return the number of the newest event."""
        return int(self._database.execute(_LAST).fetchone()[0])

    def next(self, sources: Collection[str], up_to: int, events: int, size: int) -> QueuedBatch | None:
        """Return the next batch, of at most `events` events and `size` bytes; it stays queued until removed."""
        source = next((source for source in self.counts() if source in sources), None)
        rows = [] if source is None else self._database.execute(_NEXT, (source, up_to, events)).fetchall()
        if source is None or not rows:
            return None
        rows = rows[: _fitting([body for _, body in rows], size)]
        self._sending = tuple(number for number, _ in rows)
        return QueuedBatch(source, self._sending, tuple(body for _, body in rows))

    def put_back(self) -> None:
        """Return the last batch to the queue: it did not arrive."""
        self._sending = ()

    def remove(self, batch: QueuedBatch) -> None:
        """Remove a batch that arrived, or was refused for good."""
        self._database.execute(_REMOVE, (_numbers(batch.ids),))
        self._sending = ()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _open_or_replace(path: Path, report: Reporter) -> sqlite3.Connection:
    try:
        return _connect(str(path))
    except sqlite3.OperationalError:
        raise  # locked, read-only, full: the file itself may be sound
    except sqlite3.DatabaseError as problem:
        for part in ("", "-wal", "-shm"):  # an old write-ahead log would be applied to the new file
            found = Path(f"{path}{part}")
            found.replace(f"{path}.damaged{part}") if found.exists() else None
        text = f"{path} is damaged ({problem}); it was renamed to {path.name}.damaged and a new queue was created."
        report(Report("storage-damaged", "storage", text))
        return _connect(str(path))


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")  # after a call returns, its event is on the disk
        database.executescript(_SCHEMA)
        _check(database)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise sqlite3.DatabaseError(result)


def _fitting(bodies: list[bytes], size: int) -> int:
    """Return how many of the first bodies fit; at least one, since an event is far smaller than a batch."""
    used = 0
    for count, body in enumerate(bodies):
        used += len(body) + 1
        if used > size and count:
            return count
    return len(bodies)


def _numbers(numbers: Collection[int]) -> str:
    return orjson.dumps(list(numbers)).decode()
