"""What a transaction writes beside events and states, for those who look later.

The keys of events, the requests and their answers, how many events came in and ended in the last hours, what the
collector discarded, and the versions of mappings.  Each function runs inside its caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import orjson

from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Discarded, NewEvent
from engine.delivery.outbox.keys import keys_of
from engine.records import Outcome

SLOT = 10
"""Seconds for which events that came in or ended are counted together."""

KEPT_SLOTS = 2 * 3600 // SLOT
"""Slots that are kept."""

MOST_DISCARDS = 1000
"""Discards of one source that are kept."""

DISCARDS_KEPT = 7 * 24 * 3600.0
"""Seconds for which a discard is kept."""

DISCARDS_A_SECOND = 20
"""Discards of one source and second that are kept."""

LARGEST_DISCARD = 32 * 1024
"""Bytes of a discarded event that are kept."""

KEYED_AT_ONCE = 500
"""Events of an older version that get their keys in one transaction."""


def slot_of(now: float) -> int:
    """Return the number of the slot of a time."""
    return int(now // SLOT)


def add_keys(db: sqlite3.Connection, first: int, events: Sequence[NewEvent]) -> None:
    """Add the keys of events whose numbers begin with `first`."""
    rows = [(key, number) for number, event in enumerate(events, first) for key in event.keys or ()]
    for start in range(0, len(rows), sql.AT_ONCE):
        part = rows[start : start + sql.AT_ONCE]
        db.execute(sql.ADD_KEYS[len(part)], [*chain.from_iterable(part)])


def count_arrived(db: sqlite3.Connection, sources: Iterable[str], now: float, discarded: int = 0) -> None:
    """Count events that came in; with `discarded`, count this many discarded ones of a single source instead."""
    slot = slot_of(now)
    for source, count in Counter(sources).items():
        db.execute(sql.COUNT_ARRIVED, (slot, source, 0 if discarded else count, discarded))
    db.execute(sql.FORGET_ARRIVED, (slot - KEPT_SLOTS,))


def count_ended(db: sqlite3.Connection, connection: str, outcomes: Iterable[Outcome], now: float) -> None:
    """Count events of a connection that ended."""
    slot = slot_of(now)
    counts = Counter(outcome.value for outcome in outcomes if outcome is not Outcome.WAITING)
    for outcome, count in counts.items():
        db.execute(sql.COUNT_ENDED, (slot, connection, outcome, count))
    if counts:
        db.execute(sql.FORGET_ENDED, (slot - KEPT_SLOTS,))


def add_attempts(db: sqlite3.Connection, connection: str, attempts: Sequence[Attempt]) -> None:
    """Add the requests of a connection."""
    [number] = db.execute(sql.CONNECTION_ID, (connection,)).fetchone()
    for start in range(0, len(attempts), sql.AT_ONCE):
        part = [(number, *each) for each in attempts[start : start + sql.AT_ONCE]]
        db.execute(sql.ADD_ATTEMPTS[len(part)], [*chain.from_iterable(part)])


def add_discards(db: sqlite3.Connection, discards: Sequence[Discarded], *, all_of_them: bool) -> None:
    """Add discarded events, unless their source had `DISCARDS_A_SECOND` within a second; forget the oldest ones."""
    for each in discards:
        given = (each.source, DISCARDS_A_SECOND - 1)
        earlier = None if all_of_them else db.execute(sql.EARLIER_DISCARD, given).fetchone()
        if earlier is None or not each.discarded_at - 1 < earlier[0] <= each.discarded_at:
            db.execute(sql.ADD_DISCARD, (*each[:-1], each.raw[:LARGEST_DISCARD]))
    for source in {each.source for each in discards}:
        db.execute(sql.FORGET_DISCARDS, (source, source, MOST_DISCARDS))


def key_some(db: sqlite3.Connection) -> int:
    """Add the keys of some events that an older version stored, the newest first; return how many are left, about."""
    later = db.execute(sql.UNKEYED_LATER, (KEYED_AT_ONCE,)).fetchall()
    before = int(db.execute(sql.KEYED_FROM).fetchone()[0])
    rows = later or db.execute(sql.UNKEYED_BEFORE, (before, KEYED_AT_ONCE)).fetchall()
    pairs = [(key, number) for number, raw in rows for key in keys_of_raw(raw)]
    db.executemany(sql.ADD_KEYS[1], pairs)
    if later:
        db.executemany(sql.KEYED_LATER, [(number,) for number, _ in rows])
    else:
        before = rows[-1][0] if rows else 0
        db.execute(sql.SET_KEYED_FROM, (before,))
    return before if later else max(0, before - 1)


def remove_keys(db: sqlite3.Connection, rows: Iterable[tuple[int, bytes]]) -> None:
    """Remove the keys of events that are purged, by their numbers and raw bytes."""
    db.executemany(sql.REMOVE_KEY, [(key, number) for number, raw in rows for key in keys_of_raw(raw)])


def keys_of_raw(raw: bytes) -> tuple[int, ...]:
    """Return the keys of an event from its bytes, none if they are no JSON."""
    try:
        return keys_of(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return ()
