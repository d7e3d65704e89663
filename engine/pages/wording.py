"""A value of a mapping in words: what it is taken from, how it is converted, and when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table

from engine.language.template import Text
from engine.mapping import types
from engine.mapping.flows import shown_text
from engine.mapping.model import (
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    Flatten,
    From,
    FunctionUse,
    Instruction,
    KeyPattern,
    ListOf,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    TextOf,
    TextOrValue,
    Value,
    looked_up,
)
from engine.pages import markdown
from engine.pages.markdown import code
from engine.records import Json

MOST_ENTRIES = 40
"""Of a table or list that are shown."""


def source_text(mapping: Mapping, value: Value) -> str:
    """Return what a value is taken from; parts are followed."""
    if isinstance(value, PathValue):
        part = part_of(mapping, value)
        return code(value.path) if part is None else source_text(mapping, part)
    if isinstance(value, Choice):
        return ", else ".join(inner_text(mapping, each) for each in value.alternatives)
    source = value.source
    if isinstance(source, From):
        return inner_text(mapping, source.value)
    if isinstance(source, Const):
        return f"always {markdown.value(source.value)}"
    if isinstance(source, TextOf):
        return code(shown_text(source.text))
    if isinstance(source, Fields):
        return f"an object with {_some([code(shown_text(key)) for key, _ in source.entries])}"
    if isinstance(source, Merge):
        members = source.members if isinstance(source.members, tuple) else (source.members,)
        return " with ".join(inner_text(mapping, each) for each in members)
    if isinstance(source, ListOf):
        return f"a list of {_some([inner_text(mapping, each) for each in source.members])}"
    return loop_text(mapping, source)


def loop_text(mapping: Mapping, source: Each | Entries) -> str:
    """Return what a loop runs over."""
    word = "each item" if isinstance(source, Each) else "each entry"
    where = f" where {code(source.where)}" if source.where is not None else ""
    made = "" if source.value is None else f": {inner_text(mapping, source.value)}"
    return f"{word} of {inner_text(mapping, source.of)}{where}{made}"


def inner_text(mapping: Mapping, value: Value) -> str:
    """Return what a value inside another is, with its own conversions and conditions."""
    if (part := part_of(mapping, value)) is not None:
        return inner_text(mapping, part)
    text = source_text(mapping, value)
    if not isinstance(value, Instruction):
        return text
    notes = [*changes(value.modifiers), *conditions(value.modifiers)]
    return f"{text} ({', '.join(notes)})" if notes else text


def part_of(mapping: Mapping, value: Value) -> Value | None:
    """Return the part that a value is, where it is nothing else."""
    chain = types.plain(value.path) if isinstance(value, PathValue) else ()
    return mapping.parts.get(chain[1]) if len(chain) == 2 and chain[0] == "parts" else None


def text_or_value(mapping: Mapping, text: TextOrValue) -> str:
    """Return a text as it is written, or what the instruction in its place is."""
    return code(shown_text(text)) if isinstance(text, Text) else inner_text(mapping, text)


def conditions(modifiers: Modifiers) -> list[str]:
    """Return when there is a value."""
    found = [f"when {code(modifiers.when)}"] if modifiers.when is not None else []
    return [*found, *([f"unless {code(modifiers.unless)}"] if modifiers.unless is not None else [])]


def changes(modifiers: Modifiers) -> Iterator[str]:
    """Return what the modifiers do to a value, in the order in which they do it."""
    yield from map(_function, modifiers.as_)
    if isinstance(modifiers.map, str):
        yield f"looked up in {code(modifiers.map)}"
    elif modifiers.map is not None:
        yield _some([f"{code(key)} → {markdown.value(made)}" for key, made in looked_up(modifiers).items()])
    if modifiers.map is not None and modifiers.unmapped == "keep":
        yield "others as they are"
    for word, named in (("only", modifiers.only), ("without", modifiers.except_)):
        if named is not None:
            yield f"{word} {code(named) if isinstance(named, str) else _some(list(map(code, named)))}"
    yield from _names(modifiers)
    if modifiers.default is not None:
        yield f"default {markdown.value(modifiers.default[0])}"
    if modifiers.within is not None:
        yield "at most " + " and ".join(f"{span} in the {side}" for side, span in modifiers.within.items())
    if modifiers.must is not None:
        yield f"must meet {markdown.value(modifiers.must)}"
    if modifiers.required:
        yield "**required**"
    if modifiers.nulls is not None:
        yield "null is sent"


def _names(modifiers: Modifiers) -> Iterator[str]:
    if isinstance(modifiers.rename, str):
        yield f"keys renamed by {code(modifiers.rename)}"
    elif modifiers.rename is not None:
        yield _some([f"{code(old)} renamed to {code(new)}" for old, new in _items(modifiers.rename)])
    if modifiers.flatten is not None:
        yield _flatten(modifiers.flatten)
    if isinstance(modifiers.keys, KeyPattern):
        yield f"keys that match {code(modifiers.keys.pattern)}"
    elif modifiers.keys is not None:
        yield f"keys in {code(modifiers.keys)}"
    if modifiers.prefix is not None:
        yield f"keys begin with {code(shown_text(modifiers.prefix))}"


def _items(table: Table[str, str]) -> list[tuple[str, str]]:
    return list(table.items())


def _flatten(flatten: Flatten) -> str:
    when = "" if flatten.wanted is True else f" if {code(flatten.wanted)}"
    return f"nested keys joined with {code(flatten.separator)}{when}"


def _function(use: FunctionUse) -> str:
    if use.written in (None, {}):
        return code(use.name)
    return f"{code(use.name)} {_parameters(use.written)}"


def _parameters(written: Json) -> str:
    if isinstance(written, dict) and all(isinstance(each, str | int | float) for each in written.values()):
        return "(" + ", ".join(f"{name}: {markdown.value(given)}" for name, given in written.items()) + ")"
    return markdown.value(written)


def _some(shown: list[str]) -> str:
    more = f" and {len(shown) - MOST_ENTRIES} more" if len(shown) > MOST_ENTRIES else ""
    return ", ".join(shown[:MOST_ENTRIES]) + more
