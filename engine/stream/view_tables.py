"""What a view has beside the tables of an outbox file: of which streams it is, and how far they were read.

A view's numbers are those of the streams: an event's number is its pack's sequence * 64 + its place there, and a
state's place is the number under which it was queued last * 1024 + the connection's number in this view.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from engine.delivery.outbox.file import VERSIONS
from engine.errors import WaybillError

FORMAT = 1
CONNECTION_BITS = 10
MOST_CONNECTIONS = (1 << CONNECTION_BITS) - 1
STREAMS = ("events", "set_aside", "results", "discards", "state")
"""In the order in which they are read: what a later one says is about what an earlier one has."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS view_of (identity TEXT NOT NULL, complete INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS view_read (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS view_packs (seq INTEGER PRIMARY KEY, partition INTEGER NOT NULL)",
    """
    CREATE TABLE IF NOT EXISTS view_asides (
        event INTEGER NOT NULL, connection INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (event, connection, seq)
    ) WITHOUT ROWID
    """,
)
OWN_TABLES = ("view_read", "view_packs", "view_asides")
OUTBOX_TABLES = (
    "events", "states", "connections", "event_keys", "unkeyed", "attempts", "mapping_versions", "ended", "arrived",
    "discards",
)  # fmt: skip
THERE = "SELECT 1 FROM sqlite_master WHERE name = 'view_of'"
IDENTITY = "SELECT identity FROM view_of"
REMOVE_IDENTITY = "DROP TABLE IF EXISTS view_of"  # of another release
SET_IDENTITY = "INSERT INTO view_of VALUES (?, 0)"
SET_COMPLETE = "UPDATE view_of SET complete = 1 WHERE NOT complete"
COMPLETE = "SELECT ifnull(max(complete), 0) FROM view_of"
READ_TO = "SELECT stream, seq FROM view_read"
SET_READ_TO = "INSERT INTO view_read VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq"
NO_DELETIONS = "UPDATE deletion_state SET seen = 9223372036854775807"
"""No delete event waits in a view for its deletion to begin, so a purge keeps none."""


class ViewOvertaken(WaybillError):  # noqa: N818  reads as what happened
    """Another process has written to the view in the meantime; nothing was written."""


def view_place(number: int, connection: int) -> int:
    """Return the place of a state in a view, by the number under which it is queued and the connection's number."""
    return number << CONNECTION_BITS | connection


def number_at(place: int) -> int:
    """Return the number under which the state at a view's place is queued."""
    return place >> CONNECTION_BITS


def identity_of(created: Mapping[str, str], partitions: int) -> str:
    """Return what a view is of: streams with the times when they were made, as this release writes views."""
    made = " ".join(f"{stream}={created[stream]}" for stream in sorted(created))
    return f"format={FORMAT}.{len(VERSIONS)} partitions={partitions} {made}"


def identity(db: sqlite3.Connection) -> str | None:
    """Return what a file is a view of; '' for a view that was not begun, None for an outbox of this machine."""
    if db.execute(THERE).fetchone() is None:
        return None
    row = db.execute(IDENTITY).fetchone()
    return "" if row is None else str(row[0])


def is_complete(db: sqlite3.Connection) -> bool:
    """Whether all of the streams was read into a view at least once."""
    return identity(db) is not None and bool(db.execute(COMPLETE).fetchone()[0])


def read_to(db: sqlite3.Connection) -> dict[str, int]:
    """Return up to which sequence each stream was read."""
    return {**dict.fromkeys(STREAMS, 0), **dict(db.execute(READ_TO))}


def move(db: sqlite3.Connection, stream: str, before: int, after: int) -> None:
    """Note that a stream was read from one sequence to another; raise ViewOvertaken if the view was elsewhere."""
    if read_to(db)[stream] != before:
        raise ViewOvertaken("Another process has written to the view.")
    db.execute(SET_READ_TO, (stream, after))


def begin(db: sqlite3.Connection, wanted: str) -> None:
    """Empty a view, and make it one of other streams; it is not complete until all of these was read once."""
    db.execute(REMOVE_IDENTITY)
    for statement in TABLES:
        db.execute(statement)
    for table in (*OUTBOX_TABLES, *OWN_TABLES):
        db.execute(f"DELETE FROM {table}")  # noqa: S608  a constant
    db.execute(SET_IDENTITY, (wanted,))
    db.execute(NO_DELETIONS)
