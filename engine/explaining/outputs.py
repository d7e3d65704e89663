"""The output fields of a request, in the order sent, each with the value of the mapping that decides it.

A body is taken apart along the values that made it: `fields` by key, `merge` by its last member with the key, lists by
position. Where a whole object of the event was taken over, each of its fields is an output field as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from engine.compiler.recording import Kind
from engine.explaining.trace import Node, Note, RequestTrace
from engine.mapping.model import Choice, Each, Fields, From, Instruction, ListOf, Merge, PathValue, Value
from engine.records import Json, Place

Route: TypeAlias = "tuple[str | int, ...]"
"""The keys and positions that lead to a field of a body or of an event."""


class Output(NamedTuple):
    """One output field: where it stands in the body, its value, and the value of the mapping that decides it.

    `inside` is the route from that value's result to this field, () where it is the field's own value.
    """

    route: Route
    value: Json
    node: Node
    absent: bool = False
    inside: Route = ()


class OutputReader:
    """Takes the body of one request apart."""

    def __init__(self, values: dict[Place, Value], trace: RequestTrace, step: Place) -> None:
        self._values = values
        self._step = trace.node(step)
        envelopes = (each for each in trace.items if isinstance(each, Node) and each.place[2:] == ("envelope",))
        self._root = next(envelopes, self._step)

    def outputs(self) -> Iterator[Output]:
        """Return every field that is sent and every one that is not, though the mapping has it."""
        if self._root is not None:
            yield from self._of((), self._root)

    def _of(self, route: Route, node: Node) -> Iterator[Output]:
        """Return the fields of what a value of the mapping gave; `node` decides, what made it may be deeper."""
        value, made = node.value, self._made(node)
        if value is None:
            yield Output(route, None, node, absent=not node.null)
        elif isinstance(value, dict) and value:
            yield from self._of_object(route, value, made)
        elif isinstance(value, list) and value:
            yield from self._of_list(route, value, made)
        else:
            yield Output(route, value, node)
        if isinstance(value, dict):
            yield from self._absent(route, value, made)

    def _of_object(self, route: Route, value: dict[str, Json], made: Node) -> Iterator[Output]:
        for key, member in value.items():
            inner, inside = self._member(made, made, key, member)
            if not inside:
                yield from self._of((*route, key), inner)
            else:
                yield from _whole((*route, key), member, inner, inside)

    def _of_list(self, route: Route, value: list[Json], made: Node) -> Iterator[Output]:
        members = self._items(made)
        for number, member in enumerate(value):
            if len(members) == len(value):
                yield from self._of((*route, number), members[number])
            else:
                yield from _whole((*route, number), member, made, (number,))

    def _member(self, owner: Node, made: Node, key: str, member: Json) -> tuple[Node, Route]:
        """Return the value that decides a member of an object, and the route to it in what that value gave.

        `made` is what made the object of `owner`, which a person knows by its place.
        """
        source = self._source(made)
        if isinstance(source, Fields):
            for name, inner in _entries(made):
                if name == key and inner.value == member:
                    return inner, ()
        if isinstance(source, Merge):
            for each in reversed(list(made.nodes())):
                if isinstance(each.value, dict) and key in each.value and each.value[key] == member:
                    return self._member(each, self._made(each), key, member)
        return owner, (key,)

    def _absent(self, route: Route, value: dict[str, Json], made: Node) -> Iterator[Output]:
        source = self._source(made)
        if isinstance(source, Fields):
            for name, inner in _entries(made):
                if inner.value is None and name not in value:
                    yield Output((*route, name), None, inner, absent=True)
            for nameless in _without_key(made):
                yield Output((*route, str(nameless.place[-1])), None, nameless, absent=True)
        elif isinstance(source, Merge):
            for each in made.nodes():
                yield from self._absent(route, value, self._made(each))

    def _items(self, made: Node) -> list[Node]:
        source = self._source(made)
        if isinstance(source, ListOf):
            found = list(made.nodes())
        elif isinstance(source, Each):
            found = [each for each in made.nodes() if each.place == source.value.place]
        else:
            return []
        return [each for each in found if each.value is not None]

    def _source(self, node: Node) -> object:
        value = self._values.get(node.place)
        return value.source if isinstance(value, Instruction) else None

    def _made(self, node: Node) -> Node:
        """Return the value inside this one that made the same result: that of a part, or the alternative that won."""
        inner = self._inner(node)
        return self._made(inner) if inner is not None and inner.value == node.value else node

    def _inner(self, node: Node) -> Node | None:
        value = self._values.get(node.place)
        if isinstance(value, Instruction) and isinstance(value.source, From):
            return next((each for each in node.nodes() if each.place == value.source.value.place), None)
        if isinstance(value, Choice | PathValue) and node.items:
            last = node.items[-1]
            return last if isinstance(last, Node) else self._read(last)
        return None

    def _read(self, note: Note) -> Node | None:
        if note.kind is Kind.READ and note.detail == "body":
            return self._step
        exact = note.part is not None and note.detail == f"parts.{note.part.place[1]}"
        return note.part if exact else None


def _entries(made: Node) -> Iterator[tuple[str, Node]]:
    """Return the members of `fields` with their names; one with `${}` in its name begins with the text of it."""
    for each in made.nodes():
        first = each.items[0] if each.items else None
        has_key = isinstance(first, Note) and first.kind is Kind.KEY and bool(first.value)
        yield str(first.value if isinstance(first, Note) and has_key else each.place[-1]), each


def _without_key(made: Node) -> Iterator[Node]:
    """Return the members of `fields` whose `${}` key has no text: only the key was looked at."""
    notes = [item for item in made.items if isinstance(item, Note)]
    for note in notes:
        if note.kind is Kind.KEY and not note.value:
            yield Node(note.place, None, [each for each in notes if each.place == note.place])


def _whole(route: Route, value: Json, node: Node, inside: Route) -> Iterator[Output]:
    """Return the fields inside an object or list that was taken over as it is."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _whole((*route, key), member, node, (*inside, key))
    elif isinstance(value, list) and value:
        for number, member in enumerate(value):
            yield from _whole((*route, number), member, node, (*inside, number))
    else:
        yield Output(route, value, node, inside=inside)
