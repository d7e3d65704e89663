"""Since when a user is in an audience or out of it, as the events that the archive has now tell it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.audiences.compiling import EventScan
from engine.audiences.explaining import NEVER
from engine.audiences.model import Definition
from engine.audiences.rules import AllOf, AnyOf, Computation, Condition, Did, DidNot, HasTraits, NoneOf, leaves_of

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

LOOKED_AT = 1000
"""Events of a condition that are looked at, the newest first."""
MOST_MOMENTS = 500
"""Moments that are looked at, the latest first."""
AFTER = 1e-3
"""Seconds after the last moment at which an event counts."""
TIMES = """
    SELECT timestamp FROM events WHERE person_id = ${person} AND {matching}
    ORDER BY timestamp DESC, row DESC LIMIT {limit}
"""
Leaf = Did | DidNot


def since(connection: ArchiveConnection, definition: Definition, person_id: str, now: float) -> float | None:
    """Return since when it has been as it is, in Unix seconds; of a computed trait, when what counts last changed.

    None where that cannot be known (SQL, traits), and for a user who never was anything else.
    """
    rule = definition.rule
    if rule is None:
        return None
    if isinstance(rule, Computation):
        found = _times(connection, rule.over, person_id, now)
        return max(_moments([rule.over], {id(rule.over): found}, now), default=None)
    leaves = list(leaves_of(rule))
    events = [each for each in leaves if not isinstance(each, HasTraits)]
    if len(events) < len(leaves):
        return None  # when a trait was set is not known
    times = {id(each): _times(connection, each, person_id, now) for each in events}
    return last_change(rule, lambda each: times[id(each)], now)


def last_change(rule: Condition, times: Callable[[Leaf], Sequence[float]], now: float) -> float | None:
    """Return when a rule last began to hold, or to hold no more, None if it never did; `times` are those of events."""
    leaves = [each for each in leaves_of(rule) if not isinstance(each, HasTraits)]
    moments = sorted(_moments(leaves, {id(each): times(each) for each in leaves}, now), reverse=True)
    today = _met(rule, times, now)
    for number, moment in enumerate(moments[:MOST_MOMENTS]):
        before = moments[number + 1] if number + 1 < len(moments) else moment - AFTER
        if _met(rule, times, before) != today:
            return moment
    return None


def _moments(leaves: Sequence[Leaf], times: Mapping[int, Sequence[float]], now: float) -> set[float]:
    """Return when events begin to count, and when they no longer do."""
    found = {at for each in leaves for at in times[id(each)]}
    found |= {at + each.within + AFTER for each in leaves if each.within is not None for at in times[id(each)]}
    return {each for each in found if each <= now}


def _met(rule: Condition, times: Callable[[Leaf], Sequence[float]], moment: float) -> bool:
    if isinstance(rule, AllOf):
        return all(_met(each, times, moment) for each in rule.conditions)
    if isinstance(rule, AnyOf):
        return any(_met(each, times, moment) for each in rule.conditions)
    if isinstance(rule, NoneOf):
        return not _met(rule.condition, times, moment)
    assert not isinstance(rule, HasTraits)
    wanted = rule.times if isinstance(rule, Did) else NEVER
    first = float("-inf") if rule.within is None else moment - rule.within
    return wanted.holds(sum(first <= at <= moment for at in times(rule)))


def _times(connection: ArchiveConnection, condition: Leaf, person_id: str, now: float) -> list[float]:
    scan = EventScan(now)
    matching = scan.matching(condition._replace(within=None))
    given: list[object] = [*scan.parameters.values(), person_id]
    sql = TIMES.format(person=len(given), matching=matching, limit=LOOKED_AT)
    return [at.timestamp() for (at,) in connection.execute(sql, given).fetchall()]
