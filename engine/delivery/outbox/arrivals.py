"""What one who feeds an outbox bit by bit asks it: what of a pack is in it already, and how much of it still waits.

Each function reads from a database connection, within one read transaction (`SqliteOutbox.look`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

LOOKED_AT = 20_000
"""The newest events that wait, in which those of one source are counted: what is behind them is never many."""

STORED = """
    SELECT DISTINCT e.message_id FROM json_each(?) AS wanted
    CROSS JOIN events AS e INDEXED BY events_by_message ON e.message_id = wanted.value AND e.source = ?
"""
DELIVERING = """
    SELECT id FROM connections WHERE name IN (SELECT value FROM json_each(?)) AND held = '' AND owner IS NOT NULL
    AND leased_until > ?
"""
UNSENT = f"""
    SELECT count(*) FROM (
        SELECT event FROM states INDEXED BY states_unfinished WHERE connection = ? AND outcome = 'waiting'
        ORDER BY place DESC LIMIT {LOOKED_AT}
    ) AS s JOIN events AS e ON e.id = s.event WHERE e.source = ?
"""  # noqa: S608  a constant


def stored_ids(db: sqlite3.Connection, source: str, message_ids: Sequence[str]) -> set[str]:
    """Return which messageIds of a source are in the outbox, however long they have been there."""
    return {row[0] for row in db.execute(STORED, (orjson.dumps(message_ids).decode(), source))}


def most_unsent(db: sqlite3.Connection, source: str, connections: Sequence[str], now: float) -> int:
    """Return how many events of a source wait at most for one of these connections that is being delivered to now.

    A connection that is held, or that no process delivers to, does not count: its events are sent by nobody.
    """
    delivering = db.execute(DELIVERING, (orjson.dumps(connections).decode(), now)).fetchall()
    return max((int(db.execute(UNSENT, (number, source)).fetchone()[0]) for (number,) in delivering), default=0)
