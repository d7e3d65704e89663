"""What is known of audiences between two runs: definitions that were seen, runs, and which files hold who was sent.

Small state is in SQLite (`state.db`), members are in Parquet beside it. A file counts only if a run names it, so a
crash leaves a file too many and never a wrong one.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from engine.archive.catalog import ArchiveError

FOLDER = "audiences"
"""Of an archive's directory."""

COPY = "followed.yaml"
"""In that folder: the last definitions without errors, which are those that a server follows."""

VERSION = 1
PATIENCE = 10.0
"""Seconds to wait while another process writes."""

SYNC_PATIENCE = 60.0
"""Seconds to wait while another process syncs."""
_LOOK_EVERY = 0.1

KEPT_RUNS = 500
"""Runs of one definition that are kept, for its size over time; the one whose file counts is always kept."""

LONGEST_MESSAGE = 2000
"""Characters of a run's message."""

COMPUTING, GUARDED, SENDING, DONE, FAILED, CANCELED = "computing", "guarded", "sending", "done", "failed", "canceled"
FILES = ("members", "merged", "changes", "sent")

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE definitions (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, first_seen REAL NOT NULL,
    connections TEXT NOT NULL, next_run REAL, removed_at REAL
);
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, digest TEXT NOT NULL, started_at REAL NOT NULL,
    ended_at REAL, state TEXT NOT NULL, moment REAL NOT NULL, entered INTEGER NOT NULL DEFAULT 0,
    left INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0, unchanged INTEGER NOT NULL DEFAULT 0,
    without_id INTEGER NOT NULL DEFAULT 0, wrong_id INTEGER NOT NULL DEFAULT 0, same_id INTEGER NOT NULL DEFAULT 0,
    merged INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    fed INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', took REAL NOT NULL DEFAULT 0,
    connections TEXT NOT NULL DEFAULT '{}', added TEXT NOT NULL DEFAULT '[]', sent_run INTEGER
);
CREATE INDEX runs_by_key ON runs (key, number);
"""


class AudienceStateError(ArchiveError):
    """The state of audiences cannot be used: locked, damaged, full, or of a newer version; the message says why."""


class SyncBusy(AudienceStateError):  # noqa: N818  reads as what happened
    """Another process is syncing audiences of this archive."""


class SeenDefinition(NamedTuple):
    """A definition that the state knows; times are Unix seconds, `removed_at` is None while the file has it."""

    key: str
    kind: str
    name: str
    digest: str
    first_seen: float
    connections: tuple[str, ...]
    next_run: float | None
    removed_at: float | None


class Run(NamedTuple):
    """One sync of one definition; times are Unix seconds, `took` is seconds.

    `entered`, `left` and `changed` (values of a computed trait) count users, `unchanged` those whose membership or
    value is as it was. Left out are members `without_id`, with a `wrong_id` (blank, the text of nothing, too long) and
    with the `same_id` as another member. `merged` counts ids that are gone because their user was merged into another.
    `total` is how many events there are to feed, `fed` the ordinal of the next. `connections` maps the names of
    connections to the integrations of their mappings, `added` names those that get a first sync of their own.
    `sent_run` is the run whose file says who was sent after this one.
    """

    number: int
    key: str
    digest: str
    started_at: float
    ended_at: float | None
    state: str
    moment: float
    entered: int
    left: int
    changed: int
    unchanged: int
    without_id: int
    wrong_id: int
    same_id: int
    merged: int
    size: int
    total: int
    fed: int
    message: str
    took: float
    connections: Mapping[str, str]
    added: tuple[str, ...]
    sent_run: int | None


class SizeAt(NamedTuple):
    """How many members a run left, and when."""

    at: float
    size: int


SELECT_RUNS = f"SELECT {', '.join(Run._fields)} FROM runs"  # noqa: S608  names of our own columns
SELECT_DEFINITIONS = f"SELECT {', '.join(SeenDefinition._fields)} FROM definitions"  # noqa: S608


class AudienceState:
    """The state in a directory `DIR/audiences`; one process writes it, others may read meanwhile."""

    def __init__(self, directory: Path) -> None:
        """Open or create the state; raises AudienceStateError."""
        self.directory = directory
        with _errors(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = _connect(directory / "state.db")
        try:
            with _errors(directory):
                self._prepare()
                self._file = (directory / "state.db").stat()
        except BaseException:
            self._db.close()
            raise

    def check_in_place(self) -> None:
        """Raise AudienceStateError if the file was removed or replaced since it was opened, as by a restore."""
        with suppress(OSError):
            if os.path.samestat(self._file, (self.directory / "state.db").stat()):
                return
        raise AudienceStateError(
            f"{self.directory / 'state.db'} was removed or replaced while it was in use. What is there now counts; "
            "without it the next syncs send every member once more."
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise AudienceStateError(
                f"{self.directory / 'state.db'} was created by a newer version of the engine (schema {version}; this "
                f"one supports {VERSION}); update the engine."
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        if not version:
            with self._transaction():
                if not self._db.execute("PRAGMA user_version").fetchone()[0]:
                    for statement in filter(str.strip, TABLES.split(";")):
                        self._db.execute(statement)
                    self._db.execute("INSERT INTO meta VALUES ('identity', ?)", (secrets.token_bytes(16),))
                    self._db.execute(f"PRAGMA user_version = {VERSION}")

    @property
    def identity(self) -> bytes:
        """Random bytes of this state, so that messageIds of two archives are never the same."""
        with _errors(self.directory):
            return bytes(self._db.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _errors(self.directory):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def lock(self, patience: float = 0.0, wait: Callable[[float], object] = time.sleep) -> Iterator[None]:
        """Hold the lock of syncs; raises SyncBusy. The end of the process, however it comes, releases it.

        A lock that another process has is waited for `patience` seconds; `wait` ends that early by returning true.
        """
        until = time.monotonic() + patience
        with _errors(self.directory):
            db = _connect(self.directory / "sync.lock", timeout=0.0)
        with closing(db):
            while True:
                try:
                    self._take(db)
                    break
                except SyncBusy:
                    if time.monotonic() >= until or wait(_LOOK_EVERY):
                        raise
            yield

    def _take(self, db: sqlite3.Connection) -> None:
        with _errors(self.directory):
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                raise SyncBusy(
                    f"Another process is syncing audiences in {self.directory}, such as engine serve. Nothing was "
                    "computed or sent; try again when it is done."
                ) from None

    def see(self, definitions: Sequence[SeenDefinition], now: float) -> None:
        """Take over what the file of definitions has; one that it no longer has is marked as removed."""
        with self._transaction() as db:
            for each in definitions:
                values = (each.key, each.kind, each.name, each.digest, now, orjson.dumps(each.connections).decode())
                db.execute(
                    "INSERT INTO definitions (key, kind, name, digest, first_seen, connections) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, "
                    "name = excluded.name, digest = excluded.digest, connections = excluded.connections, "
                    "removed_at = NULL",
                    values,
                )
            keys = orjson.dumps([each.key for each in definitions]).decode()
            db.execute(
                "UPDATE definitions SET removed_at = ?, next_run = NULL "
                "WHERE removed_at IS NULL AND key NOT IN (SELECT value FROM json_each(?))",
                (now, keys),
            )

    def plan(self, next_runs: Mapping[str, float | None]) -> None:
        """Keep when definitions run next, for those who look."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE definitions SET next_run = ? WHERE key = ?", [(at, key) for key, at in next_runs.items()]
            )

    def definitions(self) -> list[SeenDefinition]:
        """Return all definitions that were seen, in the order of their keys."""
        with _errors(self.directory):
            return [_seen(row) for row in self._db.execute(f"{SELECT_DEFINITIONS} ORDER BY key")]

    def begin(self, key: str, digest: str, now: float, moment: float) -> Run:
        """Note a run that begins to compute."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs (key, digest, started_at, state, moment) VALUES (?, ?, ?, ?, ?)",
                (key, digest, now, COMPUTING, moment),
            )
            number = db.execute("SELECT last_insert_rowid()").fetchone()[0]
        return self.run(number)

    def next_number(self) -> int:
        """Return the number that the next run gets."""
        with _errors(self.directory):
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'runs'").fetchone()
            return 1 if row is None else int(row[0]) + 1

    def note(self, run: Run) -> Run:
        """Write a run as it is now, and return it; earlier runs of its definition beyond `KEPT_RUNS` are removed."""
        fields = [name for name in Run._fields if name != "number"]
        values = run._replace(message=run.message[:LONGEST_MESSAGE])._asdict()
        values["connections"] = orjson.dumps(dict(run.connections)).decode()
        values["added"] = orjson.dumps(run.added).decode()
        with self._transaction() as db:
            assigned = ", ".join(f"{name} = :{name}" for name in fields)
            db.execute(f"UPDATE runs SET {assigned} WHERE number = :number", values)  # noqa: S608  our own columns
            db.execute(
                "DELETE FROM runs WHERE key = :key AND number NOT IN "
                "(SELECT number FROM runs WHERE key = :key ORDER BY number DESC LIMIT :kept) AND number != ifnull("
                "(SELECT max(number) FROM runs WHERE key = :key AND sent_run IS NOT NULL), 0)",
                {"key": run.key, "kept": KEPT_RUNS},
            )
        return self.run(run.number)

    def feeding(self, number: int, fed: int) -> None:
        """Keep how far a run was fed."""
        with self._transaction() as db:
            db.execute("UPDATE runs SET fed = ? WHERE number = ?", (fed, number))

    def run(self, number: int) -> Run:
        """Return a run by its number; raises LookupError."""
        with _errors(self.directory):
            row = self._db.execute(f"{SELECT_RUNS} WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise LookupError(number)
        return _run(row)

    def runs(self, key: str, limit: int = KEPT_RUNS) -> list[Run]:
        """Return the last runs of a definition, the newest first."""
        with _errors(self.directory):
            rows = self._db.execute(f"{SELECT_RUNS} WHERE key = ? ORDER BY number DESC LIMIT ?", (key, limit))
            return [_run(row) for row in rows]

    def unended(self) -> list[Run]:
        """Return the runs that compute or send, or did when their process ended."""
        with _errors(self.directory):
            rows = self._db.execute(f"{SELECT_RUNS} WHERE state IN (?, ?) ORDER BY number", (COMPUTING, SENDING))
            return [_run(row) for row in rows]

    def last_sent(self, key: str) -> Run | None:
        """Return the last run of a definition after which it is known who was sent, None before the first."""
        with _errors(self.directory):
            row = self._db.execute(
                f"{SELECT_RUNS} WHERE key = ? AND sent_run IS NOT NULL ORDER BY number DESC LIMIT 1", (key,)
            ).fetchone()
            return None if row is None else _run(row)

    def failures(self, key: str) -> int:
        """Return how many of the last runs of a definition failed one after the other."""
        found = 0
        for run in self.runs(key, 32):
            if run.state == FAILED:
                found += 1
            elif run.state != COMPUTING:
                break
        return found

    def sizes(self, key: str, limit: int = KEPT_RUNS) -> list[SizeAt]:
        """Return the sizes after the last runs that ended well, the oldest first."""
        with _errors(self.directory):
            rows = self._db.execute(
                "SELECT moment, size FROM runs WHERE key = ? AND state = ? ORDER BY number DESC LIMIT ?",
                (key, DONE, limit),
            ).fetchall()
        return [SizeAt(*row) for row in reversed(rows)]

    def file(self, kind: str, key: str, number: int) -> Path:
        """Return the path of a run's file: `members`, `merged`, `changes` or `sent`."""
        return self.directory / key / f"{kind}-{number}.parquet"

    def sent_file(self, key: str) -> Path | None:
        """Return the file that says who was sent, None before the first run that sent."""
        last = self.last_sent(key)
        return None if last is None or last.sent_run is None else self.file("sent", key, last.sent_run)

    def tidy(self, key: str) -> None:
        """Remove the files of a definition that no run needs."""
        needed = {self.sent_file(key)}
        needed |= {self.file(kind, key, run.number) for run in self.unended() if run.key == key for kind in FILES}
        folder = self.directory / key
        for path in folder.iterdir() if folder.is_dir() else ():
            if path not in needed:
                path.unlink(missing_ok=True)


def _connect(path: Path, timeout: float = PATIENCE) -> sqlite3.Connection:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite copies the mode to `-wal`
    return sqlite3.connect(path, timeout=timeout, isolation_level=None)


def _run(row: Sequence[object]) -> Run:
    run = Run._make(row)
    return run._replace(connections=orjson.loads(str(run.connections)), added=tuple(orjson.loads(str(run.added))))


def _seen(row: Sequence[object]) -> SeenDefinition:
    found = SeenDefinition._make(row)
    return found._replace(connections=tuple(orjson.loads(str(found.connections))))


@contextmanager
def _errors(directory: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the folder into AudienceStateError, which says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise AudienceStateError(_reason(directory / "state.db", error)) from error
    except OSError as error:
        raise AudienceStateError(f"{error.filename or directory}: {error.strerror or error}.") from error


def _reason(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{path} is locked: another process has been writing for {PATIENCE:g} seconds. Nothing is lost; try again."
        )
    if code == sqlite3.SQLITE_FULL:
        return f"No space left on the disk of {path}. Its content is safe; free some space and run the command again."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"{path} is damaged ({error}). It was left unchanged. Without it the engine does not know who was sent: "
            "restore it from a backup, or move its folder away and sync again, which sends every member once more."
        )
    if code == sqlite3.SQLITE_IOERR:  # also where there is no room for its `-shm`
        return f"{path} cannot be read or written ({error}): its disk is full or fails. Free some space, or look at it."
    return f"{path}: {error}."
