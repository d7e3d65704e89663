"""mappings/exponea.yaml as a table of JMESPath expressions: compiled once, one searched for each field.

JMESPath cannot flatten, name a key by data, or leave out keys by a pattern: what is known of the context is listed
field by field, and the rest is done in Python.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jmespath
from orjson import dumps, loads

Value = dict[str, Any]
CONTEXT = {
    "app": "name version build namespace",
    "device": "id advertisingId adTrackingEnabled manufacturer model name type",
    "os": "name version",
    "screen": "width height density",
    "referrer": "type url link",
    "campaign": "name source medium term content",
    "location": "city country latitude longitude region speed",
}
COMMON = {f"{part}_{name}": f"context.{part}.{name}" for part, names in CONTEXT.items() for name in names.split()}
COMMON["user_agent"] = "context.user_agent || context.userAgent"
VISIT = {**COMMON, "category": "category"}
IDS = {"registered": "userId", "cookie": "anonymousId"}
STEP = "context.personas | (computation_class == 'journey_step' && computation_key || null)"
# call: the fields of the body, of the properties before and after the event's own, where these are, and their prefix
CALLS = {
    "track": ({"event_type": "event"}, COMMON, {}, "properties", ""),
    "page": ({"event_type": "'page_visit'"}, VISIT, {"page_name": "name"}, "properties", ""),
    "screen": ({"event_type": "'screen_visit'"}, VISIT, {"screen_name": "name"}, "properties", ""),
    "identify": ({}, {}, {}, "traits", ""),
    "group": ({}, {}, {"group_id": "groupId"}, "traits", "group_"),
    "alias": ({}, {}, {}, "nothing", ""),
}
Fields = list[tuple[str, Any]]


def compiled(table: dict[str, str]) -> Fields:
    """Compile the expressions of a table."""
    return [(name, jmespath.compile(path)) for name, path in table.items()]


READY = {
    call: (compiled(body), compiled(first), compiled(last), jmespath.compile(own), prefix)
    for call, (body, first, last, own, prefix) in CALLS.items()
}
WHO = compiled(IDS)
ALIAS = compiled({"registered": "userId", "cookie": "previousId"})
WANTED = jmespath.compile("userId && previousId")
TIMESTAMP = jmespath.compile("timestamp")
JOURNEY = jmespath.compile(STEP)


def fill(into: Value, fields: Fields, event: Value) -> Value:
    """Search each expression, and keep what it finds."""
    for name, expression in fields:
        value = expression.search(event)
        if value is not None:
            into[name] = value
    return into


def flatten(into: Value, prefix: str, before: str, value: Value) -> None:
    """Join the names of nested objects; a name that is not ASCII is left out."""
    for key, member in value.items():
        name = before + key
        if type(member) is dict and member:
            flatten(into, prefix, name + "_", member)
        elif name.isascii() and name.isprintable() and name:
            into[prefix + name] = member


def transform(event: Value) -> Value | None:
    """Return the body of an event's request; None where there is none."""
    call = event["type"]
    head, first, last, own, prefix = READY[call]
    if call == "alias" and not WANTED.search(event):
        return None
    seconds = datetime.fromisoformat(TIMESTAMP.search(event)).timestamp()
    time = "timestamp" if head else "update_timestamp"
    who = fill({}, ALIAS if call == "alias" else WHO, event)
    body = fill({"customer_ids": who, time: int(seconds) if seconds.is_integer() else seconds}, head, event)
    properties = fill({}, first, event)
    if call == "identify" and (step := JOURNEY.search(event)) is not None:
        properties[step] = True
    flatten(properties, prefix, "", own.search(event) or {})
    body["properties"] = fill(properties, last, event)
    return body


def one(raw: bytes) -> list[bytes]:
    """Return the bodies of one event."""
    body = transform(loads(raw))
    return [] if body is None else [dumps(body)]
