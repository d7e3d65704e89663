"""Faster code for values means the same: URLs and headers made once, values cleaned once, objects read once."""

from __future__ import annotations

import json

import pytest

from engine.compiler.build import build
from engine.compiler.optimizations import ALL, NONE, Optimization
from engine.compiler.runtime import Invalid, url_segment, url_text
from engine.compiler.runtime import segment as checked
from engine.events.normalizing import normalize
from engine.events.spec import FIELDS, NEVER_BLANK
from engine.language.paths import Marker
from engine.mapping.load import Loaded
from engine.plan import Destination
from engine.records import Json, JsonObject, Plan, Report, Secret
from tests.runners import destination
from tests.tables import each

WITHOUT = [NONE, *(ALL - {one} for one in Optimization)]

MAPPING: JsonObject = {
    "mapping": 1,
    "name": "case",
    "title": "Values",
    "nulls": "drop",
    "empty_text": "drop",
    "settings": {
        "url": {"title": "U", "type": "url", "example": "https://example.com/"},
        "key": {"title": "K", "type": "string", "secret": True, "sent_in": "body", "example": "abc"},
        "blank": {"title": "B", "type": "string", "secret": True, "sent_in": "body", "optional": True},
    },
    "http": {"base_url": "${settings.url}/v1/", "headers": {"Authorization": "Key ${settings.key}"}},
    "requests": {
        "put": {"path": "people/${parts.id}?source=${context.os.name}"},
        "look": {"path": "/x/${properties.item}/y"},
    },
    "parts": {
        "id": ["userId", "anonymousId"],
        "name": ["properties.name", "context.traits.name", {"const": " "}],
        "address": {"fields": {"city": "context.traits.city", "none": {"const": {"a": None}}}},
    },
    "calls": {
        "track": [
            {
                "request": "put",
                "fields": {
                    "id": "parts.id",
                    "name": [
                        "context.traits.nick",
                        "parts.name",
                        "context.traits.name",
                        "context.os",
                        "event",
                        "userId",
                    ],
                    "name_again": {"from": "parts.name", "default": ""},
                    "address": "parts.address",
                    "address_again": ["parts.address", "properties"],
                    "secret": ["settings.blank", "settings.key"],
                    "city": {"from": ["properties.city", "context.traits.city"], "as": "uppercase"},
                    "properties": "properties",
                },
            },
            {"request": "look"},
        ]
    },
}
VALUES: tuple[Json, ...] = (
    None,
    "",
    " ",
    " ",
    "a/b",
    "..",
    ".",
    "ä",
    "\ud800",
    5,
    True,
    {},
    [],
    {"a": None},
    [None, ""],
)


def events() -> list[JsonObject]:
    """Events with every value in every place that the mapping reads."""
    found: list[JsonObject] = []
    for value in VALUES:
        for where in ("userId", "event", "name", "nick", "city", "os", "item", "traits"):
            context: JsonObject = {"traits": value if where == "traits" else {"name": "Ann", where: value}}
            context["os"] = value if where == "os" else {"name": value if where == "name" else "iOS"}
            event: JsonObject = {"type": "track", "event": "e", "userId": "u-1", "messageId": "m", "context": context}
            event["properties"] = {"item": value if where == "item" else "i", "city": value}
            found.append({**event, where: value} if where in ("userId", "event") else event)
    return found


def plans(loaded: Loaded, chosen: frozenset[Optimization], events: list[JsonObject]) -> list[Plan]:
    target = Destination(loaded)
    target._compiled = build(loaded, chosen)
    connection = target.connect({**target.example_settings(), "blank": " "})
    return [
        connection.plan(event, received_at="2024-01-02T03:04:06Z", now=1.7e9, show_secrets=True) for event in events
    ]


@pytest.mark.parametrize(
    "without", WITHOUT, ids=lambda chosen: "none" if not chosen else f"without-{min(ALL - chosen)}"
)
def test_code_without_an_optimization_plans_the_same(without: frozenset[Optimization]) -> None:
    loaded = destination(json.dumps(MAPPING)).loaded
    made = plans(loaded, ALL, events())
    assert plans(loaded, without, events()) == made
    assert {plan.outcome for plan in made} == {"planned", "invalid"}


def told(make: object, value: Json) -> tuple[object, list[Report]]:
    reports: list[Report] = []
    try:
        return make(value, reports, "place"), reports  # type: ignore[operator]
    except Invalid as error:
        return (error.place, error.message), reports


@pytest.mark.parametrize(
    "value", [*VALUES, "u-1", "u.1", ".u", "~_", 1e300, Marker("<saved.id>"), Secret("a b")], ids=repr
)
def test_a_whole_segment_is_encoded_and_checked_like_a_part_of_one(value: Json) -> None:
    def slowly(value: Json, reports: list[Report], place: str) -> str:
        return checked(url_text(value, reports, place), place)

    found, expected = told(url_segment, value), told(slowly, value)
    assert found == expected
    assert type(found[0]) is type(expected[0])


@each("call", FIELDS)
@each("value", VALUES)
def test_no_blank_text_is_left_where_none_is_looked_for(call: str, value: Json) -> None:
    fields = NEVER_BLANK.intersection(FIELDS[call]) - {"type"}
    for field in fields:
        given = {"userId": "u", "anonymousId": "a", "event": "e", "type": call, field: value}
        found = normalize(given, received_at=None, now=1.7e9)
        left = {name: found.event.get(name) for name in fields} if found.invalid is None else {}
        assert all(text is None or (type(text) is str and text.strip()) for text in left.values()), left
