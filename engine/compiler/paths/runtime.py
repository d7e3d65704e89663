"""What code written for paths calls: JMESPath's functions for the values they usually get.

Each handles the right types and leaves the rest to the library, which raises the type errors. So there is one
meaning, and one wording of every type error.
"""

from __future__ import annotations

from typing import cast

from engine.language.paths import call, evaluate_counted
from engine.language.paths.syntax import Node
from engine.language.paths.values import Marker, joined, not_ordered, to_number
from engine.records import Json, Report

NOT_COMPARED = "not-compared"
"""The code of the report about a comparison that gave null because a side is no number."""
NUMBERS = frozenset({int, float})

_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


def path_lt(left: Json, right: Json, reports: list[Report], place: str) -> bool | None:
    """Evaluate `<`; null, and reported, unless both sides are numbers."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return left < right  # type: ignore[operator]
    return _not_ordered("<", left, right, reports, place)


def path_lte(left: Json, right: Json, reports: list[Report], place: str) -> bool | None:
    """Evaluate `<=`."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return left <= right  # type: ignore[operator]
    return _not_ordered("<=", left, right, reports, place)


def path_gt(left: Json, right: Json, reports: list[Report], place: str) -> bool | None:
    """Evaluate `>`."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return left > right  # type: ignore[operator]
    return _not_ordered(">", left, right, reports, place)


def path_gte(left: Json, right: Json, reports: list[Report], place: str) -> bool | None:
    """Evaluate `>=`."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return left >= right  # type: ignore[operator]
    return _not_ordered(">=", left, right, reports, place)


def _not_ordered(sign: str, left: Json, right: Json, reports: list[Report], place: str) -> bool | None:
    reason = not_ordered(sign, left, right)
    if reason is not None:
        note_not_compared(reports, place, reason)
    return None


def note_not_compared(reports: list[Report], place: str, reason: str) -> None:
    """Report a comparison that gave null, once for comparisons of one path that follow each other."""
    if not (reports and reports[-1].code == NOT_COMPARED and reports[-1].place == place):
        reports.append(Report(NOT_COMPARED, place, reason))


def evaluate_noted(tree: Node, value: Json, reports: list[Report], place: str) -> tuple[Json, int]:
    """Evaluate a tree by the library; report comparisons that gave null."""
    return evaluate_counted(tree, value, lambda reason: note_not_compared(reports, place, reason))


def path_member(value: object, key: str) -> Json:
    """Return a field of a value that may be a marker."""
    return value.get(key) if isinstance(value, dict | Marker) else None


def path_flatten(value: list[Json]) -> list[Json]:
    """Return a list with the lists in it flattened, one level deep."""
    flat: list[Json] = []
    for entry in value:
        if type(entry) is list:
            flat.extend(entry)
        else:
            flat.append(entry)
    return flat


def path_not_null(*values: Json) -> Json:
    """Return the first value that is not null."""
    for value in values:
        if value is not None:
            return value
    return None


def path_type(value: Json) -> str:
    """Return JMESPath's name for a value's type."""
    return _TYPE_NAMES.get(type(value), "string")


def path_to_array(value: Json) -> list[Json]:
    """Return a list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def path_to_string(value: Json) -> Json:
    """Return text as it is, anything else as JSON."""
    return value if isinstance(value, str) else call("to_string", value)


def path_to_number(value: Json) -> Json:
    """Return a number, or text read as one, else null."""
    return to_number(value)


def path_length(value: Json) -> Json:
    """Count characters, entries or keys."""
    return len(value) if isinstance(value, str | list | dict) else call("length", value)


def path_contains(subject: Json, wanted: Json) -> Json:
    """Return whether a list has an entry, or a text a text."""
    if isinstance(subject, list) or (isinstance(subject, str) and isinstance(wanted, str)):
        return wanted in subject
    return call("contains", subject, wanted)


def path_starts_with(subject: Json, wanted: Json) -> Json:
    """Return whether a text begins with another."""
    if isinstance(subject, str) and isinstance(wanted, str):
        return subject.startswith(wanted)
    return call("starts_with", subject, wanted)


def path_ends_with(subject: Json, wanted: Json) -> Json:
    """Return whether a text ends with another."""
    if isinstance(subject, str) and isinstance(wanted, str):
        return subject.endswith(wanted)
    return call("ends_with", subject, wanted)


def path_join(between: Json, entries: Json) -> Json:
    """Join texts."""
    if isinstance(between, str) and isinstance(entries, list) and all(isinstance(entry, str) for entry in entries):
        return joined(between, cast("list[str]", entries))
    return call("join", between, entries)


def path_keys(value: Json) -> Json:
    """Return the keys of an object."""
    return list(value) if isinstance(value, dict) else call("keys", value)


def path_values(value: Json) -> Json:
    """Return the values of an object."""
    return list(value.values()) if isinstance(value, dict) else call("values", value)
