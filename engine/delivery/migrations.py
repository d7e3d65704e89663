"""The outbox's tables, version by version: an older file is brought up, a newer one is refused.

One list, never changed but at its end; the number of steps done stands in the file (`PRAGMA user_version`).
`states.place` is the rowid: SQLite gives the next one inside the transaction, so places are in the order of commits.
"""

from __future__ import annotations

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
