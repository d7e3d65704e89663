"""What each field of an event reaches: it is taken away and changed, and the plans of the changed events are compared.

So whole objects, conditions and functions need no rules of their own: what the compiled mapping does is what counts.
A field that takes two changes at once to be seen (the losing alternative of a choice) reaches nothing in this event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

from engine.explaining.outputs import Route
from engine.language.times import read_time
from engine.records import Json, JsonObject, Plan, PlannedRequest

NOT_OF_MAPPINGS = frozenset(
    {
        "type",
        "messageId",
        "integrations",
        "receivedAt",
        "sentAt",
        "originalTimestamp",
        "version",
        "writeKey",
        "_metadata",
    }
)
"""Fields of an event that say how it travels; nobody asks where they went."""

MOST_LEAVES = 1000
"""Fields of one event that are looked at; each is planned twice."""
MOST_WORK = 400_000
"""Fields that are looked at, times the fields that are planned for each: of an event with very many, fewer are."""
FEWEST_LEAVES = 20

ANOTHER_TIME = "2001-02-03T04:05:06Z"
REMOVED = object()

Replan: TypeAlias = Callable[[JsonObject], Plan]
"""Plans the event with other fields."""


def most_leaves(count: int) -> int:
    """Return how many fields of an event with `count` of them are looked at, so that the answer takes seconds."""
    return min(MOST_LEAVES, max(FEWEST_LEAVES, MOST_WORK // max(count, 1)))


class Target(NamedTuple):
    """What an event field reaches: a field of a request's body, or its method, url, query or headers."""

    request: int
    route: Route


class Effect(NamedTuple):
    """What one field of an event does: the output fields it reaches, and whether it decides what is sent at all."""

    targets: tuple[Target, ...] = ()
    decides: bool = False

    def __bool__(self) -> bool:
        return self.decides or bool(self.targets)


class Origins:
    """Which event fields reach a field of a request, or the object that it is in."""

    def __init__(self, effects: Mapping[Route, Effect]) -> None:
        self._found: dict[tuple[int, Route], dict[Route, None]] = {}
        for source, each in effects.items():
            for target in each.targets:
                for length in range(len(target.route), 0, -1):  # what changes inside an empty object changes it
                    self._found.setdefault((target.request, target.route[:length]), {})[source] = None
        self._whole = {(target.request, target.route) for each in effects.values() for target in each.targets}

    def of(self, request: int, route: Route) -> list[Route]:
        """Return the fields that reach `route` of a request, by its number from 0."""
        found = dict(self._found.get((request, route), {}))
        for length in range(1, len(route)):
            outer = (request, route[:length])
            found |= self._found[outer] if outer in self._whole else {}
        return list(found)


def leaves(event: JsonObject) -> Iterator[tuple[Route, Json]]:
    """Return the fields of an event that mappings may be about: what is inside its objects, and empty objects."""
    for name, value in event.items():
        if name not in NOT_OF_MAPPINGS:
            yield from _leaves((name,), value)


def _leaves(route: Route, value: Json) -> Iterator[tuple[Route, Json]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves((*route, name), member)
    elif isinstance(value, list) and value:
        for number, member in enumerate(value):
            yield from _leaves((*route, number), member)
    else:
        yield route, value


def effect(event: JsonObject, route: Route, value: Json, replan: Replan, before: Plan) -> Effect:
    """Return what the field at `route` reaches, of an event that was planned as `before`."""
    targets: dict[Target, None] = {}
    decides = False
    for other in variants(route, value):
        plan = replan(replaced(event, route, other))
        if plan.outcome == before.outcome and len(plan.requests) == len(before.requests):
            targets |= dict.fromkeys(_changed(before.requests, plan.requests))
            decides = decides or (not plan.requests and plan.reason != before.reason)
        else:
            decides = True
    return Effect(tuple(targets), decides)


def variants(route: Route, value: Json) -> Iterator[object]:
    """Return what to put in a field's place; an item of a list cannot go away, for the others would move."""
    if not isinstance(route[-1], int):
        yield REMOVED
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value * 2 + 7
    elif isinstance(value, str):
        yield ANOTHER_TIME if read_time(value) is not None else _another_text(value)
    elif value is not None:  # an empty list or object; something in it would be a field that the event has not
        yield [] if value == {} else {}


def _another_text(value: str) -> str:
    """Return another text; blank text stays blank, for the other would reach what this one is dropped from."""
    return f"q{value}q" if value.strip() else f"{value} "


def replaced(value: Json, route: Route, other: object) -> JsonObject:
    """Copy an event with another value at a route; what is beside the route is shared."""
    return cast("JsonObject", _replaced(value, route, other))


def _replaced(value: Json, route: Route, other: object) -> object:
    if not route:
        return other
    key, *rest = route
    copy = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[arg-type]
    if not rest and other is REMOVED:
        del copy[key]  # type: ignore[arg-type]
    else:
        copy[key] = _replaced(copy[key], (*rest,), other)  # type: ignore[index, call-overload, assignment]
    return copy


def _changed(before: Sequence[PlannedRequest], after: Sequence[PlannedRequest]) -> Iterator[Target]:
    """Return what differs between the requests; headers count only where nothing else differs, for they may sign it."""
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        found = [Target(number, ("body", *route)) for route in _different((), one.body, other.body)]
        found += [Target(number, (name,)) for name in ("method", "url") if getattr(one, name) != getattr(other, name)]
        found += [Target(number, ("query", *route)) for route in _different((), one.query, other.query)]
        yield from found
        if not found:
            routes = _different((), one.headers, other.headers)
            yield from (Target(number, ("headers", *route)) for route in routes)


def _different(route: Route, one: object, other: object) -> Iterator[Route]:
    """Return the routes to the fields in which two values differ, by the fields of the first."""
    if one == other and type(one) is type(other):
        return
    if isinstance(one, dict) and one:
        inner = other if isinstance(other, dict) else {}
        for key in {**one, **inner}:
            yield from _different((*route, key), one.get(key, REMOVED), inner.get(key, REMOVED))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _different((*route, number), first, second)
    else:
        yield route
