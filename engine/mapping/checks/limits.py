"""What would take too long to check, to compile or to run: parts that multiply, nesting, loops in loops.

These are found before anything else, by adding up what each part consists of; a mapping that is over a limit is not
checked any further and not compiled. So every other check, the compiler and an event may follow parts wherever they
lead: the work is bounded by `MOST_EXPANDED`, and the depth by `DEEPEST`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.errors import PathError
from engine.language import paths
from engine.language.paths.syntax import copies
from engine.language.sizes import json_size
from engine.mapping.checks.context import CheckContext, quoted
from engine.mapping.model import Batch, Const, Each, Entries, Instruction, Mapping, Request, Step, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence, children, descendants, of_noun, of_value, parts_of, roots_of, values_in
from engine.records import Json, Place

MOST_EXPANDED = 10_000
"""Values of a step, a request or a part, with the values of the parts it uses, as often as it uses them."""
DATA_OF_A_VALUE = 1_000
"""Characters of constants and settings that count as one value: what many values copy is bounded too."""
DEEPEST = 64
"""Values inside values, with those of parts."""
DEPTH_OF_A_PART = 3
"""How many levels a part counts: compiling one takes about as much of Python's stack as three nested values."""
MOST_LOOPS = 8
"""Loops inside each other; Python allows 20 blocks, and a step of the compiler may need two for a loop."""


class Extent(NamedTuple):
    """How many values something stands for, and how deep they are nested."""

    values: int
    depth: int


def check_limits(context: CheckContext) -> Iterator[Problem]:
    """Find steps, requests and parts that stand for too many values, and values that are nested too deeply."""
    mapping = context.mapping
    known: dict[str, Extent] = {}
    for name in in_order(mapping):
        value = mapping.parts[name]
        known[name] = _extent(mapping, of_value(value), [value], known)
        if fault := _fault(context, known[name], value.place):
            yield fault
            return  # whatever uses it is over the limit too
    steps = [step for steps in mapping.calls.values() for step in steps]
    nouns: list[Step | Request | Batch] = [*steps, *mapping.requests.values(), *mapping.batches.values()]
    for noun in nouns:
        extent = _extent(mapping, of_noun(noun, noun.place), list(values_in(noun)), known)
        if fault := _fault(context, extent, noun.place):
            yield fault
    for value in context.values:
        loops = _loops(value)
        if loops > MOST_LOOPS:
            message = f"Loops are nested {loops} deep here; at most {MOST_LOOPS} are allowed."
            yield context.problem(value.place, "too-many-loops", message, "Take fewer lists apart.")
            return


def in_order(mapping: Mapping) -> list[str]:
    """Return the names of the parts, each after those it uses; parts in a circle, and what uses them, are left out."""
    uses = {name: {used for found in of_value(value) for used in parts_of(found.path)} & mapping.parts.keys()
            for name, value in mapping.parts.items()}  # fmt: skip
    users: dict[str, list[str]] = {name: [] for name in uses}
    for name, used in uses.items():
        for each in used:
            users[each].append(name)
    left = {name: len(used) for name, used in uses.items()}
    ready = [name for name, count in left.items() if not count]
    for name in ready:  # grows
        for user in users[name]:
            left[user] -= 1
            if not left[user]:
                ready.append(user)
    return ready


def _extent(mapping: Mapping, occurrences: Iterable[Occurrence], held: list[Value], known: dict[str, Extent]) -> Extent:
    values, deepest = 1 + sum(_constants(value) for value in held), 0
    for found in occurrences:
        used = [known[name] for name in parts_of(found.path) if name in known]
        values += _copies(found.path) * (1 + _settings(mapping, found.path) + sum(each.values for each in used))
        deepest = max([deepest, *(each.depth + DEPTH_OF_A_PART for each in used)])
    return Extent(values, _depth(held) + deepest)


def _constants(value: Value) -> int:
    """Count the constants and defaults inside a value."""
    data: list[Json] = []
    for each in descendants(value):
        if isinstance(each, Instruction):
            data += [each.source.value] if isinstance(each.source, Const) else []
            data += each.modifiers.default or ()
    return sum(_data(each) for each in data)


def _settings(mapping: Mapping, path: str) -> int:
    """Count the settings that a path reads, by their examples and defaults."""
    total = 0
    for root in roots_of(path):
        if root.name == "settings":
            names = root.members[:1] or tuple(mapping.settings)
            found = [mapping.settings[name] for name in names if name in mapping.settings]
            total += sum(_data(setting.example) + _data(setting.default) for setting in found)
    return total


def _data(value: Json) -> int:
    return json_size(value) // DATA_OF_A_VALUE


def _fault(context: CheckContext, extent: Extent, place: Place) -> Problem | None:
    name = quoted(str(place[1])) if place[0] == "parts" else "this"
    if extent.values > MOST_EXPANDED:
        much = f"{extent.values:,}" if extent.values < 10**9 else "over a billion"
        message = (
            f"With the parts that {name} uses, it stands for {much} values; at most {MOST_EXPANDED:,} are allowed."
        )
        advice = "A part that uses another one twice doubles it; 1,000 characters of a constant count as a value."
        return context.problem(place, "expands-too-far", message, advice, key=place[0] == "parts")
    if extent.depth > DEEPEST:
        message = (
            f"With the parts that {name} uses, values are nested {extent.depth} deep; at most {DEEPEST} are allowed."
        )
        advice = f"A part counts as {DEPTH_OF_A_PART}. Use fewer parts in parts."
        return context.problem(place, "parts-too-deep", message, advice, key=place[0] == "parts")
    return None


def _depth(values: Iterable[Value]) -> int:
    return max((1 + _depth(children(value)) for value in values), default=0)


def _loops(value: Value) -> int:
    """Count the loops around the innermost value."""
    loop = isinstance(value, Instruction) and isinstance(value.source, Each | Entries)
    return loop + max((_loops(child) for child in children(value)), default=0)


def _copies(path: str) -> int:
    """Count how often the result of a path may hold what it reads: `[a, a]` twice, `[a, a] | [@, @]` four times."""
    try:
        return copies(paths.parse(path).tree)
    except PathError:
        return 1
