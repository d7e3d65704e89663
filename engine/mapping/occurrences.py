"""Every path written in a mapping, with the scope it is read in: what the checks of names walk over.

A scope is a name for a set of root words (design of the language: calls, a batch's item, a batch's fields,
settings, an answer, a batch's results).  Parts and requests belong to every call that uses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping.model import (
    Choice,
    Each,
    Entries,
    Fields,
    Instruction,
    Mapping,
    PathValue,
    Place,
    Request,
    Response,
    Step,
    TextOf,
    TextOrValue,
    Value,
)
from engine.mapping.walk import children

LOOP_WORDS = frozenset({"item", "index", "key"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a path is read: `kind` of scope, the calls it may be for, loop words, and values saved before."""

    kind: str
    calls: tuple[str, ...] = ()
    loops: bool = False
    saved: frozenset[str] = frozenset()


class Occurrence(NamedTuple):
    """One path: `place` of the text it is written in, `column` inside that text, `word` the modifier or ''."""

    place: Place
    path: str
    column: int
    key: bool
    word: str
    scope: Scope


class Occurrences:
    """All paths of a mapping; also says which calls use a part or request."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.part_calls: dict[str, set[str]] = {name: set() for name in mapping.parts}
        self.request_steps: dict[str, list[tuple[str, Step]]] = {name: [] for name in mapping.requests}
        self._find_requests()
        self._direct = list(self._of_calls())
        self._reach_parts()
        self.all = [*self._direct, *self._of_parts(), *self._of_settings(), *self._of_batches(), *self._of_replies()]

    def users(self, call: str) -> tuple[str, ...]:
        """Give the calls that run the steps of `call`: itself and those that share them."""
        return (call, *(other for other, named in self.mapping.shared.items() if named == call))

    def _find_requests(self) -> None:
        for call, steps in self.mapping.calls.items():
            for step in steps:
                for name in self._with_missing(step.request):
                    self.request_steps[name].append((call, step))

    def _with_missing(self, name: str) -> list[str]:
        found: list[str] = []
        while name in self.mapping.requests and name not in found:
            found.append(name)
            name = self.mapping.requests[name].if_missing or ""
        return found

    def _of_calls(self) -> Iterator[Occurrence]:
        for call, steps in self.mapping.calls.items():
            saved: set[str] = set()
            for step in steps:
                yield from self._of_step(step, Scope("call", self.users(call), saved=frozenset(saved)))
                saved |= set(step.save)
        for request in self.mapping.requests.values():
            yield from self._of_request(request)

    def _of_step(self, step: Step, scope: Scope) -> Iterator[Occurrence]:
        for word, path in (("when", step.when), ("unless", step.unless)):
            if path is not None:
                yield Occurrence((*step.place, word), path, 1, False, word, scope)
        for path, _ in step.require:
            yield Occurrence((*step.place, "require", path), path, 1, True, "require", scope)
        if step.for_each is not None:
            yield from of_value(step.for_each, scope)
            scope = replace(scope, loops=True)
        if step.where is not None:
            yield Occurrence((*step.place, "where"), step.where, 1, False, "where", scope)
        if step.value is not None:
            yield from of_value(step.value, scope)

    def _of_request(self, request: Request) -> Iterator[Occurrence]:
        uses = self.request_steps[request.name]
        calls = tuple(dict.fromkeys(user for call, _ in uses for user in self.users(call)))
        loops = any(step.for_each is not None for _, step in uses)
        saved = frozenset(name for call, _ in uses for step in self.mapping.calls[call] for name in step.save)
        scope = Scope("request", calls, loops, saved)
        for text, place in request_texts(request):
            yield from of_text(text, place, scope)
        if not uses:
            return
        http = self.mapping.http
        for name, header in http.headers:
            yield from of_text(header, ("http", "headers", name), scope)
        for value in http.basic or ():
            yield from of_value(value, scope)

    def _reach_parts(self) -> None:
        pending = [(name, call) for found in self._direct for name in _parts(found.path) for call in found.scope.calls]
        while pending:
            name, call = pending.pop()
            if name in self.part_calls and call not in self.part_calls[name]:
                self.part_calls[name].add(call)
                inner = of_value(self.mapping.parts[name], Scope("part"))
                pending += [(deeper, call) for found in inner for deeper in _parts(found.path)]

    def _of_parts(self) -> Iterator[Occurrence]:
        saved = frozenset(name for steps in self.mapping.calls.values() for step in steps for name in step.save)
        for name, value in self.mapping.parts.items():
            calls = tuple(sorted(self.part_calls[name]))
            yield from of_value(value, Scope("part", calls, saved=saved))

    def _of_settings(self) -> Iterator[Occurrence]:
        yield from of_text(self.mapping.http.base_url, ("http", "base_url"), Scope("settings"))

    def _of_batches(self) -> Iterator[Occurrence]:
        for request in self.mapping.requests.values():
            if request.item is not None:
                yield from of_value(request.item, Scope("item"))
        for batch in self.mapping.batches.values():
            for text, word in ((batch.path, "path"), (batch.method, "method")):
                yield from of_text(text, (*batch.place, word), Scope("settings"))
            for name, header in batch.headers:
                yield from of_text(header, (*batch.place, "headers", name), Scope("settings"))
            for key, value in batch.fields:
                yield from of_text(key, value.place, Scope("items"), key=True)
                yield from of_value(value, Scope("items"))
            if batch.results is not None:
                for word, kind in (("list", "results"), ("ok", "result"), ("error", "result")):
                    path = getattr(batch.results, word)
                    if path is not None:
                        yield Occurrence((*batch.place, "results", word), path, 1, False, word, Scope(kind))

    def _of_replies(self) -> Iterator[Occurrence]:
        yield from _of_responses(self.mapping.responses)
        for request in self.mapping.requests.values():
            yield from _of_responses(request.responses)
        for steps in self.mapping.calls.values():
            for step in steps:
                for name, path in step.save.items():
                    yield Occurrence((*step.place, "save", name), path, 1, False, "save", Scope("reply"))


def request_texts(request: Request) -> Iterator[tuple[TextOrValue, Place]]:
    """Give the texts of a request, with their places."""
    if request.path is not None:
        yield request.path, (*request.place, "path")
    yield request.method, (*request.place, "method")
    for word, named in (("query", request.query), ("headers", request.headers)):
        for name, text in named:
            yield text, (*request.place, word, name)


def _of_responses(rules: tuple[Response, ...]) -> Iterator[Occurrence]:
    for rule in rules:
        for word, path in (("when", rule.when), ("unless", rule.unless), ("error", rule.error)):
            if path is not None:
                yield Occurrence((*rule.place, word), path, 1, False, word, Scope("reply"))


def of_text(text: TextOrValue, place: Place, scope: Scope, *, key: bool = False) -> Iterator[Occurrence]:
    """Give the paths of a text or of an instruction in a text's place."""
    if isinstance(text, Text):
        for hole in text.holes:
            yield Occurrence(place, hole.path, hole.column, key, "${}", scope)
    else:
        yield from of_value(text, scope)


def of_value(value: Value, scope: Scope) -> Iterator[Occurrence]:
    """Give the paths of a value and of all values inside it."""
    if isinstance(value, PathValue):
        yield Occurrence(value.place, value.path, 1, False, "", scope)
        return
    if isinstance(value, Choice):
        for alternative in value.alternatives:
            yield from of_value(alternative, scope)
        return
    yield from _of_source(value, scope)
    yield from _of_modifiers(value, scope)


def _of_source(value: Instruction, scope: Scope) -> Iterator[Occurrence]:
    source = value.source
    if isinstance(source, TextOf):
        yield from of_text(source.text, (*value.place, "text"), scope)
    if isinstance(source, Fields):
        for key, member in source.entries:
            yield from of_text(key, member.place, scope, key=True)
    inner = scope
    if isinstance(source, Each | Entries):
        yield from of_value(source.of, scope)
        inner = replace(scope, loops=True)
        if source.where is not None:
            yield Occurrence((*value.place, "where"), source.where, 1, False, "where", inner)
    for child in children(value):
        if not (isinstance(source, Each | Entries) and child is source.of):
            yield from of_value(child, inner)


def _of_modifiers(value: Instruction, scope: Scope) -> Iterator[Occurrence]:
    modifiers = value.modifiers
    written = {
        "when": modifiers.when,
        "unless": modifiers.unless,
        "map": modifiers.map,
        "only": modifiers.only,
        "except": modifiers.except_,
        "rename": modifiers.rename,
    }
    for word, path in written.items():
        if isinstance(path, str):
            yield Occurrence((*value.place, word), path, 1, False, word, scope)
    if modifiers.flatten is not None and isinstance(modifiers.flatten.wanted, str):
        yield Occurrence((*value.place, "flatten"), modifiers.flatten.wanted, 1, False, "flatten", scope)
    if modifiers.prefix is not None:
        yield from of_text(modifiers.prefix, (*value.place, "prefix"), scope)


def _parts(path: str) -> list[str]:
    try:
        return [root.members[0] for root in paths.parse(path).roots if root.name == "parts" and root.members]
    except PathError:
        return []


def parts_in(value: Value) -> set[str]:
    """Give the names of the parts a value asks for directly."""
    return {name for found in of_value(value, Scope("part")) for name in _parts(found.path)}
