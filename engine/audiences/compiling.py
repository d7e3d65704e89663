"""A definition -> one query over the views `events` and `users`, that scans the events once.

All conditions on events are counted in one pass, grouped by user; a condition only ever compares these counts. Users
are joined where the rule needs those without such events (`did_not`, `not`, `times: "< 3"`) or their traits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from engine.audiences.model import Definition
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
from engine.audiences.sql_definitions import wrapped
from engine.audiences.value_sql import value_query
from engine.audiences.where import ROOTS
from engine.audiences.where_sql import Parameters, WhereSql

MOST_AHEAD = timedelta(hours=48)
"""How much later than its receipt an event can say that it happened: the days of the archive are those of receipt."""
FIRST_DAY = datetime(1, 1, 4, tzinfo=UTC)
NEVER = Times("=", 0)


class CompiledQuery(NamedTuple):
    """SELECT that gives `person_id`, and for a computed trait `value` as JSON text; one row for each user."""

    sql: str
    parameters: tuple[Any, ...] = ()


def compiled(definition: Definition, now: float) -> CompiledQuery:
    """Return the query of a definition at a moment, in seconds since 1970.

    For a definition of SQL, which `load` has checked, the connection's clock has to be set (`clock.set_clock`).
    """
    if definition.sql is not None:
        return CompiledQuery(wrapped(definition.sql, definition.kind))
    assert definition.rule is not None
    writer = EventScan(now)
    if isinstance(definition.rule, Computation):
        return writer.computed(definition.rule)
    return writer.members(definition.rule)


class EventScan:
    """Collects what one pass over the events counts."""

    def __init__(self, now: float) -> None:
        self.parameters = Parameters()
        self.now = datetime.fromtimestamp(now, UTC)
        self._events = WhereSql(self.parameters, ROOTS)
        self._traits = WhereSql(self.parameters, {"traits": "u.traits"})
        self._counts: dict[tuple[str, float | None, str | None], str] = {}

    def members(self, rule: Condition) -> CompiledQuery:
        """Return the query of an audience's members."""
        holds, at_zero = self._holds(rule), _at_zero(rule)
        has_traits = any(isinstance(each, HasTraits) for each in leaves_of(rule))
        exists = f"u.first_seen <= {self._time(self.now)}" if has_traits or at_zero is not False else "true"
        if not self._counts:
            sql = f"SELECT u.person_id FROM users AS u WHERE {exists} AND {holds}"  # noqa: S608
        elif exists == "true":
            sql = f"WITH counted AS ({self._counted()})\nSELECT person_id FROM counted AS c WHERE {holds}"
        else:
            join = "JOIN" if at_zero is False else "LEFT JOIN"
            sql = (
                f"WITH counted AS ({self._counted()})\n"
                f"SELECT u.person_id FROM users AS u {join} counted AS c ON c.person_id = u.person_id\n"
                f"WHERE {exists} AND {holds}"
            )
        return CompiledQuery(sql, self.parameters.values())

    def leaves(self, conditions: Sequence[Did | DidNot | HasTraits], person_id: str) -> CompiledQuery:
        """Return a query of one row: for each condition how many events of a user count, or whether it holds."""
        found = [
            self._has(each) if isinstance(each, HasTraits) else f"coalesce({self._counter(each)}, 0)"
            for each in conditions
        ]
        counted = f"WITH counted AS ({self._counted()})\n" if self._counts else ""
        joined = " LEFT JOIN counted AS c ON c.person_id = u.person_id" if self._counts else ""
        person = self.parameters.add(person_id)
        sql = f"{counted}SELECT {', '.join(found)} FROM users AS u{joined} WHERE u.person_id = {person}"  # noqa: S608
        return CompiledQuery(sql, self.parameters.values())

    def computed(self, rule: Computation) -> CompiledQuery:
        """Return the query of a computed trait's values."""
        sql = value_query(rule, self._events, self.matching(rule.over))
        return CompiledQuery(sql, self.parameters.values())

    def _holds(self, condition: Condition) -> str:
        """Return a condition on one row of counts and traits."""
        if isinstance(condition, AllOf):
            return f"({' AND '.join(map(self._holds, condition.conditions))})"
        if isinstance(condition, AnyOf):
            return f"({' OR '.join(map(self._holds, condition.conditions))})"
        if isinstance(condition, NoneOf):
            return f"(NOT {self._holds(condition.condition)})"
        if isinstance(condition, HasTraits):
            return self._has(condition)
        times = times_of(condition)
        count = self._counter(condition)
        sign = "<>" if times.sign == "!=" else times.sign
        return f"(coalesce({count}, 0) {sign} {self.parameters.add(times.number)})"

    def _counter(self, condition: Did | DidNot) -> str:
        """Return the column that counts the events of a condition; equal ones share it."""
        key = (condition.event, condition.within, condition.where and condition.where.text)
        if key not in self._counts:
            self._counts[key] = self._one(condition)
        return f"c.n{list(self._counts).index(key)}"

    def _has(self, condition: HasTraits) -> str:
        found = [
            f"({' OR '.join(self._traits.equals(('traits', name), value) for value in values)})"
            for name, values in condition.values
        ]
        if condition.where is not None:
            found.append(self._traits.condition(condition.where.tree))
        return f"({' AND '.join(found)})" if found else "true"

    def _one(self, condition: Did | DidNot) -> str:
        """Return what events of one condition meet, beside `_bounds`."""
        found = [f"event = {self.parameters.add(condition.event)}"]
        if condition.within is not None:
            found.append(f"timestamp >= {self._time(self._start(condition.within))}")
        if condition.where is not None:
            found.append(self._events.condition(condition.where.tree))
        return " AND ".join(found)

    def _counted(self) -> str:
        filters = list(self._counts.values())
        names = sorted({event for event, _, _ in self._counts})
        starts = [within for _, within, _ in self._counts]
        longest = None if None in starts else max(each for each in starts if each is not None)
        where = self._bounds(longest)
        if len(filters) == 1:
            return f"SELECT person_id, count(*) AS n0 FROM events WHERE {where} AND {filters[0]} GROUP BY person_id"  # noqa: S608
        where += f" AND event IN ({', '.join(map(self.parameters.add, names))})"
        counts = (f"count(*) FILTER (WHERE {each}) AS n{number}" for number, each in enumerate(filters))
        return f"SELECT person_id, {', '.join(counts)} FROM events WHERE {where} GROUP BY person_id"  # noqa: S608

    def matching(self, over: Did | DidNot) -> str:
        """Return what an event meets that a condition counts."""
        return f"{self._bounds(over.within)} AND {self._one(over)}"

    def _bounds(self, longest: float | None) -> str:
        found = ["type = 'track'", "person_id IS NOT NULL", f"timestamp <= {self._time(self.now)}"]
        if longest is not None:
            start = self._start(longest)
            found.append(f"timestamp >= {self._time(start)}")
            found.append(f"day >= CAST({self.parameters.add((start - MOST_AHEAD).date())} AS DATE)")
        return " AND ".join(found)

    def _start(self, within: float) -> datetime:
        try:
            return self.now - timedelta(seconds=within)
        except OverflowError:
            return FIRST_DAY

    def _time(self, moment: datetime) -> str:
        return f"CAST({self.parameters.add(moment)} AS TIMESTAMPTZ)"


def times_of(condition: Did | DidNot) -> Times:
    """Return how many events a condition wants."""
    return NEVER if isinstance(condition, DidNot) else condition.times


def _at_zero(condition: Condition) -> bool | None:
    """Whether a rule holds for somebody without any event; None where traits decide."""
    if isinstance(condition, AllOf | AnyOf):
        found = [_at_zero(each) for each in condition.conditions]
        decides = isinstance(condition, AnyOf)
        return decides if decides in found else None if None in found else not decides
    if isinstance(condition, NoneOf):
        inner = _at_zero(condition.condition)
        return None if inner is None else not inner
    if isinstance(condition, HasTraits):
        return None
    return True if isinstance(condition, DidNot) else condition.times.holds(0)
