"""Batches of events as Segment's libraries send them: `{"batch": [...]}`, with what counts for all of its events.

The rules are those of Segment's HTTP API
(https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#batch); the collector has the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import orjson

from engine.events.json_repairs import read_repaired, reports_of_items
from engine.events.json_values import kind_of_any, size_problem
from engine.events.normalizing import Fields, fields_of_parsed
from engine.records import Json, JsonObject, Report

BATCH_WIDE = ("context", "integrations", "sentAt")
"""What a batch says about all its events."""
MOST_EVENTS = 10_000
MOST_SHARED = 64 * 1024 * 1024
"""Bytes that copying what is batch-wide into each event may take: a few kilobytes in a real batch."""

LENGTH_OF_KEY = len(',"sentAt":""')
_FIRST_EVENT = re.compile(rb'"batch":( ?)\[(\{"[A-Za-z_]+":)')


class ReadBatch(NamedTuple):
    """The events of a batch, each complete, and what was repaired in the bytes of each, if anything was.

    `fault` is why there are none, None if nothing is wrong.
    """

    events: Sequence[Json] = ()
    repairs: Sequence[tuple[Report, ...]] | None = None
    fault: str | None = None


class WrittenBatch(NamedTuple):
    """The events of a batch as they are written, and the `sentAt` of those that have none."""

    events: Sequence[bytes]
    sent_at: str | None


def split_batch(raw: bytes) -> WrittenBatch | None:
    """Return the events as they are written, if the batch is written as libraries do; None where that is uncertain.

    Reading one event after the other takes half an orjson round trip less than reading all and writing each again to
    learn its size.  Libraries write the same key first in each event, so that `,{"key":` stands between two; it may
    also stand inside of one, so **all of it is certain only once each is read as JSON**: a list of JSON values with
    commas between them can be read in no other way.
    """
    first = _FIRST_EVENT.search(raw)
    if first is None:
        return None
    begin, end = first.start(2), raw.rfind(b"]")
    around = raw[:begin] + raw[max(begin, end) :]
    if around.count(b'"batch"') != 1 or b"\\" in around:  # a key could be written with escapes
        return None
    try:
        rest = orjson.loads(around)
    except orjson.JSONDecodeError:
        return None
    # With one `"batch"` in it, an empty list in `rest` can only be the one whose events were left out.
    if type(rest) is not dict or rest.get("batch") != [] or rest.get("context") or rest.get("integrations"):
        return None
    sent_at = rest.get("sentAt")
    if sent_at is not None and type(sent_at) is not str:
        return None
    parts = raw[begin + len(first[2]) : end].split(b"," + first[1] + first[2])
    if len(parts) > MOST_EVENTS:
        return None
    return WrittenBatch([first[2] + part for part in parts], sent_at)


def bytes_of_sent_at(sent_at: str) -> int:
    """Return how many bytes the `sentAt` of a batch has at most where it is put into an event."""
    return 6 * len(sent_at) + LENGTH_OF_KEY


def fields_of_item(item: Json, received_at: str | None, now: float | None) -> Fields:
    """Normalize an event of a `ReadBatch`; it is written to learn its size and depth, which is faster than a walk."""
    if type(item) is not dict:
        return fields_of_parsed(item, b"", received_at, now)
    try:
        raw = orjson.dumps(item)
    except orjson.JSONEncodeError:
        return {}, None, (), size_problem(item), inf
    return fields_of_parsed(item, raw, received_at, now)


def read_batch(raw: bytes) -> ReadBatch:
    """Read the body of a request."""
    found = None
    try:
        body: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        found = read_repaired(raw)
        if found is None:
            return ReadBatch(fault=f"not valid JSON: {error}")
        body = found.value
    if type(body) is not dict:
        return ReadBatch(fault=f"a batch must be an object; this is {kind_of_any(body)}")
    events = body.get("batch")
    if type(events) is not list:
        kind = "missing" if events is None else kind_of_any(events)
        return ReadBatch(fault=f"a batch must have a list of events in batch; batch is {kind}")
    if len(events) > MOST_EVENTS:
        return ReadBatch(fault=f"the batch has {len(events):,} events; the limit is {MOST_EVENTS:,}")
    if len(events) * _shared_bytes(body, raw) > MOST_SHARED:
        return ReadBatch(fault="the batch is too large once its context is copied into each event")
    _complete(events, body)
    return ReadBatch(events, None if found is None else reports_of_items(raw, "batch", BATCH_WIDE))


def object_or_empty(value: Json) -> JsonObject:
    """Return the `context` or `integrations` of a whole batch; anything but an object counts as empty."""
    return value if type(value) is dict else {}


def merge_batch_wide(event: JsonObject, name: str, batch_wide: JsonObject) -> None:
    """Complete the `context` or `integrations` of an event, in place; what the event says itself wins."""
    own = event.get(name)
    if batch_wide and (own is None or type(own) is dict or own == []):
        event[name] = {**batch_wide, **(own if type(own) is dict else {})}


def use_batch_sent_at(event: JsonObject, sent_at: Json) -> None:
    """Complete the `sentAt` of an event, in place."""
    if event.get("sentAt") is None and sent_at is not None:
        event["sentAt"] = sent_at


def _complete(events: list[Json], body: JsonObject) -> None:
    context, integrations = (object_or_empty(body.get(name)) for name in ("context", "integrations"))
    sent_at = body.get("sentAt")
    for event in events:
        if type(event) is dict:
            merge_batch_wide(event, "context", context)
            merge_batch_wide(event, "integrations", integrations)
            use_batch_sent_at(event, sent_at)


def _shared_bytes(body: JsonObject, raw: bytes) -> int:
    try:
        return len(orjson.dumps([body.get(name) for name in BATCH_WIDE]))
    except orjson.JSONEncodeError:  # nested too deeply
        return len(raw)
