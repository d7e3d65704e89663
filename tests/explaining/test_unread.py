"""Which fields of many events reach no request; the memory of `UnreadCounter` says the same as looking at each event."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.events.normalizing import normalize
from engine.events.reading import read_events
from engine.explaining import unread
from engine.explaining.influence import effect, leaves
from engine.explaining.unread import Count, UnreadCounter
from engine.mapping.load import Library
from engine.plan import Connection, destination
from engine.records import JsonObject, Outcome, Plan
from tests.docs.blocks import ROOT
from tests.explaining.test_why import MAPPING, NOW, event


def connected(name: str) -> Connection:
    target = destination(Library([]).load(name))
    return target.connect(target.example_settings())


def counted(connection: Connection, *events: Any) -> UnreadCounter:
    counter = UnreadCounter(connection)
    for each in events:
        normalized = normalize(each)
        counter.add(normalized, connection.plan_normalized(normalized, now=NOW), NOW)
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


@pytest.mark.parametrize("name", ["user_com", "exponea"])
def test_the_memory_says_what_each_event_says(name: str) -> None:
    """Look at every event three times: the second and third time it is known."""
    connection = connected(name)
    with read_events(ROOT / "samples" / "ecommerce.ndjson") as reader:
        values = [line.value for line in reader if isinstance(line.value, dict)]
    counter = counted(connection, *values, *values, *values)
    expected = Counter(field for value in values for field in unread_fields(connection, value))
    found = {field: count.unread for field, count in counter.fields.items() if count.unread}
    assert found == {field: 3 * count for field, count in expected.items()}


def unread_fields(connection: Connection, value: JsonObject) -> set[str]:
    """Return the fields of one event that reach nothing, each found by itself."""
    normalized = normalize(value)
    before = connection.plan_normalized(normalized, now=NOW)
    if before.outcome is not Outcome.PLANNED:
        return set()

    def replan(other: JsonObject) -> Plan:
        return connection.plan_normalized(normalized._replace(event=other), now=NOW)

    found = [(unread.field_name(route), route, one) for route, one in leaves(normalized.event) if one is not None]
    read = {name for name, route, one in found if effect(normalized.event, route, one, replan, before)}
    return {name for name, _, _ in found} - read


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "MOST_FIELDS", 3)
    counter = counted(connected(str(MAPPING)), event("page", properties={"url": "u", "a": 1, "b": 2, "c": 3}))
    assert len(counter.fields) == 3
    assert counter.uncounted == 3
