"""Every path of a mapping with the scope it is read in, and who uses what: what the checks of names walk over.

Parts and requests belong to every call that uses them.  A part is for any of its calls; what a request's URL needs
must be there in each of them, and check_steps.py asks that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from engine.mapping.check_walk import (
    IN_LIST,
    Occurrence,
    Scope,
    of_responses,
    of_text,
    of_value,
    parts_in,
    parts_of,
    request_texts,
)
from engine.mapping.model import Batch, Mapping, Step
from engine.sources.calls import FIELDS


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
        """Give the calls that run the steps of `call`: itself and those that share them."""
        return (call, *(other for other, named in self.mapping.shared.items() if named == call))

    def steps(self) -> Iterator[tuple[Step, tuple[Use, ...]]]:
        """Give every step with its uses: one for each call that runs it."""
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
    """Give the paths of a batch's body."""
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
