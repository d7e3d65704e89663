"""The commands of the Tracking API, alone or inside a batch, and the limits of a command."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.state import from_iso, number
from engine.sandbox.vendors.exponea.access import EVENT_NOT_ALLOWED, PROPERTY_NOT_ALLOWED, CommandRefused
from engine.sandbox.vendors.exponea.project import Project

Command = Callable[[Project, JsonObject, float], JsonObject]


def update_customer(exponea: Project, data: JsonObject, now: float) -> JsonObject:
    """Set properties; creates the customer if its IDs are unknown."""
    pairs = exponea.identity.read(data.get("customer_ids"))
    # [I] No properties are accepted, though the page requires one: this is how two IDs are linked.
    properties, _ = checked(data.get("properties"))
    if not exponea.refused_properties.isdisjoint(properties):
        raise CommandRefused(PROPERTY_NOT_ALLOWED, status=200)
    given = data.get("update_timestamp")
    stamp = None if given is None else seconds(given, "update_timestamp", now)
    customer = exponea.identity.resolve(pairs, now)
    if properties:
        exponea.customers.update(customer, properties, stamp, now)
    exponea.state.count(exponea.name, "updates")
    return {"success": True}


def add_event(exponea: Project, data: JsonObject, now: float) -> JsonObject:
    """Store an event; creates the customer if its IDs are unknown."""
    pairs = exponea.identity.read(data.get("customer_ids"))
    kind = data.get("event_type")
    if not isinstance(kind, str) or not kind.strip():
        raise CommandRefused("event_type must be a non-empty text")  # [I] the text
    properties, text = checked(data.get("properties"))
    if len(properties) > MAX_EVENT_ATTRIBUTES:
        raise CommandRefused(f"an event can have {MAX_EVENT_ATTRIBUTES} attributes")  # [I] that it fails
    if exponea.allowed_events and kind not in exponea.allowed_events:
        raise CommandRefused(EVENT_NOT_ALLOWED, status=200)
    timestamp = seconds(data.get("timestamp"), "timestamp", now)
    customer = exponea.identity.resolve(pairs, now)
    new = exponea.customers.add_event(customer, kind, timestamp, text)
    exponea.state.count(exponea.name, "events_received")
    exponea.state.count(exponea.name, "events_deduplicated", not new)
    return {"success": True}


def system_time(_exponea: Project, _data: JsonObject, now: float) -> JsonObject:
    """Return the server's time."""
    return {"success": True, "time": now}


COMMANDS: dict[str, Command] = {
    "customers": update_customer,
    "customers/events": add_event,
    "system/time": system_time,
}


def run(exponea: Project, command: JsonObject, errors: list[str] | None, now: float) -> JsonObject:
    """Run one command of a batch and return its result; `errors` are injected by a fault."""
    result = _result(exponea, command, errors, now)
    if not result["success"]:
        exponea.state.count(exponea.name, "commands_failed")
    if "command_id" in command:
        result["command_id"] = command["command_id"]
    return result


def _result(exponea: Project, command: JsonObject, errors: list[str] | None, now: float) -> JsonObject:
    if errors is not None:
        return {"success": False, "errors": [*errors]}
    name = command.get("name")
    handler = COMMANDS.get(name) if isinstance(name, str) else None
    if handler is None:
        return {"success": False, "errors": [f"Unknown command: {name}"]}  # [I] the text
    data: Json = command.get("data")
    try:
        return handler(exponea, data if isinstance(data, dict) else {}, now)
    except CommandRefused as refused:
        return {"success": False, "errors": refused.errors}


MAX_COMMANDS = 50
MAX_MESSAGE = 800 * 1024
MAX_VALUE = 16 * 1024
MAX_EVENT_ATTRIBUTES = 255


def checked(properties: Json) -> tuple[JsonObject, bytes]:
    """Return the properties and their JSON, with sorted keys since it also identifies duplicates."""
    if properties is None:
        # [I] The vendor's own Python SDK sends null for no properties.
        return {}, b"{}"
    if not isinstance(properties, dict):
        raise CommandRefused("properties must be an object")
    if not "".join(properties).isascii():
        name = next(name for name in properties if not name.isascii())
        raise CommandRefused(f"attribute names must be ASCII: {name}")
    text = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS)
    if len(text) >= MAX_VALUE:
        _check_sizes(properties, text)
    return properties, text


def _check_sizes(properties: JsonObject, text: bytes) -> None:
    if len(text) >= MAX_MESSAGE:
        raise CommandRefused("message must be smaller than 800 KB")
    for name, value in properties.items():
        size = len(value.encode()) if isinstance(value, str) else len(orjson.dumps(value))
        if size >= MAX_VALUE:
            raise CommandRefused(f"value of property {name} must be smaller than 16 KB")


def seconds(value: Json, name: str, now: float) -> float:
    """Read a timestamp: UNIX seconds as number or text, or ISO-8601 in UTC; by default now.

    Milliseconds are not recognized, as documented: they become a date far in the future.
    """
    if value is None:
        return now
    found = number(value)
    if found is not None:
        return found
    moment = from_iso(value)
    offset = moment.utcoffset() if moment else None
    if moment is None or offset:
        # [I] An offset other than Z is documented as "not supported"; that the command fails is our choice.
        raise CommandRefused(f"{name} must be UNIX seconds or an ISO-8601 time in UTC")
    return moment.timestamp()
