"""Looking into an outbox: which events are meant, what became of them, how its connections stand.

Each function reads from a database connection, within one read transaction (`SqliteOutbox.look`, `reading.OutboxFile`),
so that commands and the web console ask the same questions, also of a file that is open for reading only.  A search
starts from the index with the fewest entries for it, and takes a few milliseconds in a million events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

import orjson

from engine.delivery.outbox import keys
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.attempts import NO_ATTEMPTS, Attempt, AttemptNumbers
from engine.delivery.outbox.base import Chosen, ConnectionRow, Discarded, OutboxDamaged, Waiting, as_of
from engine.delivery.outbox.base import Standing as Standing  # noqa: PLC0414  what `standings` returns
from engine.delivery.outbox.file import damage_text
from engine.delivery.outbox.keeping import SLOT, slot_of
from engine.delivery.outbox.reports import EventReports, from_text
from engine.records import Json, JsonObject, Outcome

FEW = 2000
"""Entries of an index up to which all are looked at and sorted; with more, events are read from the newest on."""

MOST_COUNTED = 10_000
"""How far chosen states are counted."""

MOST_REASONS = 2000
"""Distinct reasons that a text is looked for in."""

SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID, Outcome.IGNORED)
WAITING = (Outcome.WAITING, Outcome.HELD)

IN_LOWER_CASE = {ord(each): each.lower() for each in ascii_uppercase}
"""What SQLite's `lower` does."""


class Found(NamedTuple):
    """One state with its event, as commands and pages show it; times are Unix seconds.

    `event` is the event's number and `place` the state's. `raw` is the event as it was stored. `digest` is that of the
    mapping's version that planned it, None before that. `attempts` are the numbers of its requests.
    """

    event: int
    message_id: str
    source: str
    connection: str
    outcome: Outcome
    reason: str
    error: str
    changed_at: float
    place: int
    reports: EventReports
    raw: bytes
    digest: str | None
    queued_at: float
    tried_at: float | None
    attempts: AttemptNumbers
    received_at: str
    taken_at: float

    @property
    def value(self) -> Json:
        """The event as JSON, None if its bytes are none."""
        try:
            return orjson.loads(self.raw)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError:
            return None


class PageEnd(NamedTuple):
    """Where a page of a search ends; the next one shows what is before it."""

    event: int
    place: int


BEGINNING = PageEnd(0, 0)


def newest(
    db: sqlite3.Connection, chosen: Chosen, limit: int, *, skip: int = 0, before: PageEnd | None = None
) -> list[Found]:
    """Return the chosen states, the newest event first."""
    values = _values(db, chosen)
    if values is None:
        return []
    place = (None, None) if before is None else before
    given = {**values, "limit": limit + skip, "before_event": place[0], "before_place": place[1]}
    found: list[PageEnd] = []
    for part in _parts(chosen):
        wanted = {**given, **_of_part(db, part)}
        source = _best(db, part, wanted, FEW)
        found += [PageEnd._make(row) for row in db.execute(sql.NEWEST_BY[source], wanted)]
    found = sorted(found, reverse=True)[skip : skip + limit]
    return found_at(db, [each.place for each in found])


def oldest(
    db: sqlite3.Connection, chosen: Chosen, limit: int, *, skip: int = 0, after: PageEnd = BEGINNING
) -> list[Found]:
    """Return the chosen states, the oldest event first."""
    values = _values(db, chosen)
    if values is None:
        return []
    given = {**values, "limit": limit + skip, "after_event": after.event, "after_place": after.place}
    source = "all" if chosen.event is None else "event"
    wanted = [values[each] for each in ("user", "name", "call") if values[each] is not None]
    if chosen.event is None and wanted:
        source = "key"
        given["key"] = min(wanted, key=lambda key: _key_count(db, key, MOST_COUNTED))
    places = [place for _, place in db.execute(sql.OLDEST_BY[source], given)]
    return found_at(db, places[skip:])


def _key_count(db: sqlite3.Connection, key: int, most: int) -> int:
    return int(db.execute(sql.KEY_COUNT, {"key": key, "most": most}).fetchone()[0])


def _parts(chosen: Chosen) -> list[Chosen]:
    """Return what is looked for one by one: reasons have an index each for what was set aside and what waits."""
    if chosen.reason is None:
        return [chosen]
    wanted = [[each for each in kind if each in (chosen.outcomes or kind)] for kind in (SET_ASIDE, WAITING)]
    others = [each for each in chosen.outcomes if each not in (*SET_ASIDE, *WAITING)]
    return [chosen._replace(outcomes=tuple(part)) for part in (*wanted, others) if part]


def counted(db: sqlite3.Connection, chosen: Chosen, most: int = MOST_COUNTED) -> int:
    """Count the chosen states, up to `most` + 1."""
    values = _values(db, chosen)
    if values is None:
        return 0
    count = 0
    for part in _parts(chosen):
        wanted = {**values, **_of_part(db, part)}
        source = _best(db, part, wanted, None)
        count += db.execute(sql.COUNT_BY[source], {**wanted, "most": most + 1}).fetchone()[0]
    return min(count, most + 1)


def changed_between(
    db: sqlite3.Connection, chosen: Chosen, since: float, until: float, limit: int
) -> tuple[list[Found], int]:
    """Return the chosen states that changed from `since` to before `until`, the latest first, and how many there are.

    It looks at everything that changed in that time, so it is for short times.
    """
    values = _values(db, chosen)
    if values is None:
        return [], 0
    given = {**values, "from": since, "to": until, "limit": limit}
    found = found_at(db, [row[0] for row in db.execute(sql.CHANGED_BETWEEN, given)])
    if len(found) < limit:
        return found, len(found)
    return found, int(db.execute(sql.COUNT_CHANGED, given).fetchone()[0])


def stored_at(db: sqlite3.Connection, places: Sequence[int]) -> list[Waiting]:
    """Return states as they would wait, as `Outbox.stored_at` does."""
    return [_waiting(row) for row in db.execute(sql.STORED_AT, (str(list(places)),))]


def _waiting(row: Sequence[Any]) -> Waiting:
    *values, intake, attempts, kept, replayed = row
    return Waiting._make((*values, from_text(intake).event, attempts, from_text(kept), replayed == 1))


def states_at(db: sqlite3.Connection, places: Sequence[int]) -> list[tuple[int, int]]:
    """Return event and connection of the states at some places: what stays the same when they are queued again."""
    return [(event, connection) for event, connection in db.execute(sql.KEYS_AT, (str(list(places)),))]


def outcomes_of(db: sqlite3.Connection, states: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """Return how many of some states, by event and connection, have which outcome, the most frequent one first."""
    return [(outcome, count) for outcome, count in db.execute(sql.OUTCOMES_OF, (orjson.dumps(states).decode(),))]


def connection_rows(db: sqlite3.Connection) -> list[ConnectionRow]:
    """Return all connections."""
    return [ConnectionRow._make(row) for row in db.execute(sql.CONNECTIONS, (None,))]


def found_at(db: sqlite3.Connection, places: Sequence[int]) -> list[Found]:
    """Return the states at some places, in their order."""
    return [_found(row) for row in db.execute(sql.ROWS_AT, (str(list(places)),))]


@contextmanager
def values_are_ours(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Raise OutboxDamaged where a value that was read can have been written by no version of the engine."""
    try:
        yield
    except UnicodeEncodeError:  # of what was asked for
        raise
    except ValueError as error:
        wrong = db.execute(sql.WRONG_VALUES, {"outcomes": outcome_list(Outcome)}).fetchone()
        reason = f"impossible values in {wrong[0]}" if wrong else "impossible values"
        raise OutboxDamaged(damage_text(path, reason)) from error


def _found(row: Sequence[Any]) -> Found:
    found = Found._make(row)
    reports, numbers = from_text(row[9]), NO_ATTEMPTS if row[14] is None else AttemptNumbers.of(row[14])
    return found._replace(outcome=Outcome(found.outcome), reports=reports, attempts=numbers)


def search_values(chosen: Chosen) -> dict[str, Any]:
    """Return what the statements of a search are given for what is chosen."""
    user, name, call = chosen.user, chosen.name, chosen.call
    return {
        **chosen._asdict(),
        "outcomes": outcome_list(chosen.outcomes),
        "user": None if user is None else keys.person_key(user),
        "name": None if name is None else keys.key(keys.NAME, name),
        "call": None if call is None else keys.key(keys.TYPE, call),
        "reason": None if chosen.reason is None else chosen.reason.translate(IN_LOWER_CASE),
    }


def outcome_list(outcomes: Iterable[Outcome]) -> str:
    """Return outcomes as the text in which statements search for one with `instr`."""
    return "".join(f" {outcome.value} " for outcome in outcomes)


def _values(db: sqlite3.Connection, chosen: Chosen) -> dict[str, Any] | None:
    """Return what a search is given; None if nothing can be found."""
    values = search_values(chosen)
    values["connection_id"] = number = _connection_id(db, chosen.connection)
    if chosen.connection is not None and number is None:
        return None
    values["held"] = "".join(f" {number} " for number, _ in db.execute(sql.HELD))
    return values


def _of_part(db: sqlite3.Connection, part: Chosen) -> dict[str, str]:
    return {"outcomes": outcome_list(part.outcomes), "reasons": orjson.dumps(_reasons(db, part)).decode()}


def _connection_id(db: sqlite3.Connection, name: str | None) -> int | None:
    row = None if name is None else db.execute(sql.CONNECTION_ID, (name,)).fetchone()
    return None if row is None else int(row[0])


def _reasons(db: sqlite3.Connection, chosen: Chosen) -> list[Sequence[Any]]:
    """Return the distinct reasons that have the text, with connection and outcome."""
    if chosen.reason is None:
        return []
    text, number = chosen.reason.translate(IN_LOWER_CASE), _connection_id(db, chosen.connection)
    return [
        row
        for row in db.execute(sql.REASONS_SET_ASIDE, (MOST_REASONS,))
        if Outcome(row[1]) in chosen.outcomes and text in row[2].translate(IN_LOWER_CASE) and number in (None, row[0])
    ]


def _best(db: sqlite3.Connection, chosen: Chosen, values: dict[str, Any], few: int | None) -> str:
    """Return the index to start from, and put its key into `values`: the one with the fewest entries.

    With `few`, one with more entries is no use, because they are in another order than events; then events are read
    from the newest on, by a key if there is one.
    """
    if chosen.event is not None:
        return "event"
    counts: dict[str, int] = {}
    most = (few or MOST_COUNTED) + 1

    def count(name: str, statement: str) -> None:
        counts[name] = db.execute(statement, {**values, "most": most}).fetchone()[0]

    if chosen.outcomes and set(chosen.outcomes) <= set(SET_ASIDE):
        count("set aside", sql.SET_ASIDE_COUNT)
    if chosen.outcomes and set(chosen.outcomes) <= set(WAITING):
        count("unfinished", sql.UNFINISHED_COUNT)
    wanted = [values[each] for each in ("user", "name", "call") if values[each] is not None]
    lengths = [(_key_count(db, each, most), each) for each in wanted]
    if lengths:
        counts["key"], values["key"] = min(lengths)
    if chosen.since is not None:
        count("changed", sql.CHANGED_COUNT)
    best = min(counts, key=counts.__getitem__, default="all")
    if few is None or best in ("key", "all") or counts[best] <= few or _is_rare(db, best, chosen, values, few):
        return best
    return "key" if "key" in counts else "all"


def _is_rare(db: sqlite3.Connection, best: str, chosen: Chosen, values: Mapping[str, Any], few: int) -> bool:
    """Whether few reasons have a text, so that all states are looked at that may have it in the vendor's message."""
    if chosen.reason is None or best not in ("set aside", "unfinished"):
        return False
    return bool(db.execute(sql.REASON_COUNT, {**values, "most": few + 1}).fetchone()[0] <= few)


def attempts_of(db: sqlite3.Connection, connection: str, numbers: Iterable[int]) -> list[Attempt]:
    """Return a connection's requests with these numbers, in their order; those that were purged are missing."""
    rows = db.execute(sql.ATTEMPTS_OF, (connection, str(list(numbers))))
    return [Attempt._make(row)._replace(refused=bool(row[8])) for row in rows]


class SetAsideGroup(NamedTuple):
    """The states of a connection that ended alike; `error` is the vendor's message in the latest of them."""

    connection: str
    outcome: Outcome
    reason: str
    events: int
    first_at: float
    last_at: float
    error: str


def groups(
    db: sqlite3.Connection,
    outcomes: Sequence[Outcome] = (Outcome.REJECTED, Outcome.INVALID),
    connection: str | None = None,
    limit: int = 200,
) -> list[SetAsideGroup]:
    """Return what was set aside by connection and reason, the largest group first."""
    number = _connection_id(db, connection)
    if connection is not None and number is None:
        return []
    given = {"outcomes": outcome_list(outcomes), "connection_id": number, "limit": limit}
    found = []
    for name, outcome, reason, count, first, last in db.execute(sql.GROUPS, given).fetchall():
        [error] = db.execute(sql.LATEST_OF_GROUP, (name, outcome, reason)).fetchone()
        found.append(SetAsideGroup(name, Outcome(outcome), reason, count, first, last, error))
    return found


def standings(db: sqlite3.Connection, now: float) -> list[Standing]:
    """Return how every connection stands at a time."""
    last, ended = slot_of(now), slots_ended(db, now, 3600.0)
    set_aside: dict[str, dict[Outcome, int]] = {}
    for name, outcome, count in db.execute(sql.SET_ASIDE_NOW):
        set_aside.setdefault(name, {})[Outcome(outcome)] = count
    found = []
    for *values, waiting, oldest in db.execute(sql.STANDINGS).fetchall():
        row = as_of(ConnectionRow._make(values), now)
        own = [each for each in ended if each.name == row.name]
        minute = sum(each.events for each in own if last - 60 // SLOT <= each.slot < last)
        rate = minute / 60
        hour: dict[Outcome, int] = {}
        for each in own:
            hour[each.outcome] = hour.get(each.outcome, 0) + each.events
        lag = None if oldest is None else max(0.0, now - oldest)
        drain = waiting / rate if waiting and rate and not (row.held or row.due) else None
        aside = set_aside.get(row.name, {})
        digest = db.execute(sql.LAST_DIGEST, (row.name,)).fetchone()
        found.append(Standing(row, waiting, lag, rate, drain, hour, aside, None if digest is None else digest[0]))
    return found


def counts(db: sqlite3.Connection) -> dict[tuple[str, Outcome], int]:
    """Count states by connection and outcome."""
    set_aside = {(name, Outcome(outcome)): count for name, outcome, count in db.execute(sql.SET_ASIDE_NOW)}
    found: dict[tuple[str, Outcome], int] = {}
    for name, held, total, waiting in db.execute(sql.COUNTS):
        own = {key: count for key, count in set_aside.items() if key[0] == name}
        own[name, Outcome.HELD if held else Outcome.WAITING] = waiting
        own[name, Outcome.DELIVERED] = total - sum(own.values())
        found |= dict(sorted((item for item in own.items() if item[1]), key=lambda item: item[0][1].value))
    return found


class SlotEnded(NamedTuple):
    """How many events of a connection ended in one slot (`keeping.SLOT` seconds) with an outcome."""

    slot: int
    name: str
    outcome: Outcome
    events: int


class SlotArrived(NamedTuple):
    """How many events of a source came in during one slot, and how many were discarded."""

    slot: int
    source: str
    events: int
    discarded: int


def slots_ended(db: sqlite3.Connection, now: float, seconds: float) -> list[SlotEnded]:
    """Return what ended in the last seconds (at most the two hours that are kept), in the order of time."""
    rows = db.execute(sql.ENDED, (slot_of(now - seconds), slot_of(now)))
    return [SlotEnded(slot, name, Outcome(outcome), events) for slot, name, outcome, events in rows]


def slots_arrived(db: sqlite3.Connection, now: float, seconds: float) -> list[SlotArrived]:
    """Return what came in during the last seconds, in the order of time."""
    return [SlotArrived._make(row) for row in db.execute(sql.ARRIVED, (slot_of(now - seconds), slot_of(now)))]


class DiscardGroup(NamedTuple):
    """The discards of a source with the same code and reason that are kept."""

    source: str
    code: str
    reason: str
    events: int
    first_at: float
    last_at: float


def discards(
    db: sqlite3.Connection, source: str | None = None, limit: int = 50, before: int | None = None
) -> list[tuple[int, Discarded]]:
    """Return what the collector discarded, the newest first, each with its number; `before` is one, for more."""
    rows = db.execute(sql.DISCARDS, {"source": source, "before": before, "limit": limit})
    return [(row[0], Discarded._make(row[1:])) for row in rows]


def discard_groups(db: sqlite3.Connection, limit: int = 200) -> list[DiscardGroup]:
    """Return what was discarded by source and reason, the largest group first."""
    return [DiscardGroup._make(row) for row in db.execute(sql.DISCARD_GROUPS, (limit,))]


def version_files(db: sqlite3.Connection, digest: str) -> tuple[str, bytes] | None:
    """Return the name and the files of a mapping's version."""
    found: tuple[str, bytes] | None = db.execute(sql.VERSION_FILES, (digest,)).fetchone()
    return found


def earliest_after(db: sqlite3.Connection, number: int) -> float | None:
    """Return when the first of the events behind a number was taken in, in Unix seconds; None if there are none."""
    found: float | None = db.execute(sql.EARLIEST_AFTER, (number,)).fetchone()[0]
    return found


def unkeyed(db: sqlite3.Connection) -> bool:
    """Whether some events that an older version stored cannot be found by user, name or type yet."""
    return bool(db.execute(sql.UNKEYED).fetchone()[0])


def title_of(value: Json) -> tuple[str, str, str]:
    """Return type, name and person of an event for a line of a list; '' for what it does not have."""
    if type(value) is not dict:
        return "", "", ""
    event: JsonObject = value
    call = event.get("type")
    return call if type(call) is str else "", keys.name_of(event), next(keys.people_of(event), "")
