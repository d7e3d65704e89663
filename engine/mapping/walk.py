"""Walking values: the values inside a value, and the paths and texts they hold."""

from __future__ import annotations

from collections.abc import Iterator

from engine.language.template import Text
from engine.mapping.model import (
    Choice,
    Each,
    Entries,
    Fields,
    From,
    Instruction,
    ListOf,
    Merge,
    Modifiers,
    PathValue,
    TextOf,
    TextOrValue,
    Value,
)


def children(value: Value) -> Iterator[Value]:
    """Give the values directly inside `value`, in the order in which they are evaluated."""
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
    """Give `value` and every value inside it."""
    yield value
    for child in children(value):
        yield from descendants(child)


def own_paths(value: Value) -> Iterator[str]:
    """Give the paths written in `value` itself, not in the values inside it."""
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
    """Give the paths written in modifiers."""
    written = (modifiers.when, modifiers.unless, modifiers.map, modifiers.only, modifiers.except_, modifiers.rename)
    yield from (path for path in written if isinstance(path, str))
    if modifiers.flatten is not None and isinstance(modifiers.flatten.wanted, str):
        yield modifiers.flatten.wanted
    if modifiers.prefix is not None:
        yield from holes(modifiers.prefix)


def holes(text: Text) -> Iterator[str]:
    """Give the paths of a text's `${}`."""
    yield from (hole.path for hole in text.holes)


def paths_of(value: Value) -> Iterator[str]:
    """Give every path in `value`, at any depth."""
    for inner in descendants(value):
        yield from own_paths(inner)


def texts_of(text: TextOrValue) -> Iterator[str]:
    """Give every path in a URL part, header or query value."""
    if isinstance(text, Text):
        yield from holes(text)
    else:
        yield from paths_of(text)


def source_paths(value: Value) -> Iterator[str]:
    """Give the paths that were *tried* for `value`: those of its sources, not of its conditions."""
    if isinstance(value, PathValue):
        yield value.path
    if isinstance(value, Instruction) and isinstance(value.source, TextOf):
        yield from holes(value.source.text)
    for child in children(value):
        yield from source_paths(child)
