"""Reads the examples of a definition: events, a moment, and the members or values that are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.audiences.model import DefinitionExample, DefinitionKind, DefinitionPlace
from engine.language.times import read_time
from engine.mapping.problems import place_text
from engine.records import Json, JsonObject, Place

if TYPE_CHECKING:
    from engine.audiences.conditions import ConditionReader

MOST_EXAMPLES = 50
MOST_EVENTS = 1_000
MOST_MEMBERS = 1_000


def read_examples(
    reader: ConditionReader, place: Place, value: Json, kind: DefinitionKind
) -> tuple[DefinitionExample, ...]:
    """Return the examples of a definition; errors are noted by `reader`."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_EXAMPLES:
        reader.fault(place, f"examples must be a list of at most {MOST_EXAMPLES} examples.")
        return ()
    read = [_example(reader, (*place, number), entry, kind) for number, entry in enumerate(value)]
    return tuple(each for each in read if each is not None)


def _example(reader: ConditionReader, place: Place, value: Json, kind: DefinitionKind) -> DefinitionExample | None:
    result = "members" if kind == "audience" else "values"
    known = ("events", "at", result)
    if not isinstance(value, dict):
        reader.fault(place, f"An example has {', '.join(known)}.")
        return None
    for key in value:
        if key not in known:
            reader.unknown_key((*place, key), f"An example of {'an' if kind == 'audience' else 'a'} {kind}", known)
    for key in known:
        if key not in value and not reader.has_near(value, key):
            reader.fault(place, f"An example needs {key}.")
    if any(key not in value for key in known):
        return None
    at = read_time(value["at"])
    if at is None:
        reader.fault((*place, "at"), "at must be a time, such as 2026-11-29T12:00:00Z.")
    events = _events(reader, (*place, "events"), value["events"])
    members = _members(reader, (*place, result), value[result]) if kind == "audience" else None
    values = _values(reader, (*place, result), value[result]) if kind != "audience" else None
    written = DefinitionPlace(*reader.mark(place))
    return (
        None
        if at is None
        else DefinitionExample(tuple(filled(events, at)), at, members, values, written, place_text(place))
    )


def filled(events: list[JsonObject], at: float) -> list[JsonObject]:
    """Return events with what they may leave out: `type` is track, `timestamp` is `at`, each has a messageId."""
    from engine.language.times import iso_text, moment_at

    moment = moment_at(at)
    time = None if moment is None else iso_text(moment)
    defaults = ({"type": "track", "messageId": f"example-{n}", "timestamp": time} for n, _ in enumerate(events, 1))
    return [{**default, **event} for default, event in zip(defaults, events, strict=True)]


def _events(reader: ConditionReader, place: Place, value: Json) -> list[JsonObject]:
    if not isinstance(value, list) or len(value) > MOST_EVENTS:
        reader.fault(place, f"events must be a list of at most {MOST_EVENTS:,} events.")
        return []
    for number, event in enumerate(value):
        if not isinstance(event, dict):
            reader.fault((*place, number), "An event is an object, such as { event: Order Completed, userId: u1 }.")
    return [event for event in value if isinstance(event, dict)]


def _members(reader: ConditionReader, place: Place, value: Json) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_MEMBERS:
        reader.fault(place, f"members must be a list of at most {MOST_MEMBERS:,} users' IDs; [] for nobody.")
        return ()
    for number, member in enumerate(value):
        if not isinstance(member, str):
            reader.fault((*place, number), "A user's ID is a text; put a number in quotes.")
    return tuple(str(member) for member in value)


def _values(reader: ConditionReader, place: Place, value: Json) -> dict[str, Json]:
    if not isinstance(value, dict) or len(value) > MOST_MEMBERS:
        reader.fault(place, f"values must map at most {MOST_MEMBERS:,} users' IDs to values; {{}} for nobody.")
        return {}
    return dict(value)
