"""Why a user is in or out: which conditions hold, which events count, and when time alone changes that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from engine.archive.containing import contained
from engine.audiences.clock import set_clock
from engine.audiences.compiling import CompiledQuery, EventScan, compiled
from engine.audiences.events import AUDIENCE
from engine.audiences.model import Definition
from engine.audiences.reasons import described
from engine.audiences.rules import (
    AllOf,
    AnyOf,
    Computation,
    Condition,
    Did,
    DidNot,
    HasTraits,
    NoneOf,
    Times,
    leaves_of,
)

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

SHOWN = 20
"""Events that are shown of a condition, the newest first."""

LOOKED_AT = 1000
"""Events of a condition whose times are looked at for the next change, the newest first."""

NEVER = Times("=", 0)

USER = """
    SELECT person_id, user_id, email FROM users WHERE person_id = $1 OR user_id = $1 OR list_contains(anonymous_ids, $1)
    OR lower(email) = lower($1) ORDER BY person_id = $1 DESC, user_id = $1 DESC, person_id LIMIT 1
"""
EVENTS = """
    SELECT timestamp, event, message_id FROM events WHERE person_id = ${person} AND {matching}
    ORDER BY timestamp DESC, row DESC LIMIT {limit}
"""
COUNT = "SELECT count(*) FROM events WHERE person_id = ${person} AND {matching}"
ONE = "SELECT {columns} FROM ({sql}) AS found WHERE person_id = ${person}"


class FoundUser(NamedTuple):
    """A user of the archive."""

    person_id: str
    user_id: str | None
    email: str | None


class CountingEvent(NamedTuple):
    """An event that counts; `at` is when it happened, in Unix seconds."""

    at: float
    event: str
    message_id: str


class Explained(NamedTuple):
    """A condition of the rule, `depth` levels below it: its text, whether it holds, and its events, newest first.

    `matching` is how many events there are, None for a condition on something else; `events` are the first of them.
    """

    depth: int
    text: str
    holds: bool
    matching: int | None = None
    events: tuple[CountingEvent, ...] = ()


class MembershipReason(NamedTuple):
    """Why a user is in or out; `value` is the JSON text of a computed trait.

    `conditions` is empty for SQL. `changes_at` is when that changes by time alone, None if it never does or if that
    cannot be known.
    """

    user: FoundUser
    is_in: bool
    value: str | None
    conditions: tuple[Explained, ...]
    changes_at: float | None


def find_user(connection: ArchiveConnection, wanted: str) -> FoundUser | None:
    """Return the user with a user ID, an anonymous ID or an email, whoever it was merged into; None without one."""
    row = connection.execute(USER, [wanted]).fetchone()
    return None if row is None else FoundUser(*row)


def explain(connection: ArchiveConnection, definition: Definition, user: FoundUser, now: float) -> MembershipReason:
    """Return why a user is in or out at a moment. Raises QueryError."""
    set_clock(connection, now)
    query = compiled(definition, now)
    row = _one(connection, query, user, "person_id" if definition.kind == AUDIENCE else "person_id, value")
    value = None if row is None or definition.kind == AUDIENCE else str(row[1])
    rule = definition.rule
    if rule is None:
        return MembershipReason(user, row is not None, value, (), None)
    evidence = _Evidence(connection, user, now)
    if isinstance(rule, Computation):
        condition = evidence.explained(rule.over, 0, value is not None)
        oldest = min((at for at in evidence.times(rule.over)), default=None)
        within = rule.over.within
        changes = None if oldest is None or within is None else oldest + within
        return MembershipReason(user, row is not None, value, (condition,), changes)
    conditions = tuple(evidence.tree(rule, 0))
    return MembershipReason(
        user, row is not None, value, conditions, next_change(rule, evidence.times, evidence.holds, now)
    )


def next_change(
    rule: Condition,
    times: Callable[[Did | DidNot], Sequence[float]],
    holds: Callable[[HasTraits], bool],
    now: float,
) -> float | None:
    """Return when a rule holds no more, or begins to, if no event comes in; None if time changes nothing.

    `times` are when the events of a condition happened. An event counts up to its time + within, that moment included.
    """

    def count(condition: Did | DidNot, after: float) -> int:
        within = condition.within
        return len([at for at in times(condition) if within is None or (at + within >= now and at + within > after)])

    def met(condition: Condition, after: float) -> bool:
        if isinstance(condition, AllOf):
            return all(met(each, after) for each in condition.conditions)
        if isinstance(condition, AnyOf):
            return any(met(each, after) for each in condition.conditions)
        if isinstance(condition, NoneOf):
            return not met(condition.condition, after)
        if isinstance(condition, HasTraits):
            return holds(condition)
        wanted = condition.times if isinstance(condition, Did) else NEVER
        return wanted.holds(count(condition, after))

    leaves = [each for each in leaves_of(rule) if not isinstance(each, HasTraits) and each.within is not None]
    moments = sorted({at + (each.within or 0) for each in leaves for at in times(each)})
    today = met(rule, min([now, *moments]) - 1)
    return next((moment for moment in moments if moment >= now and met(rule, moment) != today), None)


class _Evidence:
    """What the archive has of one user for the conditions of a rule."""

    def __init__(self, connection: ArchiveConnection, user: FoundUser, now: float) -> None:
        self._connection, self._user, self._now = connection, user, now
        self._times: dict[int, list[float]] = {}
        self._holds: dict[int, bool] = {}

    def tree(self, rule: Condition, depth: int) -> Iterator[Explained]:
        """Yield the conditions of a rule, each before those that it is made of."""
        if isinstance(rule, AllOf | AnyOf):
            below = [list(self.tree(each, depth + 1)) for each in rule.conditions]
            found = [each[0].holds for each in below]
            is_all = isinstance(rule, AllOf)
            yield Explained(depth, "all of" if is_all else "any of", all(found) if is_all else any(found))
            for each in below:
                yield from each
        elif isinstance(rule, NoneOf):
            inner = list(self.tree(rule.condition, depth + 1))
            yield Explained(depth, "not", not inner[0].holds)
            yield from inner
        elif isinstance(rule, HasTraits):
            yield Explained(depth, described(rule), self.holds(rule))
        else:
            yield self.explained(rule, depth, None)

    def explained(self, condition: Did | DidNot, depth: int, holds: bool | None) -> Explained:
        """Return one condition on events; `holds` is None if that is for its number of events to say."""
        scan = EventScan(self._now)
        matching = scan.matching(condition)
        given, person = self._given(scan)
        row = self._connection.execute(COUNT.format(person=person, matching=matching), given).fetchone()
        count = 0 if row is None else int(row[0])
        select = EVENTS.format(person=person, matching=matching, limit=LOOKED_AT)
        rows = self._connection.execute(select, given).fetchall()
        events = [CountingEvent(_seconds(at), event or "", message_id or "") for at, event, message_id in rows]
        self._times[id(condition)] = [each.at for each in events]
        wanted = condition.times if isinstance(condition, Did) else NEVER
        met = wanted.holds(count) if holds is None else holds
        return Explained(depth, described(condition), met, count, tuple(events[:SHOWN]))

    def times(self, condition: Did | DidNot) -> Sequence[float]:
        """Return when the events of a condition that was explained happened, the newest first."""
        return self._times.get(id(condition), [])

    def holds(self, condition: HasTraits) -> bool:
        """Return whether the user has some traits."""
        if id(condition) not in self._holds:
            only = Definition(kind="audience", name="", key="", rule=condition)
            found = _one(self._connection, compiled(only, self._now), self._user, "person_id")
            self._holds[id(condition)] = found is not None
        return self._holds[id(condition)]

    def _given(self, scan: EventScan) -> tuple[list[object], int]:
        values = [*scan.parameters.values(), self._user.person_id]
        return values, len(values)


def _one(
    connection: ArchiveConnection, query: CompiledQuery, user: FoundUser, columns: str
) -> tuple[object, ...] | None:
    values = [*query.parameters, user.person_id]
    sql = ONE.format(columns=columns, sql=query.sql, person=len(values))
    with contained(connection.limits):
        row = connection.execute(sql, values).fetchone()
    return None if row is None else tuple(row)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
