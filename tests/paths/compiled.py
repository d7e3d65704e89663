"""Paths compiled over a plain document, and evaluated by the library, so that tests can compare the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jmespath

from engine.compiler.lines import Lines, Names, build
from engine.compiler.paths.emitter import emit, emit_condition
from engine.language import paths
from tests.oracle.spec_paths import search

FAILED = "fails"


class DocumentScope:
    """Roots are the document's members; `objects` are those that are always objects, `members` those with a variable per field."""

    def __init__(self, names: Names, objects: tuple[str, ...] = (), members: tuple[str, ...] = ()) -> None:
        self.lines = Lines()
        self.names = names
        self.objects = objects
        self.members = members
        self.known: dict[tuple[str, ...], str] = {}

    def root(self, name: str) -> str:
        return self._variable("root", name)

    def member(self, name: str, field: str) -> str | None:
        return self._variable("member", name, field) if name in self.members else None

    def is_object(self, name: str) -> bool:
        return name in self.objects

    def inner_object(self, root: str, field: str) -> None:
        """Return that no object inside the document is read several times."""

    @contextmanager
    def branch(self) -> Iterator[None]:
        known = dict(self.known)
        yield
        self.known = known

    def count_steps(self, length: str) -> None:
        """Documents of tests are small."""

    def place_of_path(self) -> str:
        return "here"

    def _variable(self, word: str, *place: str) -> str:
        if place not in self.known:
            variable = self.known[place] = self.names.fresh(word)
            path = ", ".join(self.names.literal(name) for name in place)
            self.lines.add(f"{variable} = look(document, {path})")
        return self.known[place]


class Compiled:
    """A path as two functions, its value and its truth, with the text they were built from."""

    def __init__(self, text: str, objects: tuple[str, ...] = (), members: tuple[str, ...] = ()) -> None:
        self.path = paths.parse(text)
        self.asked: list[tuple[str, ...]] = []
        names, lines = Names(), Lines()
        names.function(self._look, "look")
        for function, write in (("value", emit), ("truth", emit_condition)):
            scope = DocumentScope(names, objects, members)
            with lines.block(f"def {function}(document, reports):"):
                code = write(self.path, scope, scope.lines, names)
                lines.extend(scope.lines)
                lines.add(f"return {code}")
        self.source = lines.text()
        namespace = build(self.source, names, "<path>")
        self._value: Callable[[object], object] = namespace["value"]
        self._truth: Callable[[object], object] = namespace["truth"]

    def _look(self, document: dict[str, object], *place: str) -> object:
        self.asked.append(place)
        value: object = document
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def value(self, document: object) -> object:
        return outcome(lambda: self._value(document, []))

    def truth(self, document: object) -> object:
        return outcome(lambda: bool(self._truth(document, [])))


def outcome(evaluate: Callable[[], object]) -> object:
    """Return a value, or FAILED for a type error (the bare library also raises Python's)."""
    try:
        return evaluate()
    except (paths.PathTypeError, jmespath.exceptions.JMESPathTypeError, TypeError):
        return (FAILED,)


def by_library(text: str, document: object) -> object:
    """Evaluate with the jmespath library and what the specification says of orders."""
    return outcome(lambda: search(text, document))


def strict(value: object) -> object:
    """Make a value comparable so that 1, 1.0 and true differ, and the order of keys counts."""
    if isinstance(value, dict):
        return ("object", [(key, strict(member)) for key, member in value.items()])
    if isinstance(value, list):
        return ("list", [strict(member) for member in value])
    if isinstance(value, tuple):
        return value
    return (type(value).__name__, repr(value))


def truth_of(value: object) -> object:
    """Tell JMESPath's truth of a value the slow way; a failure stays one."""
    if isinstance(value, tuple):
        return value
    return not any(value is falsy for falsy in (None, False)) and not any(
        type(value) is type(falsy) and value == falsy for falsy in ("", [], {})
    )
