"""Which events of a partition are duplicates: a function of the stream alone, so whoever asks gets the same answer.

An event is a duplicate for a connection if one with a lower number that concerned the connection too has its source and
messageId, and came within `WINDOW` before it. What was queued again is none, and makes no other event one. Other than
in a file, duplicates count as well: who resends a messageId every hour is ignored for as long as he does.

The window is a table of SQLite in a temporary file of its own: `CACHE_BYTES` of memory, and some 40 bytes of disk an
event of the last 24 hours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from engine.delivery.outbox.base import WINDOW, OutboxError
from engine.stream.packs import number_of

CACHE_BYTES = 8 * 1024 * 1024
"""Memory of a partition's window."""
SLICES = 64
"""Parts in which old rows are removed, one at a time, so that no call takes long."""
FEWEST = 1000
"""Rows that are added between two removals at least."""

TABLE = """
    CREATE TABLE seen (digest INTEGER, number INTEGER, at REAL, receivers INTEGER, PRIMARY KEY (digest, number))
    WITHOUT ROWID
"""
ADD = "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)"
EARLIER = "SELECT receivers FROM seen WHERE digest = ? AND number < ? AND at >= ? ORDER BY number DESC"
FORGET = "DELETE FROM seen WHERE digest >= ? AND digest <= ? AND at < ?"
PRAGMAS = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", f"PRAGMA cache_size = -{CACHE_BYTES // 1024}")
NO_ROOM = (
    "The window of duplicates cannot be kept in a temporary file ({error}). Make room there, or name another folder "
    "with SQLITE_TMPDIR."
)


class PackIds(NamedTuple):
    """What the window has of a pack: the digests of its events, and which connections they concern.

    `at` is when it was stored, in unix seconds.
    """

    sequence: int
    at: float
    digests: Sequence[bytes]
    connections: frozenset[str]
    again: bool = False


class DuplicateWindow:
    """The digests of a partition's events, from one moment on up to the pack `reach`, without a gap.

    `since` is the moment, None before `begin`.
    """

    def __init__(self, window: float = WINDOW) -> None:
        self.window = window
        self.since: float | None = None
        self.reach = 0
        self._receivers: dict[frozenset[str], int] = {}
        self._sets: list[frozenset[str]] = []
        self._rows = self._added = self._slice = 0
        with _errors():
            self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            for statement in (*PRAGMAS, TABLE):
                self._db.execute(statement)

    def begin(self, since: float) -> None:
        """Forget everything; what is added next is the first pack that came since."""
        self.since, self.reach = since, 0
        self._rows = self._added = 0
        with _errors():
            self._db.execute("DELETE FROM seen")

    def add(self, packs: Sequence[PackIds]) -> None:
        """Add packs in the order of the stream; those that are there already change nothing."""
        new = [each for each in packs if each.sequence > self.reach]
        if not new:
            return
        rows = [row for pack in new if not pack.again for row in self._rows_of(pack)]
        with _errors():
            self._db.execute("BEGIN")
            self._db.executemany(ADD, rows)
            self._db.execute("COMMIT")
        self.reach = new[-1].sequence
        self._rows += len(rows)
        self._added += len(rows)

    def reached(self, sequence: int) -> None:
        """Record that there is no other pack up to a sequence."""
        self.reach = max(self.reach, sequence)

    def _rows_of(self, pack: PackIds) -> Iterator[tuple[int, int, float, int]]:
        receivers = self._receivers.setdefault(pack.connections, len(self._sets))
        if receivers == len(self._sets):
            self._sets.append(pack.connections)
        for index, digest in enumerate(pack.digests):
            yield _signed(digest), number_of(pack.sequence, index), pack.at, receivers

    def duplicates(self, pack: PackIds, connection: str) -> int:
        """Return which events of a pack, as bits, are duplicates for a connection; the pack must have been added."""
        if pack.again:
            return 0
        found = 0
        with _errors():
            for index, digest in enumerate(pack.digests):
                given = (_signed(digest), number_of(pack.sequence, index), pack.at - self.window)
                rows = self._db.execute(EARLIER, given)
                found |= any(connection in self._sets[receivers] for (receivers,) in rows) << index
        return found

    def forget(self, before: float) -> None:
        """Remove what came before a time, a part of it at a time: nobody asks about events so early any more."""
        if self.since is None or before <= self.since or self._added < max(FEWEST, self._rows // SLICES):
            return
        self._added = 0
        self.since = before
        width = 2**64 // SLICES
        low = -(2**63) + self._slice * width
        self._slice = (self._slice + 1) % SLICES
        with _errors():
            self._rows -= self._db.execute(FORGET, (low, low + width - 1, before)).rowcount

    def close(self) -> None:
        """Remove the temporary file."""
        self._db.close()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutboxError(NO_ROOM.format(error=error)) from error


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)
