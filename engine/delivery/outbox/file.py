"""The file of a durable outbox, made for its owner alone, and its tables by version.

An older file is brought up to date, a newer one is refused.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def make(path: Path) -> None:
    """Make the file where there is none; SQLite gives its mode to the files beside it.

    What cannot be made is left to SQLite, which says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, and trying again cannot help."""
    return _code(error) in DAMAGED


def trouble(path: Path, error: sqlite3.Error, patience: float) -> str:
    """Say what is the matter with the file, and what to do."""
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{path} is locked: another process has been writing for {patience:g} seconds. Nothing was lost; try again."
        )
    if code == sqlite3.SQLITE_FULL:
        return f"There is no room left for {path}. What is in it is safe; make room on the disk and start again."
    if code in DAMAGED:
        return (
            f"{path} is damaged or is no outbox ({error}). It was left as it is: move it away to start a new one, or "
            f"try to save what is in it with: sqlite3 {path} .recover"
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"{path} cannot be opened for writing ({error}); check that its directory is there and may be written."
    return f"{path}: {error}."


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

VERSIONS: tuple[tuple[str, ...], ...] = (VERSION_1,)
