"""What a recorder noted of one event, as a tree for each step: every value with what led to it.

Generated code notes a value after everything inside it, so a value takes what stands before it and below its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from engine.compiler.recording import Kind, Moment
from engine.mapping.walk import parts_of
from engine.records import Json, Place

OF_STEP = frozenset({"when", "unless", "require", "for_each"})
"""The words of a step that decide whether it sends anything."""


class Note(NamedTuple):
    """One moment; `part` is the part that a path was read through."""

    kind: Kind
    place: Place
    detail: str
    value: Json
    part: Node | None = None


@dataclass
class Node:
    """A value of the mapping as it was computed: what it gave, and what was noted inside it, in order.

    `null` says that null is sent where it is absent.
    """

    place: Place
    value: Json
    items: list[Item]
    null: bool = False

    def nodes(self) -> Iterator[Node]:
        """Return the values directly inside."""
        return (item for item in self.items if isinstance(item, Node))


Item: TypeAlias = Note | Node


@dataclass
class RequestTrace:
    """A request that was planned: its body, and the values it was made of."""

    name: str
    body: Json
    items: list[Item]

    def node(self, place: Place) -> Node | None:
        """Return the value at a place."""
        return next((each for each in self.items if isinstance(each, Node) and each.place == place), None)


@dataclass
class StepTrace:
    """A step that ran: what decided about it, its requests, and what was left when it ended early."""

    place: Place
    request: str
    decisions: list[Item] = field(default_factory=list)
    requests: list[RequestTrace] = field(default_factory=list)
    rest: list[Item] = field(default_factory=list)

    def add(self, items: list[Item]) -> list[Item]:
        """Keep what decided about the step; return the others."""
        depth = len(self.place)
        others: list[Item] = []
        for each in items:
            own = each.place[:depth] == self.place and len(each.place) > depth and each.place[depth] in OF_STEP
            (self.decisions if own else others).append(each)
        return others


def traces(moments: Iterable[Moment]) -> list[StepTrace]:
    """Return the steps that ran for one event, in order; what was noted before the first belongs to the connection."""
    reader = _Reader()
    for moment in moments:
        reader.read(moment)
    reader.end()
    return reader.steps


class _Reader:
    def __init__(self) -> None:
        self.steps: list[StepTrace] = []
        self._stack: list[Item] = []
        self._parts: dict[str, Node] = {}

    def read(self, moment: Moment) -> None:
        (kind, place, detail), value = moment
        if kind is Kind.STEP:
            self.end()
            self.steps.append(StepTrace(place, detail))
        elif kind is Kind.VALUE:
            self._close(place, value)
        elif kind is Kind.NULL:
            self._null(place, value is True)
        elif kind is Kind.REQUEST and self.steps:
            self._request(detail, value)
        else:
            named = parts_of(detail) if kind is Kind.READ else []
            self._stack.append(Note(kind, place, detail, value, self._parts.get(named[0]) if named else None))

    def end(self) -> None:
        """Leave what is left to the last step."""
        if self.steps:
            self.steps[-1].rest += self.steps[-1].add(self._stack)
        self._stack = []

    def _close(self, place: Place, value: Json) -> None:
        start = len(self._stack)
        while start and self._stack[start - 1].place[: len(place)] == place:
            start -= 1
        items = self._stack[start:]
        if self.steps and place == self.steps[-1].place:
            items = self.steps[-1].add(items)
        node = Node(place, value, items)
        del self._stack[start:]
        if place[0] == "parts" and len(place) == 2:
            self._parts[str(place[1])] = node
        else:
            self._stack.append(node)

    def _null(self, place: Place, null: bool) -> None:
        last = self._parts.get(str(place[1])) if place[0] == "parts" and len(place) == 2 else self._stack[-1]
        if isinstance(last, Node) and last.place == place:
            last.null = null

    def _request(self, name: str, body: Json) -> None:
        step = self.steps[-1]
        if name != step.request:  # the one for what is missing is planned first, with the same body
            return
        step.requests.append(RequestTrace(name, body, step.add(self._stack)))
        self._stack = []
