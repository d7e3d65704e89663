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

from engine.events import timestamps
from engine.events.normalizing import Normalized
from engine.language.times import read_moment
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""The version of the columns; written into each file's metadata under `METADATA_KEY`."""
METADATA_KEY = b"waybill.archive"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST = int(timestamps.EARLIEST * 1_000_000)
MOST_AHEAD = int(timestamps.MOST_AHEAD * 1_000_000)
DAY = 86_400_000_000
"""Microseconds."""
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

TEXT_FIELDS = ("userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "channel")
TEXT_TYPES = frozenset((str, type(None)))
OBJECT_TYPES = frozenset((dict, type(None)))
TIME_FIELDS = ("timestamp", "receivedAt", "sentAt", "originalTimestamp")
OBJECT_FIELDS = ("traits", "properties", "context", "integrations")
SIMPLE_FIELDS = frozenset((*TEXT_FIELDS, *OBJECT_FIELDS, *TIME_FIELDS, "type", "messageId"))


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
    moment = microseconds(get("timestamp"))
    if moment is None or not EARLIEST <= moment <= received + MOST_AHEAD:
        moment = received
    sent, original = get("sentAt"), get("originalTimestamp")
    sent = None if sent is None else microseconds(sent)
    original = None if original is None else microseconds(original)
    call = None if found.invalid is not None else found.call
    texts: Iterable[Json] = tuple(map(get, TEXT_FIELDS))
    objects = [orjson.dumps(value).decode() if type(value) is dict else None for value in map(get, OBJECT_FIELDS)]
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
        and SIMPLE_FIELDS.issuperset(event)
        and TEXT_TYPES.issuperset(map(type, texts))
        and OBJECT_TYPES.issuperset(map(type, map(event.get, OBJECT_FIELDS)))
        and (sent is not None or event.get("sentAt") is None)
        and (original is not None or event.get("originalTimestamp") is None)
    )


def microseconds(value: Json) -> int | None:
    """Return a time of an event in microseconds since 1970, None if it is none."""
    return _microseconds_of_text(value) if type(value) is str else _exact_microseconds(value)


def _exact_microseconds(value: Json) -> int | None:
    moment = None if value is None else read_moment(value)
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


_microseconds_of_text = lru_cache(maxsize=8192)(_exact_microseconds)
"""Events of one batch share many times, and most events have the same time twice."""


def _received(own: Json, given: str) -> int:
    """Return when an event was received; what it says itself is used unless it cannot be, as `timestamps` does."""
    for written in (own, given):
        moment = microseconds(written)
        if moment is not None and moment >= EARLIEST:
            return moment
    return EARLIEST  # of an outbox that is damaged


def _others(
    event: JsonObject,
    call: str | None,
    texts: Iterable[Json],
    objects: Sequence[str | None],
    sent: int | None,
    original: int | None,
) -> str | None:
    """Return the fields that have no column, and those whose value its column cannot hold."""
    left = {name: value for name, value in event.items() if name not in SIMPLE_FIELDS}
    columns = zip(
        (*TEXT_FIELDS, *OBJECT_FIELDS, "sentAt", "originalTimestamp", "type"),
        (*texts, *objects, sent, original, call),
        strict=True,
    )
    for name, value in columns:
        if value is None and event.get(name) is not None:
            left[name] = event[name]
    return orjson.dumps(left).decode() if left else None


def day_of(row: ArchiveRow) -> str:
    """Return the UTC day on which an event was received, `2026-11-29`: its file is in the folder of that day."""
    return day_text(row.received_at // DAY)


def day_text(day: int) -> str:
    """Return a day, counted from 1970, as `2026-11-29`."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def table_of(rows: Sequence[ArchiveRow], first_row: int) -> pa.Table:
    """Return rows as a table sorted by timestamp; they are numbered from `first_row` in the order given."""
    return numbered(unnumbered(rows), first_row)


def unnumbered(rows: Sequence[ArchiveRow]) -> pa.Table:
    """Return rows as a table without `row`, in the order given.

    Texts that are no UTF-8 get a replacement character for what is wrong.
    """
    import pyarrow as pa

    wanted = schema().remove(0)
    columns = zip(*rows, strict=True) if rows else ((),) * len(ArchiveRow._fields)
    arrays = [array_of(values, field.type) for values, field in zip(columns, wanted, strict=True)]
    return pa.Table.from_arrays(arrays, schema=wanted)


def numbered(events: pa.Table, first_row: int) -> pa.Table:
    """Return a table without `row` sorted by timestamp; its rows are numbered from `first_row` in the order given."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pa.array(range(first_row, first_row + events.num_rows), pa.int64())
    table = pa.Table.from_arrays([rows, *events.combine_chunks().columns], schema=schema())
    return table.take(pc.sort_indices(table["timestamp"]))  # a stable sort


def by_day(events: pa.Table) -> list[tuple[str, pa.Table]]:
    """Return the events of each day on which some were received, the days and their events in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = pc.divide(events["received_at"].cast(pa.int64()), DAY)  # none is before 1970
    counts = sorted((each["values"], each["counts"]) for each in pc.value_counts(days).to_pylist())
    if len(counts) > 1:
        events = events.combine_chunks().take(pc.sort_indices(days))  # a stable sort
    found, start = [], 0
    for day, count in counts:
        found.append((day_text(day), events.slice(start, count)))
        start += count
    return found


def array_of(values: Iterable[object], kind: pa.DataType) -> pa.Array:
    """Return values of a column as an array; microseconds become times, and texts that are no UTF-8 are mended."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([_clean(value) for value in values], kind)


def _clean(value: object) -> object:
    return value.encode(errors="replace").decode() if type(value) is str else value
