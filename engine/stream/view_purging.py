"""Removes from a view what the streams no longer have, some at a time.

Delivered and ignored events leave with the packs that had them; what was set aside stays until a person purges it.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from engine.delivery.outbox import keeping
from engine.stream.layout import RESULTS_SECONDS
from engine.stream.packs import NUMBERS_A_PACK
from engine.stream.view_tables import view_place

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox

EVERY = 60.0
"""Seconds between two looks at what is old."""
AT_ONCE = 2000

# What waits below the first pack is nowhere but in this view: nobody can send it.
GONE_STATES = """
    DELETE FROM states WHERE place IN (
        SELECT place FROM states WHERE place < :first AND event > 0 AND outcome NOT IN ('rejected', 'invalid')
        ORDER BY place LIMIT :limit)
"""
OLD_STATES = """
    DELETE FROM states WHERE place IN (
        SELECT place FROM states INDEXED BY states_changed
        WHERE connection IN (SELECT id FROM connections) AND changed_at < :old AND outcome IN ('delivered', 'ignored')
        LIMIT :limit)
"""
WITHOUT_STATES = """
    SELECT id, raw FROM events WHERE id < :first AND NOT EXISTS (SELECT 1 FROM states WHERE event = events.id)
    ORDER BY id LIMIT :limit
"""
REMOVE_EVENT = "DELETE FROM events WHERE id = ?"
REMOVE_PACKS = """
    DELETE FROM view_packs WHERE seq < :first
        AND NOT EXISTS (SELECT 1 FROM events WHERE id >= seq * 64 AND id < seq * 64 + 64)
"""
FORGET_COPIES = """
    DELETE FROM view_asides WHERE NOT EXISTS (
        SELECT 1 FROM states AS s WHERE s.event = view_asides.event AND s.connection = view_asides.connection)
"""
OLD_ATTEMPTS = "DELETE FROM attempts WHERE number < ? AND NOT refused"


def remove_old(outbox: SqliteOutbox, first: int, now: float) -> None:
    """Remove what ended in packs before the stream's first one, and what ended longer ago than results are kept."""
    number = first * NUMBERS_A_PACK
    old = now - RESULTS_SECONDS
    while outbox.change(partial(_remove_some, number=number, old=old)) == AT_ONCE:
        pass


def _remove_some(db: sqlite3.Connection, number: int, old: float) -> int:
    """Remove states and events; return how many of what there was most of."""
    given = {"first": view_place(number, 0), "old": old, "limit": AT_ONCE}
    states = max(db.execute(statement, given).rowcount for statement in (GONE_STATES, OLD_STATES))
    events = db.execute(WITHOUT_STATES, {"first": number, "limit": AT_ONCE}).fetchall()
    keeping.remove_keys(db, events)
    db.executemany(REMOVE_EVENT, [(each,) for each, _ in events])
    if max(states, len(events)) < AT_ONCE:
        db.execute(REMOVE_PACKS, {"first": number // NUMBERS_A_PACK})
        db.execute(FORGET_COPIES)
        db.execute(OLD_ATTEMPTS, (int(old * 1e6),))
    return max(states, len(events))
