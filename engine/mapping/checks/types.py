"""Checks of types: functions, loops and modifiers that get a value of a type they cannot take."""

from __future__ import annotations

from collections.abc import Iterator

from engine.language import functions, paths
from engine.mapping import types
from engine.mapping.checks.context import CheckContext, listed, quoted
from engine.mapping.checks.paths import name_problem
from engine.mapping.model import OBJECT_WORDS, Each, Entries, Instruction, ListOf, Merge, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence
from engine.records import Json, Place

WAYS = {
    ("object", "text"): "`json` turns an object into text.",
    ("list", "text"): "`join` or `json` turns a list into text.",
    ("boolean", "text"): "`string` turns true and false into text.",
    ("text", "object"): "`parse_json` parses text that contains JSON.",
    ("text", "list"): "`split` splits text into a list; `to_list` makes a list with one entry.",
    ("object", "list"): "`pairs` turns an object into a list.",
}
"""How to convert one type into another."""


def check_types(context: CheckContext) -> Iterator[Problem]:
    """Find functions, loops and modifiers that can never work with the type of their value."""
    for value in context.values:
        if isinstance(value, Instruction):
            yield from _source(context, value)
            yield from _chain(context, value)
            yield from _object_words(context, value)
    for steps in context.mapping.calls.values():
        for step in steps:
            if step.for_each is not None:
                yield from _loop(context, step.for_each, "for_each")
            yield from _form(context, step.request, step.value, step.place)
    mapping = context.mapping
    for noun in (mapping.http, *mapping.requests.values(), *mapping.batches.values()):
        for word in ("headers_from", "query_from"):
            if (of := getattr(noun, word)) is not None:
                yield from _needs_object(context, of, f"`{word}` needs an object")
    for found in context.occurrences.all:
        yield from _path(context, found)


def kinds(names: frozenset[str]) -> str:
    """Name types in a sentence: `text or a number`."""
    return listed([words for name, words in types.KINDS.items() if name in names])


def _way(given: frozenset[str], wanted: frozenset[str]) -> str:
    return next((advice for (one, other), advice in WAYS.items() if one in given and other in wanted), "")


def _source(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    source = value.source
    if isinstance(source, Each):
        yield from _loop(context, source.of, "each")
    elif isinstance(source, Entries):
        yield from _needs_object(context, source.of, "`entries` needs an object")
    elif isinstance(source, Merge):
        for member in source.members:
            yield from _needs_object(context, member, "Every member of `merge` must be an object")


def _loop(context: CheckContext, of: Value, word: str) -> Iterator[Problem]:
    given = types.of_value(context.mapping, of)
    if not given & {"list", "object"}:
        message = f"`{word}` needs a list, but this is {kinds(given)}."
        yield context.problem(of.place, "not-a-list", message, _way(given, types.LIST))


def _needs_object(context: CheckContext, of: Value, need: str) -> Iterator[Problem]:
    given = types.of_value(context.mapping, of)
    if "object" not in given:
        message = f"{need}, but this is {kinds(given)}."
        yield context.problem(of.place, "not-an-object", message, _way(given, types.OBJECT))


def _form(context: CheckContext, name: str, body: Value | None, place: Place) -> Iterator[Problem]:
    request = context.mapping.requests.get(name)
    if request is None or request.encode != "form" or body is None:
        return
    given = types.of_value(context.mapping, body)
    if "object" not in given:
        message = f"{quoted(name)} is sent as a form, which needs an object, but this body is {kinds(given)}."
        yield context.problem(place, "not-an-object", message, "Write the body with `fields`.")


def _chain(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    given, before = types.of_source(context.mapping, value.source), "this value"
    raw = context.loaded.resolved.at((*value.place, "as"))
    for number, use in enumerate(value.modifiers.as_):
        place: Place = (*value.place, "as", number) if isinstance(raw, list) else (*value.place, "as")
        function = functions.FUNCTIONS[use.name]
        yield from _parameters(context, use.name, use.written, place)
        if not given & function.takes:
            verb = "is" if before == "this value" else "gives"
            message = f"`{use.name}` takes {kinds(function.takes)}, but {before} {verb} {kinds(given)}."
            yield context.problem(place, "function-type", message, _way(given, function.takes))
            return
        if use.name == "product" and isinstance(value.source, ListOf) and number == 0:
            message = "Missing members are left out of the list, so the product would ignore them."
            advice = "Write `required: true` or a `default` in each member."
            yield context.problem(place, "product-of-list", message, advice, level="warning")
        given, before = function.gives, f"`{use.name}`"


def _parameters(context: CheckContext, name: str, written: Json, place: Place) -> Iterator[Problem]:
    try:
        functions.bind(name, functions.parameters_of(name, written))
    except ValueError as error:
        text = str(error)
        yield context.problem(place, "function-parameters", text[:1].upper() + text[1:])


def _object_words(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    given = types.of_source(context.mapping, value.source)
    for use in modifiers.as_:
        given = functions.FUNCTIONS[use.name].gives
    if modifiers.map is not None:
        if not given & {"text", "number", "boolean"}:
            message = f"`map` looks up text, but this value is {kinds(given)}: no key can ever match."
            yield context.problem((*value.place, "map"), "map-never-matches", message, key=True)
        return
    word = next((key.word for key in OBJECT_WORDS if getattr(modifiers, key.attribute) is not None), None)
    if word is not None and "object" not in given:
        message = f"`{word}` needs an object, but this value is {kinds(given)}."
        advice = (
            _way(given, types.OBJECT) if not modifiers.as_ else "`as` is applied first; use a part to prune before."
        )
        yield context.problem((*value.place, word), "not-an-object", message, advice, key=True)


def _path(context: CheckContext, found: Occurrence) -> Iterator[Problem]:
    """Find paths in modifiers and texts whose type can never be the one needed there."""
    given = types.of_path(context.mapping, found.path)
    place, at = found.place, found.column
    if given == types.ANY or any(name_problem(context, found, root) for root in paths.parse(found.path).roots):
        return
    if found.word == "${}" and "query" not in place and not given & {"text", "number", "boolean"}:
        message = f"{found.path} is {kinds(given)}, which cannot be inserted into text: it would always be missing."
        yield context.problem(place, "not-text", message, _way(given, types.TEXT), column=at, key=found.key)
    elif found.word in ("only", "except") and "list" not in given:
        message = f"`{found.word}` needs a list of keys, but {found.path} is {kinds(given)}."
        yield context.problem(place, "not-a-list", message, column=at)
    elif found.word in ("map", "rename") and "object" not in given:
        message = f"`{found.word}` needs a table, but {found.path} is {kinds(given)}."
        yield context.problem(place, "not-an-object", message, column=at)
