"""Turns the body of a request, or the lines of a file, into events for the outbox and discards.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import orjson

from engine.collector.body import Body
from engine.collector.discards import Discard, find_discard
from engine.collector.openapi import BATCH
from engine.collector.responses import CollectorLimits, RequestRefused, bad_request
from engine.delivery.intake import Identities, iso_of
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.keys import keys_of
from engine.events.batches import BATCH_WIDE, merge_batch_wide, use_batch_sent_at
from engine.events.json_repairs import reports_of_items
from engine.events.json_values import MAX_DEPTH, kind_of_any, nesting_problem, size_problem
from engine.events.splitting import Line
from engine.language.times import moment_at, read_time
from engine.records import Json, JsonObject

MAX_GROWTH = 8
"""How many times the size limit a batch may reach once its own context is copied into each event."""
CLIENT_CHANNELS = ("browser", "client", "mobile")
CLIENT_LIBRARIES = ("analytics.js", "analytics-ios", "analytics-android", "analytics-swift", "analytics-kotlin")
CLIENT_LIBRARY_PARTS = ("react-native", "flutter", "expo")


class Shaped(NamedTuple):
    """What becomes of the events of one request."""

    events: list[NewEvent]
    discards: list[Discard]


class Arrival(NamedTuple):
    """What a request says about all its events; `client`: whether a browser or an app sent it."""

    received: float
    received_at: str
    sent_at: Json
    ip: str
    client: bool
    context: JsonObject
    integrations: JsonObject
    new_id: Callable[[], str]


def shape_body(body: Body, call: str, source: str, arrival: Arrival, limits: CollectorLimits) -> Shaped:
    """Return the events of a body sent to a call; raise RequestRefused if the request as a whole is refused."""
    if call != BATCH:
        event = _event(body.value, call, source, arrival, limits)
        if isinstance(event, Discard):
            if event.code == "event_too_large":
                raise RequestRefused(413, event.code, f"{event.reason[:1].upper()}{event.reason[1:]}.")
            return Shaped([], [event])
        return Shaped([event._replace(reports=body.reports)], [])
    shaped = Shaped([], [])
    items = _items(body.value, limits)
    if not items:
        shaped.discards.append(Discard("empty_batch", "the batch has no events", event={"batch": []}))
    repairs = None if body.repaired is None else reports_of_items(body.repaired, "batch", BATCH_WIDE)
    room = MAX_GROWTH * limits.batch_bytes
    for number, item in enumerate(items):
        event = _event(item, None, source, arrival, limits)
        if isinstance(event, Discard):
            shaped.discards.append(event)
            continue
        shaped.events.append(event._replace(reports=repairs[number]) if repairs else event)
        room -= len(event.raw)
        if room < 0:
            message = "The batch is too large once its context is copied into each event."
            raise RequestRefused(413, "payload_too_large", message)
    return shaped


def _items(body: JsonObject, limits: CollectorLimits) -> list[Json]:
    items = body.get("batch")
    if type(items) is not list:
        found = "missing" if items is None else kind_of_any(items)
        raise bad_request(f"A batch must be an object with a list of events in batch; batch is {found}.")
    if len(items) > limits.batch_events:
        message = f"The batch has {len(items)} events; the limit is {limits.batch_events}."
        raise RequestRefused(400, "too_many_events", message)
    return items


def _event(item: Json, call: str | None, source: str, arrival: Arrival, limits: CollectorLimits) -> NewEvent | Discard:
    event = _stored(item, call, source, arrival, limits)
    return event._replace(event=item) if isinstance(event, Discard) else event


def _stored(item: Json, call: str | None, source: str, arrival: Arrival, limits: CollectorLimits) -> NewEvent | Discard:
    if type(item) is not dict:
        return Discard("bad_request", f"an event must be an object; this is {kind_of_any(item)}")
    event = _completed(item, call, arrival)
    message_id = str(event["messageId"])
    found = find_discard(event)
    if found is not None:
        return found._replace(message_id=message_id)
    try:
        raw = orjson.dumps(event)
    except orjson.JSONEncodeError:
        return Discard("bad_request", f"it is nested deeper than {MAX_DEPTH}", message_id)
    if reason := nesting_problem(event, raw):
        return Discard("bad_request", reason, message_id)
    # The stored event is never smaller than the one received, so most events need not be measured twice.
    if len(raw) > limits.event_bytes and (size := len(orjson.dumps(item))) > limits.event_bytes:
        reason = f"the event has {size} bytes; the limit is {limits.event_bytes}"
        return Discard("event_too_large", reason, message_id)
    return NewEvent(source, message_id, arrival.received_at, raw, keys=keys_of(event))


def _completed(item: JsonObject, call: str | None, arrival: Arrival) -> JsonObject:
    """Return a copy of an event with what Segment's API adds to it."""
    event = {**item}
    event.pop("writeKey", None)  # a secret, and useless to a mapping
    if call is not None:
        event["type"] = call
    message_id = event.get("messageId")
    if type(message_id) is not str or not message_id.strip():
        event["messageId"] = arrival.new_id()
    merge_batch_wide(event, "context", arrival.context)
    merge_batch_wide(event, "integrations", arrival.integrations)
    _add_ip(event, arrival)
    _add_times(event, arrival)
    return event


def _add_ip(event: JsonObject, arrival: Arrival) -> None:
    context = event.get("context")
    if context is None:
        context = {}
    if type(context) is not dict or context.get("ip") or not arrival.ip:
        return
    if arrival.client or _from_client(event, context):
        event["context"] = {**context, "ip": arrival.ip}


def _from_client(event: JsonObject, context: JsonObject) -> bool:
    """Whether a browser or an app sent an event: a server's address is not its user's."""
    if context.get("direct") is True or event.get("channel") in CLIENT_CHANNELS:
        return True
    library = context.get("library")
    name = library.get("name") if type(library) is dict else None
    return type(name) is str and (name in CLIENT_LIBRARIES or any(part in name for part in CLIENT_LIBRARY_PARTS))


def _add_times(event: JsonObject, arrival: Arrival) -> None:
    """Correct the time of an event by the error of the client's clock, which `sentAt` shows."""
    event["receivedAt"] = arrival.received_at
    use_batch_sent_at(event, arrival.sent_at)
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
        corrected = moment_at(arrival.received - (sent - seconds))
        event["timestamp"] = arrival.received_at if corrected is None else iso_of(corrected)


def shape_lines(lines: Iterable[Line], source: str, now: str) -> Iterator[tuple[Line, NewEvent | Discard]]:
    """Yield each line of a file with its event or discard; lines that could not be read must be removed before."""
    identities = Identities(source)
    for line in lines:
        event = event_of_line(line, source, identities.of(line), now)
        yield line, event._replace(event=line.value) if isinstance(event, Discard) else event


def event_of_line(line: Line, source: str, message_id: str, now: str) -> NewEvent | Discard:
    """Return what is stored of a line that could be read, or why it is discarded."""
    event, raw = line.value, line.raw
    assert raw is not None
    if not isinstance(event, dict):
        return Discard("bad_request", f"an event must be an object; this is {kind_of_any(event)}")
    found = find_discard(event)
    if found is not None:
        return found._replace(message_id=message_id)
    if (reason := size_problem(event)) is not None:
        return Discard("bad_request", reason, message_id)
    timed = _with_timestamp(event)
    kept = raw if timed is event else orjson.dumps(timed)
    return NewEvent(source, message_id, now, kept, line.reports, keys_of(timed))


def _with_timestamp(event: JsonObject) -> JsonObject:
    """Keep Segment's formula, which corrects a clock by the time of receipt, from using the time of the import."""
    if event.get("timestamp") is None and event.get("receivedAt") is None and event.get("originalTimestamp"):
        return {**event, "timestamp": event["originalTimestamp"]}
    return event
