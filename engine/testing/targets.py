"""Which fields of request bodies something in a mapping is written into, by their names at the top of the body."""

from __future__ import annotations

from engine.mapping.model import Mapping, PathValue
from engine.mapping.walk import parts_of, values_of
from engine.records import Place

MOST_PLACES = 1_000
"""Of one part that are looked at; parts in parts."""


def fields_with(mapping: Mapping, place: Place) -> frozenset[str]:
    """Return the fields that are made with what stands at a place; parts are followed to what uses them."""
    pending, seen, found = [place], {place[:2]}, set[str]()
    for here in pending:  # grows while it is read
        if here[0] == "parts":
            users = (value.place for value in _users(mapping).get(str(here[1]), ()))
            new = [user for user in users if user[0] == "calls" or user[:2] not in seen]
            seen.update(user[:2] for user in new)
            pending += new[: MOST_PLACES - len(pending)]
        elif here[0] == "calls" and "fields" in here[:-1]:
            found.add(str(here[here.index("fields") + 1]))
    return frozenset(found)


def _users(mapping: Mapping) -> dict[str, list[PathValue]]:
    return mapping.once(("users of parts",), {}, lambda: _find_users(mapping))


def _find_users(mapping: Mapping) -> dict[str, list[PathValue]]:
    found: dict[str, list[PathValue]] = {}
    for value in values_of(mapping):
        if isinstance(value, PathValue):
            for name in parts_of(value.path):
                found.setdefault(name, []).append(value)
    return found
