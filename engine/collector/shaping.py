"""A request's body becomes rows for the outbox, and the events that are not kept.  Pure: time and ids are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import orjson

from engine.collector.discards import Discard, discard
from engine.collector.openapi import BATCH
from engine.collector.responses import CollectorLimits, RequestRefused, bad_request
from engine.delivery.intake import Identities, iso
from engine.delivery.outbox.base import NewEvent
from engine.events.json_values import MAX_DEPTH, kind_of_any, size_problem
from engine.events.reading import Line
from engine.language.times import moment_at, read_time
from engine.records import Json, JsonObject

MOST_KEPT = 8
"""By how much a batch may grow where its own context goes into each event."""

_ALL_BUT_OPENINGS = bytes(byte for byte in range(256) if byte not in b"{[")


class Shaped(NamedTuple):
    """What one request becomes."""

    events: list[NewEvent]
    discards: list[Discard]


def shaped(body: JsonObject, call: str, source: str, arrival: Arrival, limits: CollectorLimits) -> Shaped:
    """Read the events of a body that came for a call; raises Refused where the request as a whole cannot be taken."""
    if call != BATCH:
        event = _event(body, call, source, arrival, limits)
        if isinstance(event, Discard):
            if event.code == "event_too_large":
                raise RequestRefused(413, event.code, f"{event.reason[:1].upper()}{event.reason[1:]}.")
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
            raise RequestRefused(
                413, "payload_too_large", "With the batch's context in each event it becomes too large."
            )
    return found


def outer(value: Json) -> JsonObject:
    """Read the `context` or `integrations` of a whole batch; what is no object says nothing."""
    return value if type(value) is dict else {}


def _items(body: JsonObject, limits: CollectorLimits) -> list[Json]:
    items = body.get("batch")
    if type(items) is not list:
        raise bad_request(f"A batch is an object with a list of events in batch; here batch is {_shown(items)}.")
    if len(items) > limits.batch_events:
        message = f"The batch holds {len(items)} events; the limit is {limits.batch_events}."
        raise RequestRefused(400, "too_many_events", message)
    return items


def _shown(value: Json) -> str:
    return "missing" if value is None else kind_of_any(value)


def _event(item: Json, call: str | None, source: str, arrival: Arrival, limits: CollectorLimits) -> NewEvent | Discard:
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
    if len(raw.translate(None, _ALL_BUT_OPENINGS)) > MAX_DEPTH and (reason := size_problem(event)):
        return Discard("bad_request", reason, message_id)
    # What is kept is never smaller than what came, so most events need not be measured twice.
    if len(raw) > limits.event_bytes and (size := len(orjson.dumps(item))) > limits.event_bytes:
        reason = f"the event has {size} bytes; the limit is {limits.event_bytes}"
        return Discard("event_too_large", reason, message_id)
    return NewEvent(source, message_id, arrival.received_at, raw)


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
    """Return the event to keep; `item` stays as it is."""
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


def imported(lines: Iterable[Line], source: str, now: str) -> Iterator[tuple[Line, NewEvent | Discard]]:
    """Make the lines of one file events, or say why not; lines that could not be read must be taken out before."""
    identities = Identities(source)
    for line in lines:
        yield line, _event_of_file(line, source, identities.of(line), now)


def _event_of_file(line: Line, source: str, message_id: str, now: str) -> NewEvent | Discard:
    event, raw = line.value, line.raw
    assert raw is not None
    if not isinstance(event, dict):
        return Discard("bad_request", f"an event must be a JSON object; this is {kind_of_any(event)}")
    found = discard(event)
    if found is not None:
        return found._replace(message_id=message_id)
    if (reason := size_problem(event)) is not None:
        return Discard("bad_request", reason, message_id)
    timed = _timed(event)
    return NewEvent(source, message_id, now, raw if timed is event else orjson.dumps(timed))


def _timed(event: JsonObject) -> JsonObject:
    """Keep Segment's formula from taking the time of the import for the time of receipt."""
    if event.get("timestamp") is None and event.get("receivedAt") is None and event.get("originalTimestamp"):
        return {**event, "timestamp": event["originalTimestamp"]}
    return event
