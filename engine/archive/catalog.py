"""The catalog of an archive: which files count, what was archived of which origin, and the locks of those who write.

A file counts only if it is listed here, so that what a crash leaves behind is never read: an orphan, which the next
writer removes.  One transaction lists the files of a batch and moves the position of where it came from.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from engine.errors import WaybillError

FILE = "catalog.db"
EVENTS = "events"
APPLICATION_ID = 0x57617941  # "WayA"
VERSION = 1
PATIENCE = 60.0
"""Seconds to wait for another process that writes."""
KEPT_FOR_READERS = 600.0
"""Seconds for which a file stays on disk after it was replaced: a query that began before still reads it."""
_LOOK_EVERY = 0.1
_TABLES = """
CREATE TABLE files (
    path TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    first_row INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    invalid INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_timestamp INTEGER NOT NULL,
    last_timestamp INTEGER NOT NULL,
    written_at REAL NOT NULL,
    replaced_at REAL,
    damaged TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX files_by_day ON files (day);
CREATE TABLE positions (origin TEXT PRIMARY KEY, position INTEGER NOT NULL, witness TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE erasures (number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL);
CREATE TABLE suppressed (key INTEGER PRIMARY KEY);
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('last_row', 0);
"""
_INSERT_FILE = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class ArchiveError(WaybillError):
    """The archive cannot be used as it is; the text says why and what to do (exit code 4)."""


class ArchiveBusy(ArchiveError):  # noqa: N818  it says what happened
    """Another process works on the archive."""


class ArchiveFile(NamedTuple):
    """A Parquet file of events; `path` is relative to the archive, timestamps are microseconds since 1970.

    `first_row` and `last_row` are the smallest and the largest row in it; compaction and erasing leave gaps.  `invalid`
    of its `rows` have no type.  `damaged` says why it cannot be read; it is left out then.
    """

    path: str
    day: str
    first_row: int
    last_row: int
    rows: int
    invalid: int
    bytes: int
    first_timestamp: int
    last_timestamp: int
    written_at: float
    replaced_at: float | None = None
    damaged: str = ""


class Snapshot(NamedTuple):
    """The files that counted at one moment, by day and row, and the last row that had been given to an event.

    `damaged` are those that are left out because they cannot be read.
    """

    files: tuple[ArchiveFile, ...]
    last_row: int
    damaged: tuple[ArchiveFile, ...] = ()


class ArchivedPlace(NamedTuple):
    """Up to where an origin was archived; `witness` is what its writer noted of the last event there."""

    position: int
    witness: str


class Catalog:
    """An open catalog; for one thread.  Raises ArchiveError."""

    def __init__(self, directory: Path, db: sqlite3.Connection) -> None:
        self.directory = directory
        self._db = db

    @classmethod
    def open(cls, directory: Path, *, create: bool = False) -> Self:
        """Open the catalog of an archive; with `create`, make both if there is nothing yet."""
        path = directory / FILE
        with _errors(path):
            if create:
                _make(directory)
            elif not path.exists():
                raise ArchiveError(f"There is no archive in {directory}. `engine serve --archive` makes one.")
            db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            try:
                _prepare(db, directory)
            except BaseException:
                db.close()
                raise
        return cls(directory, db)

    def __enter__(self) -> Self:
        """Return itself, to be closed at the end of a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file; the `-wal` is gone with the last one that closes."""
        self._db.close()

    def snapshot(self) -> Snapshot:
        """Return the files that count now, from one transaction."""
        with self._reading():
            rows = self._db.execute("SELECT * FROM files WHERE replaced_at IS NULL ORDER BY day, first_row, path")
            files = [ArchiveFile._make(row) for row in rows]
            last = int(self._value("last_row"))
        whole = tuple(each for each in files if not each.damaged)
        return Snapshot(whole, last, tuple(each for each in files if each.damaged))

    def position(self, origin: str) -> int:
        """Return up to where an origin was archived, 0 if nothing of it was."""
        return self.place(origin).position

    def place(self, origin: str) -> ArchivedPlace:
        """Return the same, with what its writer noted of the last event there."""
        with self._reading():
            row = self._db.execute("SELECT position, witness FROM positions WHERE origin = ?", (origin,)).fetchone()
        return ArchivedPlace(0, "") if row is None else ArchivedPlace._make(row)

    def places(self) -> dict[str, ArchivedPlace]:
        """Return all origins with the place up to which they were archived."""
        with self._reading():
            rows = self._db.execute("SELECT origin, position, witness FROM positions").fetchall()
        return {origin: ArchivedPlace(position, witness) for origin, position, witness in rows}

    def erasures(self) -> int:
        """Return the number of the latest erasure: what was read before a later one must be read again."""
        with self._reading():
            return int(self._db.execute("SELECT coalesce(max(number), 0) FROM erasures").fetchone()[0])

    def next_rows(self, _count: int) -> int:
        """Return the first of that many numbers for rows; they are taken once `add` has listed the files with them.

        To be called under the writer lock, so that no one else is given the same.
        """
        with self._reading():
            return int(self._value("last_row")) + 1

    def add(
        self,
        files: Sequence[ArchiveFile],
        origin: str,
        position: int,
        *,
        erasures_seen: int,
        since: int | None = None,
        witness: str = "",
    ) -> bool:
        """List new files, and move the position of their origin; one transaction.

        `witness` is a text by which the origin is known again, as `place` returns it; '' is an origin without position.

        False, and nothing is changed, if there was an erasure after `erasures_seen`, or if the position is not `since`
        (None: any) any more: the caller removes the files and reads its batch again.
        """
        with self._writing():
            if self.erasures() != erasures_seen or (since is not None and self.position(origin) != since):
                return False
            self._insert(files)
            if origin:
                self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (origin, position, witness))
            last = max((each.last_row for each in files), default=0)
            self._db.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'last_row'", (last,))
        return True

    def replace(
        self, old: Iterable[ArchiveFile], new: Sequence[ArchiveFile], now: float, *, erased: bool = False
    ) -> bool:
        """Let new files count instead of old ones; one transaction, under the maintenance lock.

        The old ones stay on disk for readers until `remove_replaced`.  False, and nothing is changed, if one of the old
        does not count any more.  `erased`: this erases somebody, so that batches that were read before are not added.
        """
        with self._writing():
            for each in old:
                statement = "UPDATE files SET replaced_at = ? WHERE path = ? AND replaced_at IS NULL"
                if not self._db.execute(statement, (now, each.path)).rowcount:
                    self._db.execute("ROLLBACK")
                    return False
            self._insert(new)
            if erased:
                self._db.execute("INSERT INTO erasures (at) VALUES (?)", (now,))
        return True

    def remove_replaced(self, now: float, kept_for: float = KEPT_FOR_READERS) -> int:
        """Remove the files that were replaced `kept_for` seconds before `now`, or earlier; return how many.

        Erasing keeps none.  A file that was replaced later than `now`, by a clock that went back, counts from now on.
        """
        with self._writing():
            self._db.execute("UPDATE files SET replaced_at = ? WHERE replaced_at > ?", (now, now))
            found = self._db.execute("SELECT path FROM files WHERE replaced_at <= ?", (now - kept_for,)).fetchall()
        for (path,) in found:
            (self.directory / path).unlink(missing_ok=True)
        with self._writing():
            self._db.executemany("DELETE FROM files WHERE path = ? AND replaced_at IS NOT NULL", found)
        return len(found)

    def suppressed(self) -> frozenset[int]:
        """Return the keys of users whose events are not archived (`keys.person_key`)."""
        with self._reading():
            return frozenset(key for (key,) in self._db.execute("SELECT key FROM suppressed"))

    def set_suppressed(self, keys: Iterable[int]) -> None:
        """Replace those keys."""
        with self._writing():
            self._db.execute("DELETE FROM suppressed")
            self._db.executemany("INSERT OR IGNORE INTO suppressed VALUES (?)", ((key,) for key in keys))

    def mark_damaged(self, path: str, reason: str) -> None:
        """Leave a file out from now on, because it cannot be read; '' lets it count again."""
        with self._writing():
            self._db.execute("UPDATE files SET damaged = ? WHERE path = ?", (reason, path))

    def lists(self, path: str) -> bool:
        """Whether a file counts, or would if it were not damaged."""
        with self._reading():
            statement = "SELECT 1 FROM files WHERE path = ? AND replaced_at IS NULL"
            return self._db.execute(statement, (path,)).fetchone() is not None

    def known_paths(self) -> frozenset[str]:
        """Return all paths that are listed, also those that were replaced: all other files are orphans."""
        with self._reading():
            return frozenset(path for (path,) in self._db.execute("SELECT path FROM files"))

    def get(self, name: str) -> str | None:
        """Return a value that was `set`, such as the names of the current files of people."""
        with self._reading():
            row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set(self, values: dict[str, str | None]) -> None:
        """Set values by name, all in one transaction; None removes one."""
        with self._writing():
            for name, value in values.items():
                if value is None:
                    self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
                else:
                    self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextmanager
    def writer(self, patience: float = PATIENCE) -> Iterator[None]:
        """Hold the lock under which rows are numbered and files added, for one batch; raises ArchiveBusy."""
        with _locked(self.directory / "writer.lock", patience, "adds events"):
            yield

    @contextmanager
    def maintenance(self, patience: float = PATIENCE) -> Iterator[None]:
        """Hold the lock of compaction, retention, erasing and the refresh of people; raises ArchiveBusy."""
        with _locked(self.directory / "maintenance.lock", patience, "compacts, erases or refreshes users"):
            yield

    @contextmanager
    def follower(self) -> Iterator[None]:
        """Hold the lock of the one server whose outbox is followed, for as long as it runs; raises ArchiveBusy."""
        with _locked(self.directory / "follower.lock", 0.0, "follows its outbox (`engine serve --archive`)"):
            yield

    def _value(self, name: str) -> Any:
        return self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0]

    def _insert(self, files: Sequence[ArchiveFile]) -> None:
        self._db.executemany(_INSERT_FILE, files)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One read transaction, unless this is inside another one."""
        with _errors(self.directory / FILE):
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _errors(self.directory / FILE):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self._db.in_transaction:
                    self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _make(directory: Path) -> None:
    for each in (directory, directory / EVENTS):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    _touch(directory / FILE)


def _touch(path: Path) -> None:
    """Create a file that only its owner can read; SQLite copies its mode to those beside it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare(db: sqlite3.Connection, directory: Path) -> None:
    db.execute("PRAGMA busy_timeout = 60000")
    [application], [version] = (db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
    if version > VERSION and application == APPLICATION_ID:
        raise ArchiveError(f"The archive {directory} was made by a newer version of the engine; update the engine.")
    if application not in (0, APPLICATION_ID):
        raise ArchiveError(f"{directory / FILE} is a file of another program. Name another directory with --archive.")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    if version < VERSION:
        _create(db)


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:  # another process may have been quicker
            for statement in _TABLES.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@contextmanager
def _locked(path: Path, patience: float, doing: str) -> Iterator[None]:
    """Hold an exclusive transaction on a file of its own: the system ends it with the process, however that ends."""
    with _errors(path):
        _touch(path)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            _wait_for(db, path, patience, doing)
            yield


def _wait_for(db: sqlite3.Connection, path: Path, patience: float, doing: str) -> None:
    until = time.monotonic() + patience
    while True:  # in short steps, so that a signal ends it
        if _begun(db):
            return
        if time.monotonic() >= until:
            waited = f", for more than {patience:g} seconds" if patience else ""
            raise ArchiveBusy(
                f"The archive {path.parent} is in use: another process {doing}{waited}. Nothing was changed; try again "
                "when it has ended."
            )
        time.sleep(_LOOK_EVERY)


def _begun(db: sqlite3.Connection) -> bool:
    try:
        db.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ArchiveError(_error_text(path, error)) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(f"{path.parent} is not a directory. Name another one with --archive.") from error


def _error_text(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"No space left on the disk of {path}. The archive is whole; free some space."
    if code == sqlite3.SQLITE_IOERR:  # also where there is no room for its `-shm`
        return f"{path} cannot be read or written ({error}): its disk is full or fails. Free some space, or look at it."
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked: another process has been writing for {PATIENCE:g} seconds. Try again."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"{path} is damaged or not a catalog ({error}). Restore it from a backup; events that are still in the "
            "outbox are archived again. Or move the archive away, and start a new one; its Parquet files can still be "
            "read by other programs."
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"{path} cannot be opened for writing ({error}). Check that its directory exists and is writable."
    return f"{path}: {error}."
