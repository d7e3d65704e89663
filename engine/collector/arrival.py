"""One event as it arrives becomes the event that is kept: what Segment's API adds, renames and works out.

https://segment.com/docs/connections/spec/common/ : the time on the wire is called originalTimestamp from here on, and
`timestamp = receivedAt - (sentAt - originalTimestamp)`, which takes the error of the client's clock out; without
sentAt it is the original one, without that receivedAt.  A time that cannot be read is left for the mappings' reports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.delivery.intake import iso
from engine.language.times import moment_at, read_time
from engine.records import Json, JsonObject

CLIENT_CHANNELS = ("browser", "client", "mobile")
CLIENT_LIBRARIES = ("analytics.js", "analytics-ios", "analytics-android", "analytics-swift", "analytics-kotlin")
CLIENT_WORDS = ("react-native", "flutter", "expo")


class Arrival(NamedTuple):
    """What a request says of all its events; `client` is whether a browser or an app sent it."""

    received: float
    received_at: str
    sent_at: Json
    ip: str
    client: bool
    context: JsonObject
    integrations: JsonObject
    new_id: Callable[[], str]


def arrived(item: JsonObject, call: str | None, arrival: Arrival) -> JsonObject:
    """Give the event to keep; `item` stays as it is."""
    event = {**item}
    event.pop("writeKey", None)  # a secret, and of no use to a mapping
    if call is not None:
        event["type"] = call
    own = event.get("messageId")
    if type(own) is not str or not own.strip():
        event["messageId"] = arrival.new_id()
    _merge(event, "context", arrival.context)
    _merge(event, "integrations", arrival.integrations)
    _put_ip(event, arrival)
    _stamp(event, arrival)
    return event


def _merge(event: JsonObject, name: str, outer: JsonObject) -> None:
    own = event.get(name)
    if outer and (own is None or type(own) is dict or own == []):
        event[name] = {**outer, **(own if type(own) is dict else {})}


def _put_ip(event: JsonObject, arrival: Arrival) -> None:
    context = event.get("context")
    if context is None:
        context = {}
    if type(context) is not dict or context.get("ip") or not arrival.ip:
        return
    if arrival.client or _is_of_a_client(event, context):
        event["context"] = {**context, "ip": arrival.ip}


def _is_of_a_client(event: JsonObject, context: JsonObject) -> bool:
    if context.get("direct") is True or event.get("channel") in CLIENT_CHANNELS:
        return True
    library = context.get("library")
    name = library.get("name") if type(library) is dict else None
    return type(name) is str and (name in CLIENT_LIBRARIES or any(word in name for word in CLIENT_WORDS))


def _stamp(event: JsonObject, arrival: Arrival) -> None:
    event["receivedAt"] = arrival.received_at
    if event.get("sentAt") is None and arrival.sent_at is not None:
        event["sentAt"] = arrival.sent_at
    original = event.get("timestamp")
    if original is None:
        original = event.get("originalTimestamp")
    if original is None:
        event["timestamp"] = arrival.received_at
        return
    seconds = read_time(original)
    event["timestamp"] = original
    if seconds is None:
        return
    event["originalTimestamp"] = original
    sent = read_time(event.get("sentAt"))
    if sent is not None:
        event["timestamp"] = _text(arrival.received - (sent - seconds), arrival)


def _text(seconds: float, arrival: Arrival) -> str:
    return arrival.received_at if moment_at(seconds) is None else iso(seconds)
