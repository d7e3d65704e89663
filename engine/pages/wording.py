"""A value of a mapping in words: what it is taken from, how it is converted, and when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from typing import NamedTuple

from engine.events.spec import FIELDS
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
EVENT_FIELDS = frozenset(name for fields in FIELDS.values() for name in fields)


class PageScope(NamedTuple):
    """What a value is in: the parts of its mapping, and which fields of events its calls have, all outside of calls."""

    parts: Table[str, Value]
    fields: frozenset[str] = EVENT_FIELDS

    @classmethod
    def of(cls, mapping: Mapping, *calls: str) -> PageScope:
        """Return the scope of the steps of some calls, or of what stands in none."""
        return cls(mapping.parts, frozenset(name for call in calls for name in FIELDS[call]) or EVENT_FIELDS)


def source_text(scope: PageScope, value: Value) -> str:
    """Return what a value is taken from; parts are followed."""
    if isinstance(value, PathValue):
        part = part_of(scope, value)
        return code(value.path) if part is None else source_text(scope, part)
    if isinstance(value, Choice):
        return ", else ".join(inner_text(scope, each) for each in _alternatives(scope, value))
    source = value.source
    if isinstance(source, From):
        return inner_text(scope, source.value)
    if isinstance(source, Const):
        return f"always {markdown.value(source.value)}"
    if isinstance(source, TextOf):
        return code(shown_text(source.text))
    if isinstance(source, Fields):
        return f"an object with {_some([code(shown_text(key)) for key, _ in source.entries])}"
    if isinstance(source, Merge):
        members = source.members if isinstance(source.members, tuple) else (source.members,)
        return " with ".join(inner_text(scope, each) for each in members)
    if isinstance(source, ListOf):
        return f"a list of {_some([inner_text(scope, each) for each in source.members])}"
    return loop_text(scope, source)


def loop_text(scope: PageScope, source: Each | Entries) -> str:
    """Return what a loop runs over."""
    word = "each item" if isinstance(source, Each) else "each entry"
    where = f" where {code(source.where)}" if source.where is not None else ""
    made = "" if source.value is None else f": {inner_text(scope, source.value)}"
    return f"{word} of {inner_text(scope, source.of)}{where}{made}"


def inner_text(scope: PageScope, value: Value) -> str:
    """Return what a value inside another is, with its own conversions and conditions."""
    if (part := part_of(scope, value)) is not None:
        return inner_text(scope, part)
    if not isinstance(value, Instruction):
        return source_text(scope, value)
    modifiers = value.modifiers
    made = [*map(_function, reversed(modifiers.as_))]
    notes = [*_other_changes(modifiers), *conditions(modifiers)]
    if not made and not notes:
        return source_text(scope, value)
    group = _group(scope, value)
    text = " or ".join(group) if group else source_text(scope, value)
    text = " of ".join([*made, f"({text})" if notes and len(group) > 1 else text])
    return f"{text} ({', '.join(notes)})" if notes else text


def _group(scope: PageScope, value: Value) -> list[str]:
    """Return the alternatives of a choice, also through parts; none of another value.

    What is done to a choice is done to whichever alternative is taken, so these must be seen to belong together.
    """
    if (part := part_of(scope, value)) is not None:
        return _group(scope, part)
    if isinstance(value, Instruction) and isinstance(value.source, From):
        inner = value.source.value
        return [] if _is_changed(scope, inner) else _group(scope, inner)
    if not isinstance(value, Choice):
        return []
    found = ([] if _is_changed(scope, each) else _group(scope, each) for each in _alternatives(scope, value))
    pairs = zip(_alternatives(scope, value), found, strict=True)
    return [text for each, group in pairs for text in group or [inner_text(scope, each)]]


def _is_changed(scope: PageScope, value: Value) -> bool:
    part = part_of(scope, value)
    if part is not None:
        return _is_changed(scope, part)
    return isinstance(value, Instruction) and bool([*changes(value.modifiers), *conditions(value.modifiers)])


def _alternatives(scope: PageScope, value: Choice) -> list[Value]:
    """Return the alternatives that the calls of the scope can have; all of them where they have none."""
    return [each for each in value.alternatives if _can_be_there(scope, each)] or [*value.alternatives]


def _can_be_there(scope: PageScope, value: Value) -> bool:
    if (part := part_of(scope, value)) is not None:
        return _can_be_there(scope, part)
    if isinstance(value, PathValue):
        root = (types.plain(value.path) or ("",))[0]
        return root not in EVENT_FIELDS or root in scope.fields
    if isinstance(value, Choice):
        return any(_can_be_there(scope, each) for each in value.alternatives)
    return not isinstance(value.source, From) or _can_be_there(scope, value.source.value)


def part_of(scope: PageScope, value: Value) -> Value | None:
    """Return the part that a value is, where it is nothing else."""
    chain = types.plain(value.path) if isinstance(value, PathValue) else ()
    return scope.parts.get(chain[1]) if len(chain) == 2 and chain[0] == "parts" else None


def text_or_value(scope: PageScope, text: TextOrValue) -> str:
    """Return a text as it is written, or what the instruction in its place is."""
    return code(shown_text(text)) if isinstance(text, Text) else inner_text(scope, text)


def conditions(modifiers: Modifiers) -> list[str]:
    """Return when there is a value."""
    found = [f"when {code(modifiers.when)}"] if modifiers.when is not None else []
    return [*found, *([f"unless {code(modifiers.unless)}"] if modifiers.unless is not None else [])]


def changes(modifiers: Modifiers) -> Iterator[str]:
    """Return what the modifiers do to a value, in the order in which they do it."""
    yield from map(_function, modifiers.as_)
    yield from _other_changes(modifiers)


def _other_changes(modifiers: Modifiers) -> Iterator[str]:
    if isinstance(modifiers.map, str):
        yield f"looked up in {code(modifiers.map)}"
    elif modifiers.map is not None:
        yield _some([f"{code(key)} → {markdown.value(made)}" for key, made in looked_up(modifiers).items()])
    if modifiers.map is not None and modifiers.ignore_case:
        yield "case is ignored"
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
