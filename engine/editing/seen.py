"""The fields that events really have: those of a mapping's examples and of a file of samples, by call.

Mappings may read any field of `properties`, `traits` and `context`; a schema does not know them, but samples do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from engine.events.normalizing import normalize
from engine.events.reading import read_events
from engine.events.spec import CONTEXT, FIELDS
from engine.language.texts import kind_of
from engine.mapping.model import Mapping
from engine.records import Json

MOST_EVENTS = 1000
MOST_FIELDS = 300
"""Of one object."""
MOST_ITEMS = 20
"""Of one list; their fields are shown together."""


class SeenField(NamedTuple):
    """A field, and a value that it has in one of the events; None where only the spec knows it."""

    name: str
    value: Json


class SeenFields:
    """The events, normalized as mappings see them."""

    def __init__(self, events: Iterable[Json]) -> None:
        normalized = (normalize(event) for event in islice(events, MOST_EVENTS))
        self._events = [(each.event, each.call) for each in normalized if each.call is not None]

    def members(self, calls: Sequence[str], path: Sequence[str]) -> list[SeenField]:
        """Return the fields that the object at a path has in events of some calls, then those of the spec.

        `path` is names only: of a list, the fields of its items count.
        """
        found: dict[str, Json] = {}
        for event, call in self._events:
            if call in calls:
                _add(found, event, path)
        for name in _of_spec(path):
            found.setdefault(name, None)
        return [SeenField(name, value) for name, value in islice(found.items(), MOST_FIELDS)]


def _of_spec(path: Sequence[str]) -> tuple[str, ...]:
    if tuple(path) == ("context",):
        return tuple(CONTEXT)
    return CONTEXT.get(path[1], ()) if len(path) == 2 and path[0] == "context" else ()


def _add(found: dict[str, Json], value: Json, path: Sequence[str]) -> None:
    if isinstance(value, list):
        for item in value[:MOST_ITEMS]:
            _add(found, item, path)
    elif isinstance(value, dict) and path:
        _add(found, value.get(path[0]), path[1:])
    elif isinstance(value, dict):
        for name, member in islice(value.items(), MOST_FIELDS):
            if found.get(name) is None:
                found[name] = member


def events_of_mapping(mapping: Mapping) -> Iterator[Json]:
    """Return the events of the examples."""
    return (example.event for example in mapping.examples)


def events_of_file(path: Path) -> list[Json]:
    """Return the first events of a file that can be read; raises UsageError for one that cannot be opened."""
    with read_events(path) as lines:
        return [line.value for line in islice(lines, MOST_EVENTS) if line.error is None]


def described(value: Json) -> str:
    """Return a value, or what kind it is, in a few words for a list of completions."""
    if isinstance(value, dict | list):
        return kind_of(value)
    return "" if value is None else str(value)[:40]


def call_fields(calls: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the fields of the spec that events of some calls have, each with the calls that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for call in calls:
        for name in FIELDS[call]:
            found[name] = (*found.get(name, ()), call)
    return list(found.items())
