"""How much of the mapping language a file holds: what it costs to check and to compile it.

A mebibyte of YAML can hold 60,000 values, each of which is checked, compiled and kept in memory with its place; checks
that compare values with each other would take minutes. So a limit on the file's bytes is not enough. What is data to
the checker (constants, tables, the events of examples) costs little and is limited only by the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.language.paths import syntax as paths
from engine.mapping.problems import Message
from engine.records import Json, JsonObject, Place

MOST_VALUES = 5_000
CHARACTERS_OF_A_VALUE = 40
"""A longer text counts as several values: paths and texts are parsed."""
VALUES_OF_A_PATTERN = 20
"""A pattern takes up to some milliseconds to compile, and some hundred kilobytes."""
DATA = frozenset({"const", "default", "map", "event", "expect", "replies", "example", "choices"})
"""Words whose values are data."""
NAMED = frozenset(
    {"batches", "calls", "fields", "headers", "parts", "query", "rename", "requests", "require", "save", "settings"}
)
"""Words whose keys are names of the author's, not words: `fields: { const: ... }` is a field with that name."""


def fault(value: Json) -> tuple[Place, Message] | None:
    """Return what is too large in a mapping, or in a file of parts, and its place; None if it can be checked."""
    whole = extent(value)
    if whole <= MOST_VALUES:
        return None
    place = _largest(value)
    advice = "Split the mapping, or move data into `const`, `map` or a setting of type table."
    text = f"This mapping has {whole:,} values; at most {MOST_VALUES:,} are checked. Most of them are here."
    return place, Message("too-many-values", text, advice)


def extent(value: Json, *, named: bool = False) -> int:
    """Count the values of a part of a file; data counts as one. `named`: the keys of `value` are an author's names."""
    count = 0
    pending: list[tuple[Json, bool]] = [(value, named)]
    while pending:
        each, named = pending.pop()
        count += 1
        if isinstance(each, str):
            length = len(each) if "${" in each else min(len(each), paths.LONGEST)
            count += length // CHARACTERS_OF_A_VALUE
        elif isinstance(each, dict):
            count += sum(map(len, each)) // CHARACTERS_OF_A_VALUE
            count += 0 if named else sum(key in DATA for key in each) + _patterns(each)
            members = ((key, member) for key, member in each.items() if named or key not in DATA)
            pending += [(member, not named and key in NAMED) for key, member in members]
        elif isinstance(each, list):
            pending += [(member, False) for member in each]
    return count


def _patterns(words: JsonObject) -> int:
    """Count what the patterns of a setting or a schema cost to compile and to keep."""
    named = words.get("patternProperties")
    return VALUES_OF_A_PATTERN * (isinstance(words.get("pattern"), str) + len(named if isinstance(named, dict) else ()))


def _largest(value: Json) -> Place:
    """Return the place of the largest entry of the largest section: `parts.p`, `calls.track`."""
    place: Place = ()
    for _ in range(2):
        named = bool(place)
        sizes = {key: extent(member, named=not named and key in NAMED) for key, member in _members(value)}
        if not sizes:
            break
        key = max(sizes, key=lambda name: sizes[name])
        place, value = (*place, key), dict(_members(value))[key]
    return place


def _members(value: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
