"""The commands of the Tracking API, alone or inside a batch: customers, customers/events, system/time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.records import Json, JsonObject
from engine.sandbox.vendors.exponea.errors import EVENT_NOT_ALLOWED, PROPERTY_NOT_ALLOWED, CommandRefused
from engine.sandbox.vendors.exponea.limits import MAX_EVENT_ATTRIBUTES, checked, seconds

if TYPE_CHECKING:
    from engine.sandbox.vendors.exponea.routes import Exponea

Command = Callable[["Exponea", JsonObject, float], JsonObject]


def update_customer(exponea: Exponea, data: JsonObject, now: float) -> JsonObject:
    """Set properties; makes the customer if nobody has these ids."""
    pairs = exponea.identity.read(data.get("customer_ids"))
    # [I] No properties at all are accepted, though the page asks for one: that is how two ids are linked.
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


def add_event(exponea: Exponea, data: JsonObject, now: float) -> JsonObject:
    """Keep an event; makes the customer if nobody has these ids."""
    pairs = exponea.identity.read(data.get("customer_ids"))
    kind = data.get("event_type")
    if not isinstance(kind, str) or not kind.strip():
        raise CommandRefused("event_type must be a non-empty text")  # [I] the words
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


def system_time(_exponea: Exponea, _data: JsonObject, now: float) -> JsonObject:
    """Give the server's time."""
    return {"success": True, "time": now}


COMMANDS: dict[str, Command] = {
    "customers": update_customer,
    "customers/events": add_event,
    "system/time": system_time,
}


def run(exponea: Exponea, command: JsonObject, errors: list[str] | None, now: float) -> JsonObject:
    """Run one command of a batch; its result says how it went.  `errors`: what a fault ordered."""
    result = _result(exponea, command, errors, now)
    if not result["success"]:
        exponea.state.count(exponea.name, "commands_failed")
    if "command_id" in command:
        result["command_id"] = command["command_id"]
    return result


def _result(exponea: Exponea, command: JsonObject, errors: list[str] | None, now: float) -> JsonObject:
    if errors is not None:
        return {"success": False, "errors": [*errors]}
    name = command.get("name")
    handler = COMMANDS.get(name) if isinstance(name, str) else None
    if handler is None:
        return {"success": False, "errors": [f"Unknown command: {name}"]}  # [I] the words
    data: Json = command.get("data")
    try:
        return handler(exponea, data if isinstance(data, dict) else {}, now)
    except CommandRefused as refused:
        return {"success": False, "errors": refused.errors}
