"""Checks of types: functions that cannot take what they are given, and words on something they are not for."""

from __future__ import annotations

from collections.abc import Iterator

from engine.language import functions, paths
from engine.mapping import types
from engine.mapping.checks.context import Checking, listed, quoted
from engine.mapping.checks.paths import verdict
from engine.mapping.model import OBJECT_WORDS, Each, Entries, Instruction, ListOf, Merge, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence
from engine.records import Json, Place

WAYS = {
    ("object", "text"): "`json` makes a text of an object.",
    ("list", "text"): "`join` or `json` makes a text of a list.",
    ("boolean", "text"): "`string` makes a text of true and false.",
    ("text", "object"): "`parse_json` reads a text that holds JSON.",
    ("text", "list"): "`split` makes a list of a text, `to_list` a list with one entry.",
    ("object", "list"): "`pairs` makes a list of an object.",
}
"""How to get from one type to another."""


def check_types(checking: Checking) -> Iterator[Problem]:
    """Find functions, loops and words that can never work on what they are given."""
    for value in checking.values:
        if isinstance(value, Instruction):
            yield from _source(checking, value)
            yield from _chain(checking, value)
            yield from _object_words(checking, value)
    for steps in checking.mapping.calls.values():
        for step in steps:
            if step.for_each is not None:
                yield from _loop(checking, step.for_each, "for_each")
            yield from _form(checking, step.request, step.value, step.place)
    for found in checking.occurrences.all:
        yield from _path(checking, found)


def kinds(names: frozenset[str]) -> str:
    """Name types in a sentence: `text or a number`."""
    return listed([words for name, words in types.KINDS.items() if name in names])


def _way(given: frozenset[str], wanted: frozenset[str]) -> str:
    return next((advice for (one, other), advice in WAYS.items() if one in given and other in wanted), "")


def _source(checking: Checking, value: Instruction) -> Iterator[Problem]:
    source = value.source
    if isinstance(source, Each):
        yield from _loop(checking, source.of, "each")
    elif isinstance(source, Entries):
        yield from _needs_object(checking, source.of, "`entries` needs an object")
    elif isinstance(source, Merge):
        for member in source.members:
            yield from _needs_object(checking, member, "Every member of `merge` is an object")


def _loop(checking: Checking, of: Value, word: str) -> Iterator[Problem]:
    given = types.of_value(checking.mapping, of)
    if not given & {"list", "object"}:
        message = f"`{word}` needs a list, and this is {kinds(given)}."
        yield checking.problem(of.place, "not-a-list", message, _way(given, types.LIST))


def _needs_object(checking: Checking, of: Value, need: str) -> Iterator[Problem]:
    given = types.of_value(checking.mapping, of)
    if "object" not in given:
        message = f"{need}, and this is {kinds(given)}."
        yield checking.problem(of.place, "not-an-object", message, _way(given, types.OBJECT))


def _form(checking: Checking, name: str, body: Value | None, place: Place) -> Iterator[Problem]:
    request = checking.mapping.requests.get(name)
    if request is None or request.encode != "form" or body is None:
        return
    given = types.of_value(checking.mapping, body)
    if "object" not in given:
        message = f"{quoted(name)} is sent as a form, which needs an object; this body is {kinds(given)}."
        yield checking.problem(place, "not-an-object", message, "Make it with fields.")


def _chain(checking: Checking, value: Instruction) -> Iterator[Problem]:
    given, before = types.of_source(checking.mapping, value.source), "this value"
    raw = checking.loaded.resolved.at((*value.place, "as"))
    for number, use in enumerate(value.modifiers.as_):
        place: Place = (*value.place, "as", number) if isinstance(raw, list) else (*value.place, "as")
        function = functions.FUNCTIONS[use.name]
        yield from _parameters(checking, use.name, use.written, place)
        if not given & function.takes:
            verb = "is" if before == "this value" else "gives"
            message = f"`{use.name}` takes {kinds(function.takes)}, but {before} {verb} {kinds(given)}."
            yield checking.problem(place, "function-type", message, _way(given, function.takes))
            return
        if use.name == "product" and isinstance(value.source, ListOf) and number == 0:
            message = "A member that is missing is left out of the list, so the product goes on without it."
            advice = "Give each member required: true or a default."
            yield checking.problem(place, "product-of-list", message, advice, level="warning")
        given, before = function.gives, f"`{use.name}`"


def _parameters(checking: Checking, name: str, written: Json, place: Place) -> Iterator[Problem]:
    try:
        functions.bind(name, functions.parameters_of(name, written))
    except ValueError as error:
        text = str(error)
        yield checking.problem(place, "function-parameters", text[:1].upper() + text[1:])


def _object_words(checking: Checking, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    given = types.of_source(checking.mapping, value.source)
    for use in modifiers.as_:
        given = functions.FUNCTIONS[use.name].gives
    if modifiers.map is not None:
        if not given & {"text", "number", "boolean"}:
            message = f"`map` looks up a text, and this value is {kinds(given)}: nothing would ever be found."
            yield checking.problem((*value.place, "map"), "map-never-matches", message, key=True)
        return
    word = next((key.word for key in OBJECT_WORDS if getattr(modifiers, key.attribute) is not None), None)
    if word is not None and "object" not in given:
        message = f"`{word}` needs an object, and this value is {kinds(given)}."
        advice = _way(given, types.OBJECT) if not modifiers.as_ else "`as` comes before it; a part can prune first."
        yield checking.problem((*value.place, word), "not-an-object", message, advice, key=True)


def _path(checking: Checking, found: Occurrence) -> Iterator[Problem]:
    """Find paths beside a word, or in a text, that can never give what is needed there."""
    given = types.of_path(checking.mapping, found.path)
    place, at = found.place, found.column
    if given == types.ANY or any(verdict(checking, found, root) for root in paths.parse(found.path).roots):
        return
    if found.word == "${}" and "query" not in place and not given & {"text", "number", "boolean"}:
        message = f"{found.path} is {kinds(given)}, which has no text: it would always be missing here."
        yield checking.problem(place, "not-text", message, _way(given, types.TEXT), column=at, key=found.key)
    elif found.word in ("only", "except") and "list" not in given:
        message = f"`{found.word}` needs a list of keys, and {found.path} is {kinds(given)}."
        yield checking.problem(place, "not-a-list", message, column=at)
    elif found.word in ("map", "rename") and "object" not in given:
        message = f"`{found.word}` needs a table, and {found.path} is {kinds(given)}."
        yield checking.problem(place, "not-an-object", message, column=at)
