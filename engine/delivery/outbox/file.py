"""The file of the SQLite outbox: its permissions, its error messages, and its tables by version.

A file of an older version is migrated when it is opened, one of a newer version is refused.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from engine.delivery.outbox.base import OutboxDamaged, OutboxError, OutboxFull, outbox_command

OWNER_ONLY = 0o600
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
BUSY_PAUSE = 0.02
"""Seconds between two tries to prepare a file that another process makes."""
DAMAGED_CONTENT = ("no such table", "no such column", "no such index", "malformed JSON")
MIGRATED_STATE = 200
"""Bytes for two more indexes that have a state, first in the `-wal`, then in the file."""
NOT_TEXT = "Could not decode to UTF-8"
NO_SPACE = (sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE)
"""How SQLite reports a full disk where it needs shared memory, and an exceeded quota."""


def make(path: Path) -> None:
    """Create the file if it does not exist; SQLite copies its mode to the `-wal` and `-shm` files.

    Errors are left to SQLite, which hits them again and reports why.
    """
    with suppress(OSError):
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))


def is_writable(path: Path) -> bool:
    """Whether this process can write the file, and the `-wal` beside it or make it."""
    beside = Path(f"{path}-wal")
    return os.access(path, os.W_OK) and os.access(beside if beside.exists() else path.absolute().parent, os.W_OK)


def in_turn(prepare: Callable[[], None], patience: float) -> None:
    """Prepare a file; again while another process makes it, for which SQLite does not always wait by itself."""
    until = monotonic() + patience
    while True:
        try:
            return prepare()
        except sqlite3.OperationalError as error:
            if _code(error) not in BUSY or monotonic() >= until:
                raise
            sleep(BUSY_PAUSE)


def connect_to_read(path: Path, **options: Any) -> sqlite3.Connection:
    """Open the file to read it only, also from a folder that cannot be written, such as a backup's."""
    # SQLite reads a WAL file there only as one that no one else writes, which it is where there is no `-wal`.
    alone = not is_writable(path) and not Path(f"{path}-wal").exists()
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    connection: sqlite3.Connection = sqlite3.connect(address, uri=True, **options)
    return connection


def raised(path: Path, error: sqlite3.Error, patience: float) -> OutboxError:
    """Return what to raise for an error of SQLite."""
    kind = OutboxDamaged if _is_damage(error) else OutboxFull if _is_full(error) else OutboxError
    return kind(error_text(path, error, patience))


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is damaged, so that retrying cannot help."""
    return _code(error) in DAMAGED or str(error).startswith((*DAMAGED_CONTENT, NOT_TEXT))


def _is_full(error: sqlite3.Error) -> bool:
    return _code(error) == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) in NO_SPACE


def error_text(path: Path, error: sqlite3.Error, patience: float) -> str:
    """Return what is wrong with the file, and what to do."""
    code = _code(error)
    if code in BUSY:
        return (
            f"{path} is locked: another process has been writing for {patience:g} seconds. Nothing is lost; try again."
        )
    if _is_full(error):
        return (
            f"No space left on the disk of {path}. Its content is safe; free some space, or remove events that ended "
            f"({outbox_command('purge', path)}), and start again."
        )
    if _is_damage(error):
        return damage_text(path, "text that is not UTF-8" if str(error).startswith(NOT_TEXT) else str(error))
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"{path} cannot be opened for writing ({error}); check that its directory exists and is writable."
    return f"{path}: {error}."


def no_space_to_migrate(path: Path, states: int) -> str:
    """Return that a file of an older version with that many states cannot be brought up, and what to do."""
    return (
        f"No space left on the disk of {path}, which is of an older version of the engine. To bring it up to this one "
        f"takes up to {1 + states * MIGRATED_STATE // 1_000_000} MB. Its content is safe and unchanged; free some "
        "space, and start again."
    )


def damage_text(path: Path, reason: str) -> str:
    """Return that the file is damaged, and what to do."""
    return (
        f"{path} is damaged or not an outbox ({reason}). It was left unchanged: move it away to start a new one, or "
        f"try to recover its content with: sqlite3 {path} .recover"
    )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


VERSION_1 = (
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        message_id TEXT NOT NULL,
        received_at TEXT NOT NULL,
        taken_at REAL NOT NULL,
        raw BLOB NOT NULL
    )
    """,
    "CREATE INDEX events_by_message ON events (message_id, source)",
    "CREATE INDEX events_by_time ON events (taken_at)",
    """
    CREATE TABLE connections (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        held TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '',
        held_at REAL,
        due REAL,
        pause TEXT NOT NULL DEFAULT '',
        owner TEXT,
        leased_until REAL
    )
    """,
    """
    CREATE TABLE states (
        place INTEGER PRIMARY KEY,
        event INTEGER NOT NULL,
        connection INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        reason TEXT NOT NULL,
        words TEXT NOT NULL DEFAULT '',
        digest TEXT,
        progress TEXT,
        tried_at REAL,
        queued_at REAL NOT NULL,
        changed_at REAL NOT NULL
    )
    """,
    "CREATE INDEX states_by_event ON states (event)",
    "CREATE INDEX states_unfinished ON states (connection, place) WHERE outcome = 'waiting'",
)

VERSION_2 = (
    "ALTER TABLE connections ADD COLUMN alarm TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE connections ADD COLUMN fence INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE states ADD COLUMN fence INTEGER",  # of the lease under which the state was last written
)

VERSION_3 = (
    "ALTER TABLE events ADD COLUMN reports TEXT",  # of intake
    "ALTER TABLE states ADD COLUMN reports TEXT",
    "CREATE INDEX states_reported ON states (connection) WHERE reports IS NOT NULL",
)

VERSION_4 = (
    # By which events are found (keys.py).  Events that an older version stored have NULL for `keys`: those that were
    # there are below `keyed_from`, those that such a process adds later are listed by a trigger.
    "ALTER TABLE events ADD COLUMN keys INTEGER",
    "CREATE TABLE event_keys (key INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (key, event)) WITHOUT ROWID",
    "CREATE TABLE keyed_from (event INTEGER NOT NULL)",
    "INSERT INTO keyed_from SELECT ifnull(max(id), 0) + 1 FROM events",
    "CREATE TABLE unkeyed (event INTEGER PRIMARY KEY)",
    """
    CREATE TRIGGER events_without_keys AFTER INSERT ON events WHEN NEW.keys IS NULL
    BEGIN INSERT OR IGNORE INTO unkeyed (event) VALUES (NEW.id); END
    """,
    # Requests and their answers (attempts.py), and which of them a state had.
    "ALTER TABLE states ADD COLUMN attempts TEXT",
    """
    CREATE TABLE attempts (
        connection INTEGER NOT NULL,
        number INTEGER NOT NULL,
        took INTEGER NOT NULL,
        name TEXT NOT NULL,
        method TEXT NOT NULL,
        url TEXT NOT NULL,
        items INTEGER NOT NULL,
        status INTEGER NOT NULL,
        digest TEXT NOT NULL,
        refused INTEGER NOT NULL,
        failure TEXT NOT NULL,
        headers TEXT NOT NULL,
        answer TEXT NOT NULL,
        cut INTEGER NOT NULL,
        PRIMARY KEY (connection, number)
    ) WITHOUT ROWID
    """,
    # The files of each version of a mapping under which events were planned.
    """
    CREATE TABLE mapping_versions (
        digest TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        files BLOB NOT NULL,
        first_used REAL NOT NULL
    ) WITHOUT ROWID
    """,
    # How many events ended, and came in, in each slot of SLOT seconds of the last hours.
    """
    CREATE TABLE ended (
        slot INTEGER NOT NULL, connection INTEGER NOT NULL, outcome TEXT NOT NULL, events INTEGER NOT NULL,
        PRIMARY KEY (slot, connection, outcome)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE arrived (
        slot INTEGER NOT NULL, source TEXT NOT NULL, events INTEGER NOT NULL, discarded INTEGER NOT NULL,
        PRIMARY KEY (slot, source)
    ) WITHOUT ROWID
    """,
    # What the collector discarded, for looking at.
    """
    CREATE TABLE discards (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        discarded_at REAL NOT NULL,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        message_id TEXT NOT NULL,
        raw BLOB NOT NULL
    )
    """,
    "CREATE INDEX discards_by_source ON discards (source, id)",
    """
    CREATE INDEX states_set_aside ON states (connection, outcome, reason, changed_at)
    WHERE outcome IN ('rejected', 'invalid', 'ignored')
    """,
    "CREATE INDEX states_changed ON states (connection, changed_at)",
)

VERSION_5 = (
    # Deletions of persons (deletions.py).  `ids` are the person's, only while the deletion runs; then `digest` is all
    # that is left, keyed with `secret`.  `vendors` is what became of the delete calls, `event` the event that asked.
    """
    CREATE TABLE deletions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL,
        requested_at REAL NOT NULL,
        requested_by TEXT NOT NULL,
        event INTEGER,
        suppress INTEGER NOT NULL,
        step INTEGER NOT NULL,
        ids TEXT,
        vendors TEXT NOT NULL,
        ended_at REAL
    )
    """,
    "CREATE INDEX deletions_running ON deletions (step, number) WHERE ended_at IS NULL",
    "CREATE INDEX deletions_by_digest ON deletions (digest)",
    "CREATE INDEX deletions_by_time ON deletions (requested_by, requested_at)",
    # What was removed, counted in the transaction that removes it.
    """
    CREATE TABLE deletion_counts (
        deletion INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (deletion, what)
    ) WITHOUT ROWID
    """,
    # Persons whose events are discarded: `key` finds them (keys.py), `digest` is sure.
    """
    CREATE TABLE suppressed (
        digest BLOB PRIMARY KEY, key INTEGER NOT NULL, deletion INTEGER NOT NULL, since REAL NOT NULL
    ) WITHOUT ROWID
    """,
    # `changes` grows with each change of `suppressed`; events up to `seen` were looked at for delete calls.
    "CREATE TABLE deletion_state (secret BLOB NOT NULL, changes INTEGER NOT NULL, seen INTEGER NOT NULL)",
    "INSERT INTO deletion_state SELECT randomblob(32), 0, ifnull(max(id), 0) FROM events",
)

VERSIONS: tuple[tuple[str, ...], ...] = (VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5)
