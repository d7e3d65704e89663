"""Which fields of many events reach no request: `influence.py` for every event, with a memory.

Events that have the same fields, of the same types, and for which the compiled mapping did the same, are looked at
once. What it did is what its recorder noted: which paths gave something, which conditions held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from engine.compiler.recording import Kind, Recorder
from engine.explaining.influence import REMOVED, most_leaves, replaced, variants
from engine.explaining.original import OriginalEvent
from engine.explaining.outputs import Route
from engine.mapping.walk import roots_of
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Outcome, Plan

MOST_SHAPES = 10_000
"""Kinds of events that are remembered; then all are forgotten and found again."""

MOST_FIELDS = 5_000
"""Fields that are counted by name; an event whose keys are data could have any number of them."""

FILLED_FROM = ((("traits",), ("context", "traits")), (("category",), ("properties", "category")))
"""Fields of which normalizing looks at one for the other."""

Flow: TypeAlias = tuple[int, ...]


class FlowRecorder(Recorder):
    """Notes only which sites were reached and what kind of value was there; that is one number for each."""

    def __init__(self) -> None:
        super().__init__(values=False)
        self._flow: list[int] = []

    def __call__(self, number: int, value: Json) -> None:
        """Note a site; called by generated code."""
        self._flow.append(number * 4 + (0 if value is None else 1 if value is True else 2 if value is False else 3))

    def flow(self) -> Flow:
        """Return what was noted since the last time."""
        flow, self._flow = tuple(self._flow), []
        return flow


@dataclass
class Count:
    """A field over all events: in how many it is, in how many of them it reached no request, and its first value."""

    events: int
    unread: int
    sample: Json


class UnreadCounter:
    """Counts the fields of one connection's events that reach no request, and those that do.

    A position in a list is `[]` in a field's name.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._recorder = FlowRecorder()
        recording = Destination(connection.destination.loaded, self._recorder)
        self._recording = Connection(recording, connection.settings)
        self._known: dict[tuple[object, ...], frozenset[Route]] = {}
        self.fields: dict[str, Count] = {}
        self.events = 0
        """Events that were planned; others reach no request whatever is in them."""
        self.uncounted = 0
        """Fields, one by one, that were too many to count by name."""

    def add(self, original: OriginalEvent, plan: Plan) -> None:
        """Count the fields of an event that was planned as `plan`."""
        if plan.outcome is not Outcome.PLANNED:
            return
        self.events += 1
        every = list(original.fields())
        found = every[: most_leaves(len(every))]
        unread = self._unread(original, found)
        named: dict[str, list[tuple[Route, Json]]] = {}
        for route, value in found:
            if value is not None:
                named.setdefault(field_name(route), []).append((route, value))
        for name, members in named.items():
            self._count(name, members[0][1], all(route in unread for route, _ in members))

    def _count(self, name: str, sample: Json, unread: bool) -> None:
        count = self.fields.get(name)
        if count is None:
            if len(self.fields) >= MOST_FIELDS:
                self.uncounted += 1
                return
            count = self.fields[name] = Count(0, 0, sample)
        count.events += 1
        count.unread += unread

    def _unread(self, original: OriginalEvent, found: list[tuple[Route, Json]]) -> frozenset[Route]:
        normalized = original.normalized
        self._recorder.flow()
        self._recording.plan_normalized(normalized, now=original.now)
        flow = self._recorder.flow()
        repaired = tuple((each.code, each.place) for each in normalized.reports)
        key = (normalized.call, flow, repaired, *((route, type(value)) for route, value in found))
        unread = self._known.get(key)
        if unread is None:
            if len(self._known) >= MOST_SHAPES:
                self._known.clear()
            unread = self._known[key] = frozenset(self._find(original, found, flow))
        return unread

    def _find(self, original: OriginalEvent, found: list[tuple[Route, Json]], flow: Flow) -> Iterator[Route]:
        """Return the fields without which, and with other values of which, the same is sent."""

        def sent(event: JsonObject) -> object:
            plan = original.replanned(self._connection, event)
            return plan.outcome, plan.requests

        event = original.event
        before = sent(event)
        chains = self._read_chains(flow)
        others = [each for each in found if not any(_overlap(chain, each[0]) for chain in chains)]
        if sent(_without(event, [route for route, _ in others])) != before:
            others = []  # something is read that no path says; each is looked at by itself
        yield from (route for route, _ in others)
        unseen = {route for route, _ in others}
        for route, value in found:
            if route not in unseen and all(
                sent(replaced(event, route, other)) == before for other in variants(route, value)
            ):
                yield route

    def _read_chains(self, flow: Flow) -> list[tuple[str, ...]]:
        sites = {number // 4 for number in flow}
        paths = {self._recorder.sites[number].detail for number in sites if self._is_read(number)}
        chains = [(root.name, *root.members) for path in paths for root in roots_of(path)]
        return [*chains, *_filled_from(chains)]

    def _is_read(self, number: int) -> bool:
        return self._recorder.sites[number].kind in (Kind.READ, Kind.CONDITION)


def field_name(route: Route) -> str:
    """Write a route with `[]` for every position in a list."""
    return "".join("[]" if isinstance(key, int) else f".{key}" for key in route).removeprefix(".")


def _filled_from(chains: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Return what normalizing may read for what is read: it fills in one field from another, or hides it."""
    for chain in chains:
        for pair in FILLED_FROM:
            for one, other in (pair, pair[::-1]):
                if chain[: len(one)] == one[: len(chain)]:
                    yield other


def _overlap(chain: tuple[str, ...], route: Route) -> bool:
    names = tuple(key for key in route if isinstance(key, str))
    length = min(len(chain), len(names))
    return chain[0] == "message" or chain[:length] == names[:length]


def _without(event: JsonObject, routes: list[Route]) -> JsonObject:
    for route in routes:
        event = replaced(event, route, None if isinstance(route[-1], int) else REMOVED)
    return event
