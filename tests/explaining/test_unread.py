"""Which fields of many events reach no request; the memory of `UnreadCounter` says the same as looking at each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from engine.compiler.recording import Recorder
from engine.events.normalizing import normalize
from engine.events.reading import read_events
from engine.explaining import unread
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.explaining.unread import Count, UnreadCounter
from engine.mapping.load import Library
from engine.plan import Connection, Destination, destination
from engine.records import JsonObject
from tests.docs.blocks import ROOT
from tests.explaining.test_why import MAPPING, event

NOW = 1735689600.0
"""After the samples."""


def connected(name: str) -> Connection:
    target = destination(Library([]).load(name))
    return target.connect(target.example_settings())


def arrived(value: Any) -> OriginalEvent:
    return OriginalEvent(value, normalize(value, now=NOW), None, NOW)


def counted(connection: Connection, *events: Any) -> UnreadCounter:
    counter = UnreadCounter(connection)
    for each in events:
        original = arrived(each)
        counter.add(original, connection.plan_normalized(original.normalized, now=NOW))
    return counter


def test_fields_are_counted() -> None:
    lines = [{"sku": "s", "color": "red"}, {"sku": "t"}]
    counter = counted(
        connected(str(MAPPING)),
        event("page", properties={"url": "u", "lines": lines, "title": "T", "price": 1}),
        event("page", properties={"url": "u", "title": "T", "price": 2}),
        event("group", groupId="g"),
    )
    assert counter.events == 2
    assert {name: count for name, count in counter.fields.items() if count.unread} == {
        "timestamp": Count(2, 2, "2024-03-05T10:15:30Z"),
        "properties.lines[].color": Count(1, 1, "red"),
        "properties.price": Count(2, 2, 1),
    }


@pytest.mark.parametrize(
    ("name", "files"),
    [("user_com", "edge"), ("exponea", "edge"), pytest.param("user_com", "*", marks=pytest.mark.slow)],
)
def test_unread_says_what_explain_says(name: str, files: str) -> None:
    """Count every sample twice: the second time it is known."""
    connection = connected(name)
    values = list(samples(files))
    counter = counted(connection, *values, *values)
    recording = Destination(connection.destination.loaded, Recorder()).connect(connection.settings)
    expected = Counter(field for value in values for field in unread_fields(recording, value))
    found = {field: count.unread for field, count in counter.fields.items() if count.unread}
    assert found == {field: 2 * count for field, count in expected.items()}


def samples(files: str) -> Iterator[JsonObject]:
    for file in sorted((ROOT / "samples").glob(f"{files}.ndjson")):
        with read_events(file) as reader:
            yield from (line.value for line in reader if isinstance(line.value, dict))


def unread_fields(connection: Connection, value: Any) -> set[str]:
    """Return the fields of one planned event that reach no request, as it is explained."""
    original = arrived(value)
    explanation: Any = explain(connection, original, connection.secrets)
    if explanation["outcome"] != "planned":
        return set()
    rows = zip(original.fields(), explanation["event_fields"], strict=True)
    named = [(unread.field_name(route), each) for (route, one), each in rows if one is not None]
    listed = {name for name, each in named if each["path"] in explanation["reached_no_request"]}
    return listed - {name for name, each in named if each["reached_something"]}


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "MOST_FIELDS", 3)
    counter = counted(connected(str(MAPPING)), event("page", properties={"url": "u", "a": 1, "b": 2, "c": 3}))
    assert len(counter.fields) == 3
    assert counter.uncounted == 3
