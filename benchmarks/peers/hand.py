"""mappings/exponea.yaml written by hand, as fast as readable Python gets.

What somebody would write who trusts the events: no checks, no outcomes, no reports.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orjson import dumps, loads

Value = dict[str, Any]
COMMON = {name: f"{name}_" for name in ("app", "device", "os", "screen", "referrer", "campaign", "location")}
PLAIN = {"userAgent": "user_agent", "user_agent": "user_agent"}
VISITS = ("page", "screen")
MOST_ITEMS = 50


def flatten(into: Value, before: str, value: Value) -> None:
    """Join the names of nested objects; a name that is not ASCII is left out."""
    for key, member in value.items():
        if type(member) is dict and member:
            flatten(into, before + key + "_", member)
        elif (name := before + key).isascii() and name.isprintable() and name:
            into[name] = member


def common(context: Value) -> Value:
    """Return the fields that every event gets."""
    found: Value = {}
    for key, member in context.items():
        if key in COMMON:
            if type(member) is dict and member:
                flatten(found, COMMON[key], member)
            else:
                found[key] = member
        elif key in PLAIN:
            found[PLAIN[key]] = member
    return found


def ids(hard: Any, soft: Any) -> Value:
    """Return whom an event is about."""
    found = {}
    if hard is not None:
        found["registered"] = hard
    if soft is not None:
        found["cookie"] = soft
    return found


def happened(event: Value) -> float:
    """Return Unix seconds, whole ones without a fraction."""
    seconds = datetime.fromisoformat(event["timestamp"]).timestamp()
    return int(seconds) if seconds.is_integer() else seconds


def visited(event: Value) -> Value:
    """Return the properties of an event: of the device, then its own."""
    kind = event["type"]
    found = common(event.get("context") or {})
    if kind in VISITS and (category := event.get("category")) is not None:
        found["category"] = category
    flatten(found, "", event.get("properties") or {})
    if kind in VISITS and (name := event.get("name")) is not None:
        found[kind + "_name"] = name
    return found


def traits(event: Value) -> Value:
    """Return the properties of a customer."""
    found: Value = {}
    if event["type"] == "group":
        flatten(found, "", event.get("traits") or {})
        found["id"] = event.get("groupId")
        return {f"group_{name}": member for name, member in found.items() if name != "id" or member is not None}
    personas = (event.get("context") or {}).get("personas")
    if personas and personas.get("computation_class") == "journey_step":
        found[personas["computation_key"]] = True
    flatten(found, "", event.get("traits") or {})
    return found


def transform(event: Value) -> Value | None:
    """Return the body of an event's request; None where there is none."""
    kind = event["type"]
    if kind == "alias":
        user, previous = event.get("userId"), event.get("previousId")
        if not user or not previous:
            return None
        return {"customer_ids": ids(user, previous), "update_timestamp": happened(event), "properties": {}}
    body = {"customer_ids": ids(event.get("userId"), event.get("anonymousId"))}
    if kind == "identify" or kind == "group":  # noqa: PLR1714  a set would be built or hashed
        body["update_timestamp"] = happened(event)
        body["properties"] = traits(event)
    else:
        body["timestamp"] = happened(event)
        body["event_type"] = event["event"] if kind == "track" else kind + "_visit"
        body["properties"] = visited(event)
    return body


def one(raw: bytes) -> list[bytes]:
    """Return the bodies of one event."""
    body = transform(loads(raw))
    return [] if body is None else [dumps(body)]


def batch(raw: bytes) -> list[bytes]:
    """Return the batch bodies of a body of `/v1/batch`."""
    items = []
    for event in loads(raw)["batch"]:
        body = transform(event)
        if body is not None:
            name = "customers/events" if "event_type" in body else "customers"
            items.append({"name": name, "data": body})
    return [dumps({"commands": items[start : start + MOST_ITEMS]}) for start in range(0, len(items), MOST_ITEMS)]
