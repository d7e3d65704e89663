"""Removes persons from the outbox's file, in transactions so short that intake and delivery go on meanwhile.

What is read is read before, without a lock: the number of an event is never given out again, and its content changes
nowhere but here.  A worker may hold an event in memory that is removed: what it writes of it later changes nothing
(outcomes.py).  What is counted is written in the transaction that removes it, so a deletion that was interrupted goes
on with the right numbers.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from engine.delivery.outbox import deletions, keeping
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.deletions import DELETE, DELETE_KEY
from engine.delivery.outbox.keys import person_key
from engine.delivery.outbox.mentions import Mentions, first_email
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.persons import PersonIds, emails_of, id_text, whose
from engine.records import Json

READ_AT_ONCE = 1000
WRITTEN_AT_ONCE = 100
"""Events that one transaction removes at first: about 5 ms."""
LONGEST = 0.05
"""Seconds that a transaction should take; a slow disk gets smaller ones."""
EVENTS, WAITED, ATTEMPTS, MASKED, LEFT, DISCARDS = "events", "waited", "requests", "masked", "left", "discards"
REQUESTS_MASKED = "requests masked"
MOST_IDS = 10_000
"""IDs and emails of one person that are looked for."""
MOST_USERS, MOST_EMAILS = 100, 20
"""Users merged into one, and emails of it, up to which they are taken for one person (engine/deletion/steps.py)."""


class OutboxEvent(NamedTuple):
    """An event of the file; `owner` is the deletion that removes it, 0 where it is another's."""

    number: int
    raw: bytes
    owner: int = 0


class RemovedPersons:
    """The persons of some deletions, and which deletion an ID belongs to."""

    def __init__(self, persons: Iterable[tuple[int, PersonIds]]) -> None:
        self.users: dict[str, int] = {}
        self.anonymous: dict[str, int] = {}
        self.emails: dict[str, int] = {}
        self.numbers: list[int] = []
        for number, ids in persons:
            self.numbers.append(number)
            self.users.update(dict.fromkeys(ids.users, number))
            self.anonymous.update(dict.fromkeys(ids.anonymous, number))
            self.emails.update(dict.fromkeys(ids.emails, number))
        self.ids = PersonIds(frozenset(self.users), frozenset(self.anonymous), frozenset(self.emails))
        self.first = self.numbers[0] if self.numbers else 0

    def owner(self, event: Json) -> int:
        """Return the deletion whose person an event is about, 0 if it is another's."""
        found = whose(event, self.users, self.anonymous)
        return 0 if found is None else self.users.get(found) or self.anonymous[found]

    def keys(self) -> list[int]:
        """Return the keys under which events of these persons are found."""
        return sorted({person_key(text) for each in self.ids for text in each})


def add_all_keys(outbox: SqliteOutbox) -> None:
    """Add the keys of events that an older version stored, without which they are not found."""
    while outbox.key_some():
        pass


def ids_in(outbox: SqliteOutbox, given: PersonIds) -> PersonIds:
    """Return all IDs of a person that the events of the outbox show: those of merged users, devices, emails."""
    users, anonymous, emails = set(given.users), set(given.anonymous), set(given.emails)
    looked: set[str] = set()
    merged: set[str] = set()  # by alias; whether a user's or a device's ID only shows where it is used
    while (wanted := (users | anonymous) - looked) and len(users) <= MOST_USERS and len(anonymous) < MOST_IDS:
        looked |= wanted
        for row in _with_keys(outbox, {person_key(text) for text in wanted}):
            event = _parsed(row.raw)
            if type(event) is not dict:
                continue
            user, previous, device = (id_text(event, name) for name in ("userId", "previousId", "anonymousId"))
            users |= {user} & merged
            if whose(event, users, anonymous) is None:
                continue
            if event.get("type") == "alias":
                users |= {user} - {""}
                merged |= {previous} - {""}
                anonymous |= {previous} - {""}
            if device and device not in anonymous and (not user or user in users) and _owns(outbox, users, device):
                anonymous.add(device)
            emails.update(islice(emails_of(event), MOST_IDS - min(MOST_IDS, len(emails))))
    return PersonIds(frozenset(users), frozenset(anonymous), frozenset(emails))


def _owns(outbox: SqliteOutbox, users: set[str], device: str) -> bool:
    """Whether a device is that of these users: of two users who had it, the first one's."""
    for row in _with_keys(outbox, {person_key(device)}):
        event = _parsed(row.raw)
        if type(event) is dict and id_text(event, "anonymousId") == device and (user := id_text(event, "userId")):
            return user in users
    return True


def remove(
    outbox: SqliteOutbox,
    persons: RemovedPersons,
    *,
    keep_deletes: bool = False,
    pause: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """Remove all events of some persons, and mask them in what is kept of others; again, it finds nothing more.

    Delete events that still wait stay, with `keep_deletes` also those that ended: their outcomes are still to be read.
    `pause` gets the seconds of each piece of work.
    """
    work = _Work(outbox, persons, pause, keep_deletes=keep_deletes)
    outbox.change(lambda db: db.executemany(sql.RESET_COUNT, [(number, LEFT) for number in persons.numbers]))
    rows = (_whose(persons, row) for row in _with_keys(outbox, persons.keys()))
    work.each(_remove, (row for row in rows if row.owner or _is_named(persons, row)))
    if persons.emails:
        work.each(_mask_event, (row for row in _all_events(outbox) if first_email(row.raw, persons.emails)))
    mentions = work.mentions
    for read, find in _TEXTS:
        after: Any = (0, 0) if read == sql.ATTEMPTS_AFTER else 0
        while rows_of := _read(outbox, read, after):
            found = [change for row in rows_of if (change := find(mentions, row)) is not None]
            work.each(_replace, found)
            after = tuple(rows_of[-1][:2]) if read == sql.ATTEMPTS_AFTER else rows_of[-1][0]
    outbox.change(lambda db: _mask_connections(db, mentions))


def count_of(outbox: SqliteOutbox, persons: RemovedPersons) -> Counter[tuple[int, str]]:
    """Count the events that would be removed, by deletion."""
    counts: Counter[tuple[int, str]] = Counter()
    seen: set[int] = set()
    for row in _with_keys(outbox, persons.keys()):
        found = _whose(persons, row)
        if found.owner and row.number not in seen:
            seen.add(row.number)
            counts[found.owner, EVENTS] += 1
            waits = outbox.look(partial(_rows, statement=sql.STILL_WAITS, given=(row.number,)))
            counts[found.owner, WAITED] += bool(waits)
    return counts


class _Work:
    """Writes in transactions of at most `LONGEST` seconds, about."""

    def __init__(
        self, outbox: SqliteOutbox, persons: RemovedPersons, pause: Callable[[float], None], *, keep_deletes: bool
    ) -> None:
        self._outbox, self.persons, self._pause, self.keep_deletes = outbox, persons, pause, keep_deletes
        self.mentions = Mentions(persons.ids)
        self._size = WRITTEN_AT_ONCE

    def each(
        self, function: Callable[[_Work, sqlite3.Connection, Any], Mapping[tuple[int, str], int]], rows: Any
    ) -> None:
        """Run a function for each row, some rows in a transaction, which also counts what it returns."""
        source = iter(rows)
        while part := list(islice(source, self._size)):
            began = time.monotonic()
            self._outbox.change(partial(self._write, function=function, part=part))
            took = time.monotonic() - began
            self._size = max(10, min(WRITTEN_AT_ONCE, int(self._size * LONGEST / max(took, 0.001))))
            self._pause(took)

    def _write(self, db: sqlite3.Connection, function: Any, part: Sequence[Any]) -> None:
        counts: Counter[tuple[int, str]] = Counter()
        for row in part:
            counts.update(function(self, db, row))
        deletions.count(db, counts)


def _whose(persons: RemovedPersons, row: OutboxEvent) -> OutboxEvent:
    return row._replace(owner=persons.owner(_parsed(row.raw)))


def _is_named(persons: RemovedPersons, row: OutboxEvent) -> bool:
    """Whether another's event has a device of the persons; one with their email is found with all that have it."""
    event = _parsed(row.raw)
    return type(event) is dict and id_text(event, "anonymousId") in persons.anonymous


def _parsed(raw: bytes) -> Json:
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value


def _with_keys(outbox: SqliteOutbox, keys: Iterable[int]) -> Iterator[OutboxEvent]:
    """Yield the events with one of some keys, those of a key in their order."""
    wanted, at, after = list(keys), 0, 0
    while at < len(wanted):
        rows, at, after = outbox.look(partial(_of_keys, keys=wanted, at=at, after=after))
        yield from (OutboxEvent(number, raw) for number, _, raw in rows)


def _of_keys(db: sqlite3.Connection, keys: Sequence[int], at: int, after: int) -> tuple[list[Any], int, int]:
    """Return some events, from a key and a number on, and the key and number after them."""
    found: list[Any] = []
    for number in range(at, min(len(keys), at + READ_AT_ONCE)):
        limit = READ_AT_ONCE - len(found)
        rows = db.execute(sql.EVENTS_OF_KEY, (keys[number], after, limit)).fetchall()
        found += rows
        if len(rows) == limit:
            return found, number, rows[-1][0]
        at, after = number + 1, 0
    return found, at, after


def _rows(db: sqlite3.Connection, statement: str, given: Sequence[Any]) -> list[Any]:
    return db.execute(statement, given).fetchall()


def _all_events(outbox: SqliteOutbox) -> Iterator[OutboxEvent]:
    after = 0
    while rows := _read(outbox, sql.EVENTS_AFTER, after):
        yield from (OutboxEvent(number, raw) for number, raw, _ in rows)
        after = rows[-1][0]


def _read(outbox: SqliteOutbox, statement: str, after: Any) -> list[Any]:
    given = (*(after if isinstance(after, tuple) else (after,)), READ_AT_ONCE)
    return outbox.look(partial(_rows, statement=statement, given=given))


def _remove(work: _Work, db: sqlite3.Connection, row: OutboxEvent) -> Mapping[tuple[int, str], int]:
    """Remove an event with its states and the requests that carried it alone."""
    if not row.owner:
        return _mask_event(work, db, row)
    if db.execute(sql.EVENT_THERE, (row.number,)).fetchone() is None:  # another process was quicker
        return {}
    states = db.execute(sql.STATES_OF_EVENT, (row.number,)).fetchall()
    waited = sum(outcome == "waiting" for *_, outcome, _, _, _ in states)
    event = _parsed(row.raw)
    is_delete = type(event) is dict and event.get("type") == DELETE
    if is_delete and (waited or work.keep_deletes):
        return {}
    attempts = 0
    for place, connection, _, _, _, text, _ in states:
        numbers = [each for each in (text or "").split() if not each.startswith("+")]
        attempts += sum(db.execute(sql.DELETE_ATTEMPT, (connection, int(each))).rowcount for each in numbers)
        if not db.execute(sql.DELETE_STATE, (place,)).rowcount:
            db.execute(sql.EMPTY_STATE, (place,))
    keeping.remove_keys(db, [(row.number, row.raw)])
    db.execute(sql.KEYED_LATER, (row.number,))
    if not db.execute(sql.DELETE_EVENT, (row.number,)).rowcount:
        db.execute(sql.EMPTY_EVENT, (row.number,))
    events = 0 if is_delete else 1  # what asked for the deletion is none of the person's
    return {(row.owner, EVENTS): events, (row.owner, WAITED): int(bool(waited)), (row.owner, ATTEMPTS): attempts}


def _mask_event(work: _Work, db: sqlite3.Connection, row: OutboxEvent) -> Mapping[tuple[int, str], int]:
    """Mask persons in another's event, unless it still waits: then the vendor has to get it as it is."""
    if work.persons.owner(_parsed(row.raw)):
        return {}
    raw = work.mentions.mask_values(row.raw)
    stored = db.execute(sql.EVENT, (row.number,)).fetchone()
    if raw == row.raw or stored is None or stored[3] != row.raw:
        return {}
    owner = work.persons.emails.get(first_email(row.raw, work.persons.emails), work.persons.first)
    if db.execute(sql.STILL_WAITS, (row.number,)).fetchone():
        return {(owner, LEFT): 1}
    reports = stored[4] and work.mentions.masked(stored[4])
    db.execute(sql.REPLACE_RAW, (raw, reports, row.number))
    keeping.remove_keys(db, [(row.number, row.raw)])
    db.executemany(sql.ADD_KEYS[1], [(key, row.number) for key in keeping.keys_of_raw(raw)])
    return {(owner, MASKED): 1}


class _Replacement(NamedTuple):
    statement: str
    given: tuple[Any, ...]
    what: str = ""


def _replace(work: _Work, db: sqlite3.Connection, row: _Replacement) -> Mapping[tuple[int, str], int]:
    done = db.execute(row.statement, row.given).rowcount
    return {(work.persons.first, row.what): done} if row.what else {}


def _masked_state(mentions: Mentions, row: Sequence[Any]) -> _Replacement | None:
    place, reason, words, reports, _ = row
    texts = [each and mentions.masked(each) for each in row[1:]]
    return None if texts == [*row[1:]] else _Replacement(sql.REPLACE_TEXTS, (*texts, place, reason, words, reports))


def _masked_attempt(mentions: Mentions, row: Sequence[Any]) -> _Replacement | None:
    texts = [mentions.masked(each) for each in row[2:]]
    return None if texts == [*row[2:]] else _Replacement(sql.REPLACE_ATTEMPT, (*texts, *row[:2]), REQUESTS_MASKED)


def _without_discard(mentions: Mentions, row: Sequence[Any]) -> _Replacement | None:
    """Remove the copy of a discarded event that names a person anywhere: nobody has checked what is in it."""
    number, reason, message_id, raw = row
    texts = (reason, message_id, raw.decode(errors="replace"))
    named = any(mentions.masked(each) != each for each in texts) or mentions.mask_values(raw) != raw
    return _Replacement(sql.DELETE_DISCARD, (number,), DISCARDS) if named else None


_TEXTS: tuple[tuple[str, Callable[[Mentions, Sequence[Any]], _Replacement | None]], ...] = (
    (sql.STATES_WITH_TEXT, _masked_state),
    (sql.ATTEMPTS_AFTER, _masked_attempt),
    (sql.DISCARDS_AFTER, _without_discard),
)


def _mask_connections(db: sqlite3.Connection, mentions: Mentions) -> None:
    for number, *texts in db.execute(sql.CONNECTION_TEXTS).fetchall():
        masked = [mentions.masked(each) for each in texts]
        if masked != texts:
            db.execute(sql.REPLACE_CONNECTION_TEXTS, (*masked, number))


def waiting_deletes(outbox: SqliteOutbox) -> set[str]:
    """Return the IDs of all delete events that still wait for a connection."""
    rows = outbox.look(lambda db: db.execute(sql.WAITING_DELETES, (DELETE_KEY,)).fetchall())
    events = [_parsed(raw) for _, _, raw in rows]
    names = ("userId", "anonymousId")
    return {text for event in events if type(event) is dict for name in names if (text := id_text(event, name))}


def connections_of(db: sqlite3.Connection, event: int) -> set[str]:
    """Return the connections that have an event, however it stands there."""
    return {name for _, _, name, *_ in db.execute(sql.STATES_OF_EVENT, (event,))}


def has_message(db: sqlite3.Connection, source: str, message_id: str) -> bool:
    """Whether an event of a source with this messageId is in the file."""
    return db.execute(sql.EVENTS_WITH_MESSAGE, (message_id, source)).fetchone() is not None


def ended_deletes(outbox: SqliteOutbox, ids: PersonIds) -> dict[str, tuple[str, str]]:
    """Return how the delete events of a person ended: the outcome and the reason by connection; the last one counts."""
    states = [state for state in _delete_states(outbox, ids) if state[3] != "waiting"]
    return {state[2]: (state[3], state[4]) for state in sorted(states, key=itemgetter(0))}


def _delete_states(outbox: SqliteOutbox, ids: PersonIds) -> Iterator[Sequence[Any]]:
    for row in _with_keys(outbox, {person_key(text) for text in ids.users | ids.anonymous}):
        event = _parsed(row.raw)
        if type(event) is dict and event.get("type") == DELETE and whose(event, ids.users, ids.anonymous):
            yield from outbox.look(partial(_rows, statement=sql.STATES_OF_EVENT, given=(row.number,)))
