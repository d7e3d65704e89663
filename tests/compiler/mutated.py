"""Sample events, changed at random in the ways that generated code could mistake: as bytes, since a key may be there twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import orjson

from engine.events.reading import read_events
from engine.events.spec import FIELDS
from engine.records import Json, JsonObject

FOLDER = Path(__file__).parents[2] / "samples"
FILES = sorted(file for file in FOLDER.iterdir() if file.suffix in {".json", ".ndjson"})
SAMPLES = [line.raw for file in FILES for line in read_events(file) if line.raw is not None]

VALUES: list[Json] = [
    *(None, "", " ", "x", "é", "a b", "1", "true", "2024-01-02", "a@Ex.com", "\u2028", "Null", "[1, 2]", '{"a": 1}'),
    *(0, 1, 7.0, 1.5, -0.0, True, False, 2**53 + 1, 2**64 - 1, -(2**63), 1e308),
    *([], [[]], {}, {"": 1}, {"a": {}}, {"a": {"b": [1]}}, {"a_b": 1, "a": {"b": 2}}),
    *(["a", {"b": 1}], [None], [1, "1", 1.0, True], [{"id": 1, "tags": ["x"]}, {"id": None}]),
]
IDS: list[Json] = ["u2", "", " ", " u2 ", "Null", "undefined", "é/?#", "x" * 300, 7, 7.0, 1e30, True, None, [], {}]
TIMES: list[Json] = [
    *("2024-05-01T12:00:29.319Z", "2024-05-01", "2024-05-01T12:00:29+02:00", "2024-W18-3", "20240501T120029Z"),
    *("2016-12-31T23:59:60Z", "2024-05-01T24:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "soon"),
    *("", 0, 1714564829, 1714564829319, 1714564829.5, -1, None, [], {"a": 1}),
]
INTEGRATIONS: list[Json] = [
    *({"All": False}, {"All": True}, {"all": False}, {"All": None}, {"All": {}}, {}, [], None, "x"),
    *(
        {name: value}
        for name in ("Exponea", "exponea", "Extole", "User.com", "Webhook", "Slack", "Bloomreach Engagement")
        for value in (True, False, 1, None, {}, {"hardID": "x", "a": {"b": [1]}})
    ),
]
NAMES = [
    "app_name",
    "os_name",
    "a_b",
    "page_name",
    "os",
    "name",
    "groupId",
    "group_id",
    "Product ID",
    "productId",
    "id",
]
NAMES += [
    "product_id",
    "email",
    "Email",
    "",
    " ",
    "_",
    "a_",
    "__",
    "é",
    "日本",
    "🛒",
    "\u2028",
    "a.b",
    "$x",
    "${x}",
    "type",
]
OBJECTS = ["properties", "traits", "context"]

Change = Callable[[JsonObject, random.Random], None]


def copied(value: Json) -> Json:
    return cast("Json", orjson.loads(orjson.dumps(value)))


def objects(value: Json) -> Iterator[JsonObject]:
    """Return every object of a value, itself first."""
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(member)


def any_object(event: JsonObject, chance: random.Random) -> JsonObject:
    return chance.choice(list(objects(event)))


def any_value(chance: random.Random) -> Json:
    return copied(chance.choice(VALUES))


def own_object(event: JsonObject, chance: random.Random) -> JsonObject:
    """Return the properties, traits or context; they are made where they are not there."""
    name = chance.choice(OBJECTS)
    found = event.get(name)
    if not isinstance(found, dict):
        event[name] = found = {}
    return found


def retype(event: JsonObject, chance: random.Random) -> None:
    found = any_object(event, chance)
    if found:
        found[chance.choice(list(found))] = any_value(chance)


def remove(event: JsonObject, chance: random.Random) -> None:
    found = any_object(event, chance)
    if found:
        del found[chance.choice(list(found))]


def add(event: JsonObject, chance: random.Random) -> None:
    any_object(event, chance)[chance.choice(NAMES)] = any_value(chance)


def collide(event: JsonObject, chance: random.Random) -> None:
    """Add a key that another gets when it is flattened, or when its case is changed."""
    found = own_object(event, chance)
    inner = chance.choice([name for name in found if isinstance(found[name], dict)] or ["a"])
    members = cast("JsonObject", found.setdefault(inner, {"b": 1}))
    other = chance.choice(list(members)) if isinstance(members, dict) and members else "b"
    new = chance.choice(
        [f"{inner}_{other}", f"{inner}_{other}_", f"_{inner}_{other}", f"{inner}.{other}", inner.upper()]
    )
    found[new] = any_value(chance)
    if chance.random() < 0.5:  # the colliding key comes first
        items = list(found.items())
        found.clear()
        found.update(reversed(items))


def shuffle(event: JsonObject, chance: random.Random) -> None:
    found = any_object(event, chance)
    items = list(found.items())
    chance.shuffle(items)
    found.clear()
    found.update(items)


def move(event: JsonObject, chance: random.Random) -> None:
    """Put an object of the event where another value was."""
    copy, target = copied(any_object(event, chance)), any_object(event, chance)
    if target:
        target[chance.choice(list(target))] = copy


def odd_id(event: JsonObject, chance: random.Random) -> None:
    event[chance.choice(["userId", "anonymousId", "groupId", "previousId", "messageId"])] = copied(chance.choice(IDS))


def odd_time(event: JsonObject, chance: random.Random) -> None:
    names = ["timestamp", "sentAt", "receivedAt", "originalTimestamp"]
    event[chance.choice(names)] = copied(chance.choice(TIMES))


def odd_integrations(event: JsonObject, chance: random.Random) -> None:
    event["integrations"] = copied(chance.choice(INTEGRATIONS))


def odd_call(event: JsonObject, chance: random.Random) -> None:
    event["type"] = chance.choice([*FIELDS, *FIELDS, "Track", "", None])
    if event["type"] == "track":
        event.setdefault("event", chance.choice(["Order Completed", "A b", " ", "é", "${x}"]))


def deepen(event: JsonObject, chance: random.Random) -> None:
    value = any_value(chance)
    for _ in range(chance.choice([3, 10, 60, 97, 98, 99, 100, 120])):
        value = {chance.choice(NAMES): value} if chance.random() < 0.8 else [value]
    own_object(event, chance)["deep"] = value


def lengthen(event: JsonObject, chance: random.Random) -> None:
    found = own_object(event, chance)
    found[chance.choice(["k" * 300, "long"])] = chance.choice(
        ["t" * 2000, list(range(150)), [{"id": n, "name": "n"} for n in range(60)], "é" * 1100, '"' * 500]
    )


def crowd(event: JsonObject, chance: random.Random) -> None:
    """Add several hundred properties, some inside an object, some of which collide."""
    found, value = own_object(event, chance), any_value(chance)
    for number in range(chance.choice([40, 299, 300, 301, 650])):
        found[chance.choice([f"p{number}", f"P {number}", f"é{number}"])] = value if number % 7 == 0 else number
    if chance.random() < 0.5:
        found["p"] = {f"x_{number}": {"y": number} for number in range(120)}
        found["p_x_5_y"] = "collides"


CHANGES: tuple[Change, ...] = (
    *(retype, retype, retype, remove, remove, add, add, collide, collide, shuffle, move),
    *(odd_id, odd_time, odd_integrations, odd_call, deepen, lengthen, crowd),
)


TEXTS = [b"null", b'"x"', b"100000000000000000000", b"1E5", b"-0", b'"\\u00e9\\u0000"', b'{"a":1,"a":{"b":2}}', b"[]"]
"""Values as only text can bring them."""


def repeated(raw: bytes, chance: random.Random) -> bytes:
    """Put a key before the others of an object, which may have it too: the last one counts."""
    places = [number + 1 for number in range(len(raw) - 1) if raw[number : number + 2] == b'{"']
    place = chance.choice(places[:1] * 3 + places)
    name = chance.choice([*NAMES, "type", "userId", "event", "properties", "context", "timestamp", "integrations"])
    return raw[:place] + orjson.dumps(name) + b":" + chance.choice(TEXTS) + b"," + raw[place:]


def mutated(chance: random.Random) -> bytes:
    """Return a sample with one to four changes."""
    event = cast("JsonObject", orjson.loads(chance.choice(SAMPLES)))
    for _ in range(chance.choice([1, 1, 2, 3, 4])):
        chance.choice(CHANGES)(event, chance)
    raw = orjson.dumps(event)
    return repeated(raw, chance) if chance.random() < 0.1 else raw
