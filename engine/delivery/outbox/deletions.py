"""Deletions of persons as the outbox's file holds them, and suppression: whose events are discarded.

A deletion's IDs are in the file only while it runs.  What stays is a digest of the ID that was asked for, made with a
key of this file, by which `engine delete status --user ID` finds it, and what was counted.  A suppressed person is
known by digests alone.  Each function runs inside its caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import orjson

from engine.delivery.outbox import keeping
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.keys import TYPE, key, person_key
from engine.events.persons import PersonIds, emails_of, id_text
from engine.records import Json, JsonObject

DELETE = "delete"
DELETE_KEY = key(TYPE, DELETE)
BY_API, BY_COMMAND = "api", "command"
USER, DEVICE, EMAIL = "user", "anonymous", "email"
KEPT = 2 * 366 * 24 * 3600.0
"""Seconds for which a deletion that ended is listed."""


class Deletion(NamedTuple):
    """One deletion; `step` is what it does next (engine/deletion/steps.py), `ids` are None once it has ended.

    `event` is the number of the delete event that asked for it. `vendors` has what becomes of the delete call of each
    connection. Times are Unix seconds.
    """

    number: int
    digest: bytes
    requested_at: float
    requested_by: str
    event: int | None
    suppress: bool
    step: int
    ids: PersonIds | None
    vendors: JsonObject
    ended_at: float | None


class WantedDeletion(NamedTuple):
    """A person to be deleted: an ID, what is known of the person, and what the vendors' part is."""

    given: str
    ids: PersonIds
    requested_by: str
    suppress: bool
    vendors: JsonObject
    event: int | None = None


def secret_of(db: sqlite3.Connection) -> bytes:
    """Return the key of this file's digests."""
    return bytes(db.execute(sql.DELETION_STATE).fetchone()[0])


def digest_of(secret: bytes, kind: str, text: str) -> bytes:
    """Return the digest of an ID of a kind: `USER`, `DEVICE` or `EMAIL`."""
    value = f"{kind}\0{text}".encode(errors="surrogatepass")
    return blake2b(value, digest_size=16, key=secret).digest()


def begin(db: sqlite3.Connection, wanted: WantedDeletion, now: float) -> int:
    """Add a deletion and return its number; that of one that has the same ID and has not ended, if there is one."""
    digest = digest_of(secret_of(db), USER, wanted.given)
    running = db.execute(sql.RUNNING_WITH_DIGEST, (digest,)).fetchone()
    if running is not None and _of(running).step == 0:
        known = _of(running)
        write(db, known._replace(suppress=known.suppress or wanted.suppress))
        return known.number
    given = (digest, now, wanted.requested_by, wanted.event, wanted.suppress, _text_of(wanted.ids))
    return int(db.execute(sql.ADD_DELETION, (*given, orjson.dumps(wanted.vendors).decode())).lastrowid or 0)


def running(db: sqlite3.Connection, step: int, limit: int, after: int = 0) -> list[Deletion]:
    """Return deletions that have not ended and are at a step, those behind a number, in the order of theirs."""
    return [_of(row) for row in db.execute(sql.RUNNING_DELETIONS, (step, after, limit))]


def write(db: sqlite3.Connection, deletion: Deletion) -> None:
    """Write what has changed of a deletion."""
    ids = None if deletion.ids is None else _text_of(deletion.ids)
    vendors = orjson.dumps(deletion.vendors).decode()
    given = (deletion.step, ids, vendors, deletion.suppress, deletion.ended_at, deletion.number)
    db.execute(sql.SET_DELETION, given)


def listed(
    db: sqlite3.Connection, *, number: int | None = None, user: str | None = None, limit: int = 50
) -> list[Deletion]:
    """Return deletions, the newest first: all, the one with a number, or those of a user's ID."""
    digest = None if user is None else digest_of(secret_of(db), USER, user)
    return [_of(row) for row in db.execute(sql.DELETIONS, {"number": number, "digest": digest, "limit": limit})]


def counted(db: sqlite3.Connection, number: int) -> dict[str, int]:
    """Return what was removed by a deletion, by what it is."""
    return dict(db.execute(sql.DELETION_COUNTS, (number,)))


def count(db: sqlite3.Connection, counts: Mapping[tuple[int, str], int]) -> None:
    """Add to what deletions have removed."""
    db.executemany(sql.COUNT_DELETED, [(number, what, n) for (number, what), n in counts.items() if n])


def forget_old(db: sqlite3.Connection, now: float) -> None:
    """Remove deletions that ended `KEPT` ago."""
    db.execute(sql.FORGET_DELETION_COUNTS, (now - KEPT,))
    db.execute(sql.FORGET_DELETIONS, (now - KEPT,))


def _of(row: Sequence[object]) -> Deletion:
    found = Deletion._make(row)
    ids = None if found.ids is None else _ids_of(str(found.ids))
    return found._replace(ids=ids, suppress=bool(found.suppress), vendors=orjson.loads(str(found.vendors)))


def _text_of(ids: PersonIds) -> str:
    return orjson.dumps({name: sorted(each) for name, each in ids._asdict().items()}).decode()


def _ids_of(text: str) -> PersonIds:
    return PersonIds(**{name: frozenset(each) for name, each in orjson.loads(text).items()})


def suppress(db: sqlite3.Connection, deletion: int, ids: PersonIds, now: float) -> None:
    """Discard later events of a person."""
    secret = secret_of(db)
    kinds = ((USER, ids.users), (DEVICE, ids.anonymous), (EMAIL, ids.emails))
    rows = [(digest_of(secret, kind, text), person_key(text), deletion, now) for kind, each in kinds for text in each]
    db.executemany(sql.SUPPRESS, rows)
    db.execute(sql.SUPPRESSION_CHANGED)


def unsuppress(db: sqlite3.Connection, given: str) -> int:
    """Take a person's events again, by any of the person's IDs; return how many IDs were suppressed."""
    secret = secret_of(db)
    found = db.execute(sql.UNSUPPRESS, (digest_of(secret, USER, given), digest_of(secret, DEVICE, given))).rowcount
    db.execute(sql.SUPPRESSION_CHANGED)
    return found


def suppressed_keys(db: sqlite3.Connection) -> frozenset[int]:
    """Return the keys of suppressed persons."""
    return frozenset(number for (number,) in db.execute(sql.SUPPRESSED_KEYS))


class Suppression:
    """The keys of suppressed persons as one connection knows them; read again when they change."""

    def __init__(self) -> None:
        self._changes, self._keys, self._secret = 0, frozenset[int](), b""

    def passing(
        self, db: sqlite3.Connection, events: Sequence[NewEvent], now: float
    ) -> tuple[Sequence[NewEvent], Mapping[str, int]]:
        """Return the events without those of suppressed persons, and how many these were by source, also counted."""
        self._secret, changes, _ = db.execute(sql.DELETION_STATE).fetchone()
        if changes != self._changes:
            self._keys = suppressed_keys(db)
            self._changes = changes
        if not self._keys:
            return events, {}
        passing = [event for event in events if not self._is_suppressed(db, event)]
        if len(passing) == len(events):
            return events, {}
        counts = Counter(each.source for each in events)
        counts.subtract(each.source for each in passing)
        for source, count in (+counts).items():
            keeping.count_arrived(db, [source], now, discarded=count)
        return passing, +counts

    def _is_suppressed(self, db: sqlite3.Connection, event: NewEvent) -> bool:
        keys = keeping.keys_of_raw(event.raw) if event.keys is None else event.keys
        if self._keys.isdisjoint(keys):
            return False
        value = orjson.loads(event.raw)
        names = [] if type(value) is not dict or value.get("type") == DELETE else _names(value)
        digests = (digest_of(self._secret, *each) for each in names)
        return any(db.execute(sql.IS_SUPPRESSED, (digest,)).fetchone() for digest in digests)


def _names(event: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield what an event calls the person that it is about; one with a userId is not judged by device or email."""
    user, previous, device = (id_text(event, name) for name in ("userId", "previousId", "anonymousId"))
    if user:
        yield USER, user
    if previous:
        yield USER, previous
        yield DEVICE, previous
    if device and not user:
        yield DEVICE, device
    if not user:
        yield from ((EMAIL, email) for email in emails_of(event))


class DeleteEvent(NamedTuple):
    """A delete event that came in."""

    number: int
    source: str
    event: Json


def unseen(db: sqlite3.Connection, limit: int) -> tuple[list[DeleteEvent], int]:
    """Return delete events that were not looked at, the oldest first, and up to which number this is all."""
    seen = db.execute(sql.DELETION_STATE).fetchone()[2]
    last = db.execute(sql.LAST_EVENT).fetchone()[0]
    rows = db.execute(sql.EVENTS_OF_KEY, (DELETE_KEY, seen, limit)).fetchall()
    found = [DeleteEvent(number, source, orjson.loads(raw)) for number, source, raw in rows]
    return found, found[-1].number if len(found) == limit else last


def set_seen(db: sqlite3.Connection, number: int) -> None:
    """Record up to which event delete events were looked at."""
    db.execute(sql.SET_SEEN, (number,))


def begun_since(db: sqlite3.Connection, requested_by: str, since: float) -> int:
    """Count deletions that were begun after a time."""
    return int(db.execute(sql.DELETIONS_SINCE, (requested_by, since)).fetchone()[0])


def at_steps(db: sqlite3.Connection) -> dict[int, int]:
    """Count the deletions that have not ended, by their step."""
    return dict(db.execute(sql.DELETION_STEPS))
