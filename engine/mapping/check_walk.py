"""Every path written in a value or a text, with the scope it is read in.

A scope is a name for a set of root words: those of a call, a batch's item, a batch's fields, settings, an answer,
a batch's results.  Who is in which scope is occurrences.py's business; here is only how values hold paths.
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
    PathValue,
    Place,
    Request,
    Response,
    TextOf,
    TextOrValue,
    Value,
)
from engine.mapping.walk import children

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
    """Give the paths of rules about answers."""
    for rule in rules:
        for word, path in (("when", rule.when), ("unless", rule.unless), ("error", rule.error)):
            if path is not None:
                yield Occurrence((*rule.place, word), path, 1, False, word, Scope(kind="reply"))


def request_texts(request: Request) -> Iterator[tuple[TextOrValue, Place]]:
    """Give the texts of a request, with their places."""
    if request.path is not None:
        yield request.path, (*request.place, "path")
    yield request.method, (*request.place, "method")
    for word, named in (("query", request.query), ("headers", request.headers)):
        for name, text in named:
            yield text, (*request.place, word, name)


def parts_of(path: str) -> list[str]:
    """Give the names of the parts a path asks for."""
    try:
        return [root.members[0] for root in paths.parse(path).roots if root.name == "parts" and root.members]
    except PathError:
        return []


def parts_in(value: Value) -> set[str]:
    """Give the names of the parts a value asks for directly."""
    return {name for found in of_value(value, Scope(kind="part")) for name in parts_of(found.path)}
