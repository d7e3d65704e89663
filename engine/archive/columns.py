"""The columns of the archive's events, and an event as a row of them.  Pure.

Times and IDs are as mappings see them: a row is made from what `engine/events/normalizing.py` returns.  What a column
cannot hold stays in `other`, so that nothing of an event is lost.  No event raises: of one that is invalid the row has
what can be read, and no `type`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.events.normalizing import Normalized
from engine.events.timestamps import EARLIEST, MOST_AHEAD
from engine.language.times import read_moment
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""The version of the columns; written into each file's metadata under `METADATA_KEY`."""
METADATA_KEY = b"waybill.archive"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = int(EARLIEST * 1_000_000)
_MOST_AHEAD = int(MOST_AHEAD * 1_000_000)
_make = tuple.__new__  # makes a named tuple in half the time of its own `__new__`


class ArchiveRow(NamedTuple):
    """An event in the order of the archive's columns, without `row`, which is known once it is written.

    Times are microseconds since 1970, UTC.  `traits` to `other` are JSON texts.  `type` is None for an invalid event.
    """

    source: str
    message_id: str
    type: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    event: str | None
    name: str | None
    category: str | None
    channel: str | None
    timestamp: int
    received_at: int
    sent_at: int | None
    original_timestamp: int | None
    traits: str | None
    properties: str | None
    context: str | None
    integrations: str | None
    other: str | None


TIMES = ("timestamp", "received_at", "sent_at", "original_timestamp")
OBJECTS = ("traits", "properties", "context", "integrations", "other")
COLUMNS = ("row", *ArchiveRow._fields)
"""The columns of `events` in a file, in their order."""

_TEXT_FIELDS = ("userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "channel")
_TEXT_TYPES = frozenset((str, type(None)))
_OBJECT_TYPES = frozenset((dict, type(None)))
_OBJECT_FIELDS = ("traits", "properties", "context", "integrations")
_SIMPLE_FIELDS = frozenset(
    (*_TEXT_FIELDS, *_OBJECT_FIELDS, "type", "messageId", "timestamp", "receivedAt", "sentAt", "originalTimestamp")
)


def schema() -> pa.Schema:
    """Return the Parquet schema of this version, with the version in its metadata."""
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        if name == "row":
            return pa.int64()
        return pa.timestamp("us", tz="UTC") if name in TIMES else pa.string()

    needed = ("row", "source", "message_id", "timestamp", "received_at")
    fields = [pa.field(name, kind(name), nullable=name not in needed) for name in COLUMNS]
    return pa.schema(fields, metadata={METADATA_KEY: str(SCHEMA_VERSION).encode()})


def row_of(found: Normalized, source: str, message_id: str, received_at: str) -> ArchiveRow:
    """Return the row of a normalized event; `received_at` is when it was received if it does not say that itself.

    `timestamp` is always there: where none can be right, which only happens to invalid events, it is that of receipt.
    """
    event, get = found.event, found.event.get
    received = _received(get("receivedAt"), received_at)
    moment = _microseconds(get("timestamp"))
    if moment is None or not _EARLIEST <= moment <= received + _MOST_AHEAD:
        moment = received
    sent, original = get("sentAt"), get("originalTimestamp")
    sent = None if sent is None else _microseconds(sent)
    original = None if original is None else _microseconds(original)
    call = None if found.invalid is not None else found.call
    texts: Iterable[Json] = tuple(map(get, _TEXT_FIELDS))
    objects = [orjson.dumps(value).decode() if type(value) is dict else None for value in map(get, _OBJECT_FIELDS)]
    other = None
    if not _is_simple(event, call, texts, sent, original):
        texts = [value if type(value) is str else None for value in texts]
        other = _others(event, call, texts, objects, sent, original)
    row = (source, message_id, call, *texts, moment, received, sent, original, *objects, other)
    made: ArchiveRow = _make(ArchiveRow, row)
    return made


def _is_simple(
    event: JsonObject, call: str | None, texts: Iterable[Json], sent: int | None, original: int | None
) -> bool:
    """Whether the columns hold all of an event, as they do of most; False when in doubt."""
    return (
        call is not None
        and _SIMPLE_FIELDS.issuperset(event)
        and _TEXT_TYPES.issuperset(map(type, texts))
        and _OBJECT_TYPES.issuperset(map(type, map(event.get, _OBJECT_FIELDS)))
        and (sent is not None or event.get("sentAt") is None)
        and (original is not None or event.get("originalTimestamp") is None)
    )


def _microseconds(value: Json) -> int | None:
    return _microseconds_of_text(value) if type(value) is str else _exact_microseconds(value)


def _exact_microseconds(value: Json) -> int | None:
    moment = None if value is None else read_moment(value)
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


_microseconds_of_text = lru_cache(maxsize=8192)(_exact_microseconds)
"""Events of one batch share many times, and most events have the same time twice."""


def _received(own: Json, given: str) -> int:
    """Return when an event was received; what it says itself is used unless it cannot be, as `timestamps` does."""
    for written in (own, given):
        moment = _microseconds(written)
        if moment is not None and moment >= _EARLIEST:
            return moment
    return _EARLIEST  # of an outbox that is damaged


def _others(
    event: JsonObject,
    call: str | None,
    texts: Iterable[Json],
    objects: Sequence[str | None],
    sent: int | None,
    original: int | None,
) -> str | None:
    """Return the fields that have no column, and those whose value its column cannot hold."""
    left = {name: value for name, value in event.items() if name not in _SIMPLE_FIELDS}
    columns = zip(
        (*_TEXT_FIELDS, *_OBJECT_FIELDS, "sentAt", "originalTimestamp", "type"),
        (*texts, *objects, sent, original, call),
        strict=True,
    )
    for name, value in columns:
        if value is None and event.get(name) is not None:
            left[name] = event[name]
    return orjson.dumps(left).decode() if left else None


def day_of(row: ArchiveRow) -> str:
    """Return the UTC day on which an event was received, `2026-11-29`: its file is in the folder of that day."""
    return (_EPOCH + timedelta(microseconds=row.received_at)).date().isoformat()


def table_of(rows: Sequence[ArchiveRow], first_row: int) -> pa.Table:
    """Return rows as a table sorted by timestamp; they are numbered from `first_row` in the order given.

    Texts that are no UTF-8 get a replacement character for what is wrong.
    """
    import pyarrow as pa

    order = sorted(range(len(rows)), key=lambda number: rows[number].timestamp)
    wanted = schema()
    columns = zip(*(rows[number] for number in order), strict=True) if rows else ((),) * len(ArchiveRow._fields)
    arrays = [pa.array((first_row + number for number in order), pa.int64(), size=len(order))]
    arrays += [_array(values, field.type) for values, field in zip(columns, list(wanted)[1:], strict=True)]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _array(values: Iterable[object], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([_clean(value) for value in values], kind)


def _clean(value: object) -> object:
    return value.encode(errors="replace").decode() if type(value) is str else value
