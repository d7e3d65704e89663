"""Walking a mapping: the values inside a value, every path with the scope it is read in, and who uses what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.language.template import Text
from engine.mapping.model import (
    Batch,
    Choice,
    Each,
    Entries,
    Fields,
    From,
    Instruction,
    ListOf,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    Request,
    Response,
    Step,
    TextOf,
    TextOrValue,
    Value,
)
from engine.records import Place


def children(value: Value) -> Iterator[Value]:
    """Return the values directly inside `value`, in the order in which they are evaluated."""
    if isinstance(value, Choice):
        yield from value.alternatives
    elif isinstance(value, Instruction):
        source = value.source
        if isinstance(source, From):
            yield source.value
        elif isinstance(source, Fields):
            yield from (member for _, member in source.entries)
        elif isinstance(source, Merge | ListOf):
            yield from source.members
        elif isinstance(source, Each):
            yield from (source.of, source.value)
        elif isinstance(source, Entries):
            yield source.of
            yield from (inner for inner in (source.key, source.value) if inner is not None)


def descendants(value: Value) -> Iterator[Value]:
    """Return `value` and every value inside it."""
    yield value
    for child in children(value):
        yield from descendants(child)


def own_paths(value: Value) -> Iterator[str]:
    """Return the paths written in `value` itself, not in the values inside it."""
    if isinstance(value, PathValue):
        yield value.path
    elif isinstance(value, Instruction):
        source = value.source
        if isinstance(source, TextOf):
            yield from holes(source.text)
        elif isinstance(source, Fields):
            yield from (path for key, _ in source.entries for path in holes(key))
        elif isinstance(source, Each | Entries) and source.where is not None:
            yield source.where
        yield from modifier_paths(value.modifiers)


def modifier_paths(modifiers: Modifiers) -> Iterator[str]:
    """Return the paths written in modifiers."""
    written = (modifiers.when, modifiers.unless, modifiers.map, modifiers.only, modifiers.except_, modifiers.rename)
    yield from (path for path in written if isinstance(path, str))
    if modifiers.flatten is not None and isinstance(modifiers.flatten.wanted, str):
        yield modifiers.flatten.wanted
    if modifiers.prefix is not None:
        yield from holes(modifiers.prefix)


def holes(text: Text) -> Iterator[str]:
    """Return the paths of a text's `${}`."""
    yield from (hole.path for hole in text.holes)


def paths_of(value: Value) -> Iterator[str]:
    """Return every path in `value`, at any depth."""
    for inner in descendants(value):
        yield from own_paths(inner)


def texts_of(text: TextOrValue) -> Iterator[str]:
    """Return every path in a URL part, header or query value."""
    if isinstance(text, Text):
        yield from holes(text)
    else:
        yield from paths_of(text)


def source_paths(value: Value) -> Iterator[str]:
    """Return the paths that were *tried* for `value`: those of its sources, not of its conditions."""
    if isinstance(value, PathValue):
        yield value.path
    if isinstance(value, Instruction) and isinstance(value.source, TextOf):
        yield from holes(value.source.text)
    for child in children(value):
        yield from source_paths(child)


IN_LIST = frozenset({"item", "index"})
IN_OBJECT = frozenset({"item", "index", "key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a path is read.

    `kind` of scope, the calls it may be for, the words of the loop around it, the names saved by steps before, and
    those saved only by this step or a later one.
    """

    kind: str
    calls: tuple[str, ...] = ()
    loop: frozenset[str] = frozenset()
    saved: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


class Occurrence(NamedTuple):
    """One path: `place` of the text it is written in, `column` inside that text, `word` the modifier or ''."""

    place: Place
    path: str
    column: int
    key: bool
    word: str
    scope: Scope


def of_text(text: TextOrValue, place: Place, scope: Scope, *, key: bool = False) -> Iterator[Occurrence]:
    """Return the paths of a text or of an instruction in a text's place."""
    if isinstance(text, Text):
        for hole in text.holes:
            yield Occurrence(place, hole.path, hole.column, key, "${}", scope)
    else:
        yield from of_value(text, scope)


def of_value(value: Value, scope: Scope) -> Iterator[Occurrence]:
    """Return the paths of a value and of all values inside it."""
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
        inner = replace(scope, loop=IN_LIST if isinstance(source, Each) else IN_OBJECT)
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


def of_responses(rules: tuple[Response, ...]) -> Iterator[Occurrence]:
    """Return the paths of rules about answers."""
    for rule in rules:
        for word, path in (("when", rule.when), ("unless", rule.unless), ("error", rule.error)):
            if path is not None:
                yield Occurrence((*rule.place, word), path, 1, False, word, Scope(kind="reply"))


def request_texts(request: Request) -> Iterator[tuple[TextOrValue, Place]]:
    """Return the texts of a request, with their places."""
    if request.path is not None:
        yield request.path, (*request.place, "path")
    yield request.method, (*request.place, "method")
    for word, named in (("query", request.query), ("headers", request.headers)):
        for name, text in named:
            yield text, (*request.place, word, name)


def parts_of(path: str) -> list[str]:
    """Return the names of the parts a path asks for."""
    try:
        return [root.members[0] for root in paths.parse(path).roots if root.name == "parts" and root.members]
    except PathError:
        return []


def parts_in(value: Value) -> set[str]:
    """Return the names of the parts a value asks for directly."""
    return {name for found in of_value(value, Scope(kind="part")) for name in parts_of(found.path)}


class Use(NamedTuple):
    """A step that sends a request, in a call that runs it; `saved` holds what steps before have saved."""

    call: str
    step: Step
    saved: frozenset[str]


class Occurrences:
    """All paths of a mapping; also says which calls use a part or request."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.part_scopes: dict[str, Scope] = {}
        self.uses: dict[str, list[Use]] = {name: [] for name in mapping.requests}
        self._find_uses()
        direct = [*self._of_calls(), *self._of_requests(), *self._of_http()]
        self._reach_parts(direct)
        self.all = [*direct, *self._of_parts(), *self._of_base_url(), *self._of_batches(), *self._of_replies()]

    @property
    def part_calls(self) -> dict[str, tuple[str, ...]]:
        """The calls each part is used in; none for a part nobody asks for."""
        none = Scope(kind="part")
        return {name: self.part_scopes.get(name, none).calls for name in self.mapping.parts}

    def users(self, call: str) -> tuple[str, ...]:
        """Return the calls that run the steps of `call`: itself and those that share them."""
        return (call, *(other for other, named in self.mapping.shared.items() if named == call))

    def steps(self) -> Iterator[tuple[Step, tuple[Use, ...]]]:
        """Return every step with its uses: one for each call that runs it."""
        for call, steps in self.mapping.calls.items():
            saved: set[str] = set()
            for step in steps:
                yield step, tuple(Use(user, step, frozenset(saved)) for user in self.users(call))
                saved |= set(step.save)

    def _find_uses(self) -> None:
        for step, uses in self.steps():
            for name in self._with_missing(step.request):
                self.uses[name] += uses

    def _with_missing(self, name: str) -> list[str]:
        found: list[str] = []
        while name in self.mapping.requests and name not in found:
            found.append(name)
            name = self.mapping.requests[name].if_missing or ""
        return found

    def _of_calls(self) -> Iterator[Occurrence]:
        for step, uses in self.steps():
            calls = tuple(use.call for use in uses)
            saved, every = uses[0].saved, self._saved_in(step)
            yield from _of_step(step, Scope(kind="call", calls=calls, saved=saved, later=every - saved))

    def _saved_in(self, step: Step) -> frozenset[str]:
        steps = self.mapping.calls[str(step.place[1])]
        return frozenset(name for other in steps for name in other.save)

    def _of_requests(self) -> Iterator[Occurrence]:
        for request in self.mapping.requests.values():
            scope = self._scope_of("request", self.uses[request.name])
            for text, place in request_texts(request):
                yield from of_text(text, place, scope)

    def _of_http(self) -> Iterator[Occurrence]:
        uses = [use for each in self.uses.values() for use in each]
        if not uses:
            return
        scope, http = self._scope_of("http", uses), self.mapping.http
        for name, header in http.headers:
            yield from of_text(header, ("http", "headers", name), scope)
        for value in http.basic or ():
            yield from of_value(value, scope)

    def _scope_of(self, kind: str, uses: list[Use]) -> Scope:
        saved = frozenset(name for use in uses for name in use.saved)
        every = frozenset(name for use in uses for name in self._saved_in(use.step))
        loop = IN_LIST if any(use.step.for_each is not None for use in uses) else frozenset[str]()
        return Scope(kind=kind, calls=_in_order(use.call for use in uses), loop=loop, saved=saved, later=every - saved)

    def _reach_parts(self, direct: list[Occurrence]) -> None:
        pending = [(name, found.scope) for found in direct for name in parts_of(found.path)]
        while pending:
            name, scope = pending.pop()
            if name not in self.mapping.parts:
                continue
            before = self.part_scopes.get(name)
            wider = _wider(before, scope)
            if wider != before:
                self.part_scopes[name] = wider
                pending += [(deeper, wider) for deeper in parts_in(self.mapping.parts[name])]

    def _of_parts(self) -> Iterator[Occurrence]:
        every = frozenset(name for steps in self.mapping.calls.values() for step in steps for name in step.save)
        for name, value in self.mapping.parts.items():
            yield from of_value(value, self.part_scopes.get(name) or Scope(kind="part", saved=every))

    def _of_base_url(self) -> Iterator[Occurrence]:
        yield from of_text(self.mapping.http.base_url, ("http", "base_url"), Scope(kind="settings"))

    def _of_batches(self) -> Iterator[Occurrence]:
        for request in self.mapping.requests.values():
            if request.item is not None:
                yield from of_value(request.item, Scope(kind="item"))
        for batch in self.mapping.batches.values():
            yield from _of_batch(batch)

    def _of_replies(self) -> Iterator[Occurrence]:
        yield from of_responses(self.mapping.responses)
        for request in self.mapping.requests.values():
            yield from of_responses(request.responses)
        for steps in self.mapping.calls.values():
            for step in steps:
                for name, path in step.save.items():
                    yield Occurrence((*step.place, "save", name), path, 1, False, "save", Scope(kind="reply"))


def _of_step(step: Step, scope: Scope) -> Iterator[Occurrence]:
    for word, path in (("when", step.when), ("unless", step.unless)):
        if path is not None:
            yield Occurrence((*step.place, word), path, 1, False, word, scope)
    for path, _ in step.require:
        yield Occurrence((*step.place, "require", path), path, 1, True, "require", scope)
    if step.for_each is not None:
        yield from of_value(step.for_each, scope)
        scope = replace(scope, loop=IN_LIST)
    if step.where is not None:
        yield Occurrence((*step.place, "where"), step.where, 1, False, "where", scope)
    if step.value is not None:
        yield from of_value(step.value, scope)


def of_batch_fields(batch: Batch) -> Iterator[Occurrence]:
    """Return the paths of a batch's body."""
    scope = Scope(kind="items")
    for key, value in batch.fields:
        yield from of_text(key, value.place, scope, key=True)
        yield from of_value(value, scope)


def _of_batch(batch: Batch) -> Iterator[Occurrence]:
    scope = Scope(kind="settings")
    for text, word in ((batch.path, "path"), (batch.method, "method")):
        yield from of_text(text, (*batch.place, word), scope)
    for name, header in batch.headers:
        yield from of_text(header, (*batch.place, "headers", name), scope)
    yield from of_batch_fields(batch)
    if batch.results is not None:
        for word, kind in (("list", "results"), ("ok", "result"), ("error", "result")):
            path = getattr(batch.results, word)
            if path is not None:
                yield Occurrence((*batch.place, "results", word), path, 1, False, word, Scope(kind=kind))


def _wider(known: Scope | None, scope: Scope) -> Scope:
    """Widen a part's scope by that of a place that uses it; a part has no loop, whoever asks for it."""
    if known is None:
        return Scope(kind="part", calls=_in_order(scope.calls), saved=scope.saved, later=scope.later)
    saved = known.saved | scope.saved
    calls = _in_order([*known.calls, *scope.calls])
    return Scope(kind="part", calls=calls, saved=saved, later=(known.later | scope.later) - saved)


def _in_order(calls: Iterable[str]) -> tuple[str, ...]:
    found = set(calls)
    return tuple(call for call in FIELDS if call in found)
