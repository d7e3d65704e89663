"""What was set aside, by why: reasons that differ only in the values they quote are one group.

A group is found by its digest, so that an address has no value of an event in it, which a reason may quote.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson

from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.looking import MOST_REASONS, Found, PageEnd, found_at, groups
from engine.language.texts import kind_of_reason
from engine.records import Outcome

PARTLY = re.compile(r"; \d+ of \d+ accepted$")
"""How much of an event was accepted, which is no reason of its own."""


class AsideGroup(NamedTuple):
    """The states of a connection that ended for one kind of reason.

    `reason` and `error`, the vendor's message, are those of its most frequent exact reason; `reasons` has all exact
    ones. Times are Unix seconds.
    """

    connection: str
    outcome: Outcome
    kind: str
    reason: str
    error: str
    events: int
    first_at: float
    last_at: float
    reasons: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What names the group in an address."""
        text = orjson.dumps([self.connection, self.outcome, self.kind])
        return blake2b(text, digest_size=8).hexdigest()

    @property
    def varied(self) -> bool:
        """Whether its reasons have different values in them."""
        return len(self.reasons) > 1


def aside_groups(
    db: sqlite3.Connection, outcomes: Sequence[Outcome], connection: str | None = None
) -> tuple[list[AsideGroup], bool]:
    """Return the groups, the largest first, and whether there are more exact reasons than are looked at."""
    found: dict[tuple[str, Outcome, str], AsideGroup] = {}
    rows = groups(db, outcomes, connection, MOST_REASONS)
    for each in rows:
        kind = kind_of_reason(PARTLY.sub("", each.reason))
        key = (each.connection, each.outcome, kind)
        known = found.get(key)
        if known is None:
            found[key] = AsideGroup(
                *key, each.reason, each.error, each.events, each.first_at, each.last_at, (each.reason,)
            )
            continue
        found[key] = known._replace(
            events=known.events + each.events,
            first_at=min(known.first_at, each.first_at),
            last_at=max(known.last_at, each.last_at),
            reasons=(*known.reasons, each.reason),
        )
    return sorted(found.values(), key=lambda each: (-each.events, each[:3])), len(rows) == MOST_REASONS


def newest_of(db: sqlite3.Connection, wanted: AsideGroup, limit: int, before: PageEnd | None = None) -> list[Found]:
    """Return the states of a group, the newest event first."""
    place = (None, None) if before is None else before
    given = {"limit": limit, "before_event": place[0], "before_place": place[1]}
    rows = db.execute(sql.NEWEST_OF_REASONS, {"reasons": _reasons(db, [wanted]), **given})
    return found_at(db, [row[1] for row in rows])


def places_of(db: sqlite3.Connection, wanted: Iterable[AsideGroup], limit: int) -> list[int]:
    """Return the places of the states of some groups, in the order of the queue."""
    rows = db.execute(sql.PLACES_OF_REASONS, {"reasons": _reasons(db, wanted), "limit": limit})
    return sorted(row[0] for row in rows)


def _reasons(db: sqlite3.Connection, wanted: Iterable[AsideGroup]) -> str:
    found = []
    for each in wanted:
        row = db.execute(sql.CONNECTION_ID, (each.connection,)).fetchone()
        found += [] if row is None else [(row[0], each.outcome.value, reason) for reason in each.reasons]
    return orjson.dumps(found).decode()
