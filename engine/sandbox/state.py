"""The state of the emulated vendors: one SQLite database, in memory unless a file is named."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.delivery.outbox import file
from engine.errors import UsageError
from engine.language.texts import NUMBER

SCHEMA_VERSION = 1
COUNTERS = """
    CREATE TABLE IF NOT EXISTS counters (
        vendor TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (vendor, name)
    ) WITHOUT ROWID;
"""
ADD_TO_COUNTER = """
    INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT (vendor, name) DO UPDATE SET value = value + excluded.value
"""

Row = tuple[Any, ...]


class State:
    """One connection and one lock; every request runs in a `transaction`."""

    def __init__(self, database: str, schemas: Iterable[str]) -> None:
        self._lock = threading.RLock()
        self._pending: Counter[tuple[str, str]] = Counter()
        self._erased = False
        self._connection = _connect(database)
        try:
            self._prepare(schemas)
        except sqlite3.Error as error:
            self._connection.close()
            raise UsageError(f"{database} cannot store the sandbox's state: {error}. Use another file.") from error
        self.execute = self._connection.execute

    def _prepare(self, schemas: Iterable[str]) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"it was written by another version ({version}, this one is {SCHEMA_VERSION})")
        for statement in (COUNTERS, *schemas):
            self._connection.executescript(statement)
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def add(self, schema: str) -> None:
        """Create the tables of a vendor that came later, unless they are there."""
        with self._lock:
            self._connection.executescript(schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Lock the state for one request; an exception rolls its changes back."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield
                self._write_counters()
            except BaseException:
                self._pending.clear()
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            if self._erased:
                self._erased = False
                # What was erased is not left in older pages of the log that SQLite keeps beside the file.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def erased(self) -> None:
        """Leave nothing of what the current transaction removes in the file, once it ends."""
        self._erased = True

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row, or None."""
        row: Row | None = self.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return every row."""
        return self.execute(sql, parameters).fetchall()

    def number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Return the first value of the first row as a whole number."""
        row = self.one(sql, parameters)
        return int(row[0] or 0) if row else 0

    def count(self, vendor: str, name: str, by: int = 1) -> None:
        """Add to a counter, within the current transaction."""
        if by:
            self._pending[vendor, name] += by

    def counters(self, vendor: str) -> dict[str, int]:
        """Return the vendor's counters."""
        return dict(self.all("SELECT name, value FROM counters WHERE vendor = ? ORDER BY name", (vendor,)))

    def reset(self) -> None:
        """Delete everything."""
        with self.transaction():
            for (table,) in self.all("SELECT name FROM sqlite_master WHERE type = 'table'"):
                self.execute(f'DELETE FROM "{table}"')  # noqa: S608  our own table names

    def close(self) -> None:
        """Close the database; its file stays."""
        with self._lock:
            self._connection.close()

    def _write_counters(self) -> None:
        for (vendor, name), by in self._pending.items():
            self.execute(ADD_TO_COUNTER, (vendor, name, by))
        self._pending.clear()


def _connect(database: str) -> sqlite3.Connection:
    if database not in ("", ":memory:"):
        file.make(Path(database))  # for its owner alone: it holds what the vendors were sent
    try:
        connection = sqlite3.connect(
            database, timeout=0.2, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise UsageError(f"{database} cannot be opened: {error}. Use another file, or `:memory:`.") from error
    try:
        # Exclusive: two sandboxes on one file would each assume to be the only writer.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = OFF", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error as error:
        connection.close()
        raise UsageError(f"{database} cannot store the sandbox's state: {error}. Use another file.") from error
    return connection


def number(value: object) -> float | None:
    """Return a number, or the number that a text contains, or None; never an infinity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and NUMBER.fullmatch(value.strip())):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def from_iso(text: object) -> datetime | None:
    """Parse an ISO-8601 date and time; without an offset it is UTC."""
    if not isinstance(text, str) or len(text) < len("2020-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_iso(seconds: float) -> str:
    """Format UNIX seconds as `2026-01-31T10:00:00.000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
