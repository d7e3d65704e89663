"""How deletions begin: by a command, or by delete events that came in.

Whoever has a write key can send delete events, and the key of a web page is known to everyone.  So at most `MOST_A_DAY`
deletions begin by events within 24 hours; the others wait in the outbox for their turn, and are reported.  Nothing is
refused: a person who asks to be deleted is never turned away because of an attack.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from engine.deletion.steps import SOURCE
from engine.delivery.outbox import deletions
from engine.delivery.outbox.deletions import BY_API, BY_COMMAND, WantedDeletion
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.ids import is_id_text
from engine.events.persons import asked_for, id_text
from engine.records import JsonObject

MOST_A_DAY = 5000
"""Deletions that begin by delete events within 24 hours."""
DAY = 24 * 3600.0
AT_ONCE = 500
"""Deletions that begin in one transaction."""


class Begun(NamedTuple):
    """How many deletions began by delete events, and how many delete events wait for their turn."""

    deletions: int = 0
    waiting: int = 0


def begin_by_command(
    outbox: SqliteOutbox, users: Sequence[str], vendors: JsonObject, now: float, *, suppress: bool
) -> list[int]:
    """Begin deletions of users by their IDs; return their numbers."""
    numbers: list[int] = []
    for at in range(0, len(users), AT_ONCE):
        wanted = [
            WantedDeletion(user, asked_for(user), BY_COMMAND, suppress, vendors) for user in users[at : at + AT_ONCE]
        ]
        numbers += outbox.change(partial(_begin, wanted=wanted, now=now))
    return numbers


def begin_by_events(outbox: SqliteOutbox, vendors: Callable[[], JsonObject], now: float) -> Begun:
    """Begin the deletions that delete events ask for which were not looked at before, oldest first."""
    found, _ = outbox.look(lambda db: deletions.unseen(db, AT_ONCE))
    if not found:
        return Begun()
    return outbox.change(partial(_begin_by_events, vendors=vendors(), now=now))


def _begin(db: sqlite3.Connection, wanted: Iterable[WantedDeletion], now: float) -> list[int]:
    return [deletions.begin(db, each, now) for each in wanted]


def _begin_by_events(db: sqlite3.Connection, vendors: JsonObject, now: float) -> Begun:
    found, last = deletions.unseen(db, AT_ONCE)
    room = MOST_A_DAY - deletions.begun_since(db, BY_API, now - DAY)
    begun = 0
    for at, each in enumerate(found):
        user = asking(each.event)
        if not user or each.source == SOURCE:
            continue
        if room <= begun:
            deletions.set_seen(db, each.number - 1)
            return Begun(begun, len(found) - at)
        deletions.begin(db, WantedDeletion(user, asked_for(user), BY_API, False, vendors, each.number), now)
        begun += 1
    deletions.set_seen(db, last)
    return Begun(begun)


def asking(event: object) -> str:
    """Return the ID of the person that a delete event is about, '' if it names none."""
    if type(event) is not dict or event.get("type") != deletions.DELETE:
        return ""
    user = id_text(event, "userId") or id_text(event, "anonymousId")
    return user if is_id_text(user) else ""
