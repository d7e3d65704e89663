"""A request's body becomes rows for the outbox, and the events that are not kept.  Pure: time and ids are given."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from engine.collector.arrival import Arrival, arrived
from engine.collector.calls import BATCH
from engine.collector.discards import Discard, discard
from engine.collector.limits import Limits
from engine.collector.refusals import Refused, bad_request
from engine.delivery.rows import NewEvent
from engine.records import Json, JsonObject
from engine.sources.jsonvalue import MAX_DEPTH, crowding, kind

MOST_KEPT = 8
"""By how much a batch may grow where its own context goes into each event."""

_ALL_BUT_OPENINGS = bytes(byte for byte in range(256) if byte not in b"{[")


class Shaped(NamedTuple):
    """What one request becomes."""

    events: list[NewEvent]
    discards: list[Discard]


def shaped(body: JsonObject, call: str, source: str, arrival: Arrival, limits: Limits) -> Shaped:
    """Read the events of a body that came for a call; raises Refused where the request as a whole cannot be taken."""
    if call != BATCH:
        event = _event(body, call, source, arrival, limits)
        if isinstance(event, Discard):
            if event.code == "event_too_large":
                raise Refused(413, event.code, f"{event.reason[:1].upper()}{event.reason[1:]}.")
            return Shaped([], [event])
        return Shaped([event], [])
    found = Shaped([], [])
    items = _items(body, limits)
    if not items:
        found.discards.append(Discard("empty_batch", "the batch holds no events"))
    room = MOST_KEPT * limits.batch_bytes
    for item in items:
        event = _event(item, None, source, arrival, limits)
        if isinstance(event, Discard):
            found.discards.append(event)
            continue
        found.events.append(event)
        room -= len(event.raw)
        if room < 0:
            raise Refused(413, "payload_too_large", "With the batch's context in each event it becomes too large.")
    return found


def outer(value: Json) -> JsonObject:
    """Read the `context` or `integrations` of a whole batch; what is no object says nothing."""
    return value if type(value) is dict else {}


def _items(body: JsonObject, limits: Limits) -> list[Json]:
    items = body.get("batch")
    if type(items) is not list:
        raise bad_request(f"A batch is an object with a list of events in batch; here batch is {_shown(items)}.")
    if len(items) > limits.batch_events:
        message = f"The batch holds {len(items)} events; the limit is {limits.batch_events}."
        raise Refused(400, "too_many_events", message)
    return items


def _shown(value: Json) -> str:
    return "missing" if value is None else kind(value)


def _event(item: Json, call: str | None, source: str, arrival: Arrival, limits: Limits) -> NewEvent | Discard:
    if type(item) is not dict:
        return Discard("bad_request", f"an event is an object; this is {_shown(item)}")
    event = arrived(item, call, arrival)
    message_id = str(event["messageId"])
    found = discard(event)
    if found is not None:
        return found._replace(message_id=message_id)
    try:
        raw = orjson.dumps(event)
    except orjson.JSONEncodeError:
        return Discard("bad_request", f"it is nested deeper than {MAX_DEPTH}", message_id)
    if len(raw.translate(None, _ALL_BUT_OPENINGS)) > MAX_DEPTH and (reason := crowding(event)):
        return Discard("bad_request", reason, message_id)
    # What is kept is never smaller than what came, so most events need not be measured twice.
    if len(raw) > limits.event_bytes and (size := len(orjson.dumps(item))) > limits.event_bytes:
        reason = f"the event has {size} bytes; the limit is {limits.event_bytes}"
        return Discard("event_too_large", reason, message_id)
    return NewEvent(source, message_id, arrival.received_at, raw)
