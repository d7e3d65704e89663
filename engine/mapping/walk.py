"""The one walk over a mapping: which values are in a value, every path with the scope it is read in, and who uses what.

Which keys hold paths, texts or values is declared beside each key in model.py, so a check cannot overlook one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.language.template import Text
from engine.mapping.keys import IN_LIST, NO_LOOP, Holds, Key, keys_of
from engine.mapping.model import (
    Batch,
    Choice,
    Flatten,
    Http,
    Instruction,
    Mapping,
    Merge,
    PathValue,
    Request,
    Step,
    TextOrValue,
    Value,
)
from engine.mapping.oauth2 import OAuth2
from engine.mapping.response_rules import Response, Results
from engine.mapping.signature import RequestSignature
from engine.noun import Noun
from engine.records import Place


class Scope(Noun):
    """Where a path is read.

    `kind` of scope, the calls it may be for, the names of the loop around it, the names that the key around it adds,
    the names saved by steps before, and those saved only by this step or a later one. `loops` are the lists that the
    loops around it run over, the innermost last; None for an object.
    """

    kind: str
    calls: tuple[str, ...] = ()
    loop: frozenset[str] = NO_LOOP
    added: frozenset[str] = NO_LOOP
    saved: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    loops: tuple[Value | None, ...] = field(default=(), compare=False)


ANYWHERE = Scope(kind="part")


class Occurrence(NamedTuple):
    """One path: `place` of the text it is written in, `column` inside that text, `word` of its key or ''."""

    place: Place
    path: str
    column: int
    key: bool
    word: str
    scope: Scope


# Paths.


def of_value(value: Value, scope: Scope = ANYWHERE) -> Iterator[Occurrence]:
    """Return the paths of a value and of all values inside it."""
    if isinstance(value, PathValue):
        yield Occurrence(value.place, value.path, 1, False, "", scope)
    elif isinstance(value, Choice):
        for alternative in value.alternatives:
            yield from of_value(alternative, scope)
    else:
        yield from of_noun(value.source, value.place, scope)
        yield from of_noun(value.modifiers, value.place, scope)


def of_text(
    text: TextOrValue, place: Place = (), scope: Scope = ANYWHERE, *, key: bool = False
) -> Iterator[Occurrence]:
    """Return the paths of a text or of an instruction in a text's place."""
    if isinstance(text, Text):
        for hole in text.holes:
            yield Occurrence(place, hole.path, hole.column, key, "${}", scope)
    else:
        yield from of_value(text, scope)


def of_noun(noun: object, place: Place = (), scope: Scope = ANYWHERE) -> Iterator[Occurrence]:
    """Return the paths behind the keys of a noun; those of a loop's later keys may use the loop's names."""
    for key, (held, at, in_key) in _pieces(noun, place):
        here = _scope_of_key(key, scope)
        if isinstance(held, str):
            yield Occurrence(at, held, 1, in_key, key.word, here)
        elif isinstance(held, Text):
            yield from of_text(held, at, here, key=in_key)
        elif isinstance(held, Response | Results | RequestSignature | OAuth2):
            yield from of_noun(held, at, here)
        else:
            yield from of_value(held, here)
        if key.opens:
            of = held if key.opens == IN_LIST and isinstance(held, PathValue) else None
            scope = replace(scope, loop=key.opens, loops=(*scope.loops, of))


def _scope_of_key(key: Key, scope: Scope) -> Scope:
    if key.adds:
        return replace(scope, kind=key.scope, added=key.adds)
    return Scope(kind=key.scope) if key.scope else scope


def paths_of(text: TextOrValue | Value) -> Iterator[str]:
    """Return every path in a value or a text, at any depth."""
    found = of_text(text) if isinstance(text, Text) else of_value(text)
    return (each.path for each in found)


def source_paths(value: Value) -> Iterator[str]:
    """Return the paths that were *tried* for `value`: those of its sources, not of conditions, tables and keys."""
    for found in of_value(value):
        if found.word == "" or (found.word == "${}" and found.place[-1] == "text" and not found.key):
            yield found.path


def roots_of(path: str) -> tuple[paths.Root, ...]:
    """Return the roots of a path; none of one that cannot be parsed, which is another check's problem."""
    try:
        return tuple(paths.parse(path).roots)
    except PathError:
        return ()


def parts_of(path: str) -> list[str]:
    """Return the names of the parts a path asks for."""
    return [root.members[0] for root in roots_of(path) if root.name == "parts" and root.members]


def parts_in(value: Value) -> set[str]:
    """Return the names of the parts a value asks for directly."""
    return {name for path in paths_of(value) for name in parts_of(path)}


def reads(mapping: Mapping, path: str, without: frozenset[str] = frozenset()) -> frozenset[tuple[str, str]]:
    """Return what a path reads, itself and through parts: roots and, of settings, the setting ('' for all of them).

    In parts, paths behind the words `without` do not count.
    """
    found: set[tuple[str, str]] = set()
    for root in roots_of(path):
        member = root.members[0] if root.members else ""
        if root.name == "parts" and member in mapping.parts:
            found |= mapping.once(
                ("reads", member, without), frozenset(), partial(_part_reads, mapping, member, without)
            )
        found.add((root.name, member if root.name == "settings" else ""))
    return frozenset(found)


def reads_template(mapping: Mapping, path: str) -> bool:
    """Whether a path itself reads a setting that holds templates; what it reads through parts is filled there."""
    return any(_may_be_template(mapping, root) for root in roots_of(path) if root.name == "settings")


def _may_be_template(mapping: Mapping, root: paths.Root) -> bool:
    named = root.members[:1] or tuple(mapping.settings)
    return any(mapping.settings[name].holds_template for name in named if name in mapping.settings)


def _part_reads(mapping: Mapping, name: str, without: frozenset[str]) -> frozenset[tuple[str, str]]:
    kept = (found.path for found in of_value(mapping.parts[name]) if found.word not in without)
    return frozenset().union(*(reads(mapping, path, without) for path in kept))


# Values.


def children(value: Value) -> Iterator[Value]:
    """Return the values directly inside `value`, in the order in which they are evaluated."""
    if isinstance(value, Choice):
        yield from value.alternatives
    elif isinstance(value, Instruction):
        for noun in (value.source, value.modifiers):
            yield from values_in(noun)


def texts_in(noun: object, place: Place) -> Iterator[tuple[Key, Piece]]:
    """Return the texts that the keys of a noun hold, `${}` or not, each with its key."""
    for key, piece in _pieces(noun, place):
        if isinstance(piece.held, Text):
            yield key, piece


def values_in(noun: object) -> Iterator[Value]:
    """Return the values that the keys of a noun hold."""
    for _, piece in _pieces(noun, ()):
        if isinstance(piece.held, PathValue | Choice | Instruction):
            yield piece.held
        elif isinstance(piece.held, OAuth2):
            yield from values_in(piece.held)


def descendants(value: Value) -> Iterator[Value]:
    """Return `value` and every value inside it."""
    yield value
    for child in children(value):
        yield from descendants(child)


def can_refuse(value: Value) -> bool:
    """Whether a value can make an event invalid, other than by reaching a limit."""
    inner = [each for each in descendants(value) if isinstance(each, Instruction)]
    tests = (each.modifiers.required or each.modifiers.must or each.modifiers.within for each in inner)
    return any(tests) or any(isinstance(each.source, Merge) for each in inner)


def values_of(mapping: Mapping) -> Iterator[Value]:
    """Return every value of a mapping, those inside others too."""
    steps = (step for steps in mapping.calls.values() for step in steps)
    nouns = (*steps, *mapping.requests.values(), *mapping.batches.values(), mapping.http)
    for value in (*mapping.parts.values(), *(value for noun in nouns for value in values_in(noun))):
        yield from descendants(value)


# What a key holds, one by one: a path, a text, a value, or something that has keys itself.

Held: TypeAlias = str | Text | Value | Response | Results | RequestSignature | OAuth2


class Piece(NamedTuple):
    """One thing that a key holds; `in_key` if it is written as a key itself."""

    held: Held
    place: Place
    in_key: bool = False


def _one(held: Any, place: Place) -> Iterator[Piece]:
    yield Piece(held, place)


def _path_if_text(held: Any, place: Place) -> Iterator[Piece]:
    path = held.wanted if isinstance(held, Flatten) else held
    if isinstance(path, str):
        yield Piece(path, place)


def _in_order(held: Any, place: Place) -> Iterator[Piece]:
    yield from (Piece(member, (*place, number)) for number, member in enumerate(held))


def _all_or_one(held: Any, place: Place) -> Iterator[Piece]:
    return _in_order(held, place) if isinstance(held, tuple) else _one(held, place)


def _by_name(held: Any, place: Place) -> Iterator[Piece]:
    yield from (Piece(member, (*place, name)) for name, member in dict(held).items())


def _by_key(held: Any, _place: Place) -> Iterator[Piece]:
    for key, value in held:
        yield Piece(key, value.place, in_key=True)
        yield Piece(value, value.place)


def _paths_as_keys(held: Any, place: Place) -> Iterator[Piece]:
    yield from (Piece(path, (*place, path), in_key=True) for path, _ in held)


PIECES: dict[Holds, Callable[[Any, Place], Iterator[Piece]]] = {
    Holds.PATH: _one,
    Holds.PATH_OR_PLAIN: _path_if_text,
    Holds.TEXT: _one,
    Holds.VALUE: _one,
    Holds.VALUES: _in_order,
    Holds.VALUES_OR_VALUE: _all_or_one,
    Holds.TEXT_OR_VALUE: _one,
    Holds.TEXT_BY_NAME: _by_name,
    Holds.VALUE_BY_KEY: _by_key,
    Holds.PATH_BY_NAME: _by_name,
    Holds.MESSAGE_BY_PATH: _paths_as_keys,
    Holds.BODY: _one,
    Holds.RULES: _in_order,
    Holds.RESULTS: _one,
    Holds.SIGNATURE: _one,
    Holds.OAUTH2: _one,
}
"""What is not here holds nothing to walk over."""


def _pieces(noun: object, place: Place) -> Iterator[tuple[Key, Piece]]:
    """Return everything that the keys of a noun hold, in order."""
    of: Any = type(noun)
    for key, pieces in _walked(of):
        held = getattr(noun, key.attribute)
        if held is not None:
            for piece in pieces(held, (*place, key.word)):
                yield key, piece


@cache
def _walked(of: Any) -> tuple[tuple[Key, Callable[[Any, Place], Iterator[Piece]]], ...]:
    """Return the keys of a class that are walked over; found once for each class, as hashing an Enum is slow."""
    return tuple([(key, PIECES[key.holds]) for key in keys_of(of) if key.holds in PIECES])


# A whole mapping.


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
        self._scopes: dict[Place, Scope] = {}
        self.uses: dict[str, list[Use]] = {name: [] for name in mapping.requests}
        self._find_uses()
        direct = [*self._of_calls(), *self._of_requests(), *self._of_groups(), *self._of_http()]
        self._reach_parts(direct)
        self.all = [*direct, *self._of_parts(), *self._of_batches(), *self._of_responses()]

    @property
    def part_calls(self) -> dict[str, tuple[str, ...]]:
        """The calls each part is used in; none for a part that nothing uses."""
        return {name: self.part_scopes.get(name, ANYWHERE).calls for name in self.mapping.parts}

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

    def scope_at(self, place: Place) -> Scope:
        """Return the scope of what is written at a place; the names of loops inside a step or part are not in it."""
        noun = place[:2] if place[0] in ("parts", "http") else place[:3]
        if noun not in self._scopes:
            self._scopes[noun] = self._find_scope(noun)
        return self._scopes[noun]

    def _find_scope(self, place: Place) -> Scope:
        section, name = place[0], str(place[1])
        if section == "calls":
            return next(self._scope_of_step(step, uses) for step, uses in self.steps() if step.place == place)
        if section == "parts":
            return self.part_scopes.get(name) or ANYWHERE
        noun, word = (Http, place[1]) if section == "http" else (NAMED[str(section)], place[2])
        key = next((key for key in keys_of(noun) if key.word == word), None)
        if key is not None and key.adds:
            return _scope_of_key(key, self._scope_of("request", self.uses[name]))
        own = "" if key is None else key.scope
        if own == "group":
            return self._scope_of("group", self._uses_in(name))
        if own or section == "batches":
            return Scope(kind=own or "batch")
        every = [use for uses in self.uses.values() for use in uses]
        return self._scope_of("http", every) if section == "http" else self._scope_of("request", self.uses[name])

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
            yield from of_noun(step, step.place, self._scope_of_step(step, uses))

    def _scope_of_step(self, step: Step, uses: tuple[Use, ...]) -> Scope:
        saved, every = uses[0].saved, self._saved_in(step)
        return Scope(kind="call", calls=tuple(use.call for use in uses), saved=saved, later=every - saved)

    def _saved_in(self, step: Step) -> frozenset[str]:
        steps = self.mapping.calls[str(step.place[1])]
        return frozenset(name for other in steps for name in other.save)

    def _of_requests(self) -> Iterator[Occurrence]:
        for request in self.mapping.requests.values():
            yield from of_noun(request, request.place, self._scope_of("request", self.uses[request.name]))

    def _of_groups(self) -> Iterator[Occurrence]:
        for batch in self.mapping.batches.values():
            if batch.group_by is not None:
                yield from of_value(batch.group_by, self._scope_of("group", self._uses_in(batch.name)))

    def _uses_in(self, batch: str) -> list[Use]:
        carried = [request for request in self.mapping.requests.values() if request.batch == batch]
        return [use for request in carried for use in self.uses[request.name]]

    def _of_http(self) -> Iterator[Occurrence]:
        uses = [use for each in self.uses.values() for use in each]
        http = self.mapping.http
        found = of_noun(http, http.place, self._scope_of("http", uses))
        yield from (each for each in found if uses or each.scope.kind != "http")

    def _scope_of(self, kind: str, uses: list[Use]) -> Scope:
        saved = frozenset(name for use in uses for name in use.saved)
        every = frozenset(name for use in uses for name in self._saved_in(use.step))
        loop = IN_LIST if any(use.step.for_each is not None for use in uses) else NO_LOOP
        return Scope(kind=kind, calls=_sorted(use.call for use in uses), loop=loop, saved=saved, later=every - saved)

    def _reach_parts(self, direct: list[Occurrence]) -> None:
        of_events = [found for found in direct if found.scope.kind in OF_EVENTS]
        pending = [(name, found.scope) for found in of_events for name in parts_of(found.path)]
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

    def _of_batches(self) -> Iterator[Occurrence]:
        for batch in self.mapping.batches.values():
            found = of_noun(batch, batch.place, Scope(kind="batch"))
            yield from (each for each in found if each.scope.kind != "group")

    def _of_responses(self) -> Iterator[Occurrence]:
        for rule in self.mapping.responses:
            yield from of_noun(rule, rule.place, Scope(kind="reply"))


NAMED: dict[str, type[Any]] = {"requests": Request, "batches": Batch}
"""The sections of named nouns with texts of their own."""
OF_EVENTS = frozenset({"call", "request", "envelope", "group", "http"})
"""The kinds of scope where parts are there."""


def _wider(known: Scope | None, scope: Scope) -> Scope:
    """Widen a part's scope by that of a place that uses it; a part has no loop, wherever it is used."""
    if known is None:
        return Scope(kind="part", calls=_sorted(scope.calls), saved=scope.saved, later=scope.later)
    saved = known.saved | scope.saved
    calls = _sorted([*known.calls, *scope.calls])
    return Scope(kind="part", calls=calls, saved=saved, later=(known.later | scope.later) - saved)


def _sorted(calls: Iterable[str]) -> tuple[str, ...]:
    found = set(calls)
    return tuple(call for call in FIELDS if call in found)
