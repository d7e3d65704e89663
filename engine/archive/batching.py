"""Events of an outbox as columns of the archive, many at once.

An ordinary event, by far the most common, is as mappings see it already: its fields go into the columns as they are.
Any other one goes through `row_of`; so does one of which it is in doubt.  Both ways give the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from engine.archive import columns
from engine.archive.columns import ArchiveRow, array_of, microseconds, row_of, schema
from engine.delivery.outbox.reading import TakenEvents
from engine.events.normalizing import is_clean, normalize_json
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    import pyarrow as pa

_USUAL_TIME = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
"""Texts that pyarrow reads as `microseconds` does, or refuses; it takes a fifth of the time."""
_NOT_ORDINARY: JsonObject = {}


def batch_of(taken: TakenEvents) -> pa.RecordBatch:
    """Return events as columns in their order, without `row`, as `row_of` has them."""
    import pyarrow as pa

    events = [*map(_ordinary, taken.raws, taken.received_at)]
    odd = {number for number, event in enumerate(events) if event is _NOT_ORDINARY}
    texts = [_column(events, name, columns.TEXT_TYPES, odd) for name in columns.TEXT_FIELDS]
    objects = [_column(events, name, columns.OBJECT_TYPES, odd) for name in columns.OBJECT_FIELDS]
    moments = _moments(events, odd)
    found: list[Any] = [
        [*taken.sources],
        [*taken.message_ids],
        [event.get("type") for event in events],
        *texts,
        *moments,
        *([None if value is None else _dumped(value) for value in column] for column in objects),
        [None if columns.SIMPLE_FIELDS.issuperset(event) else _others(event) for event in events],
    ]
    if odd:
        _replace_odd(found, taken, odd)
    wanted = schema().remove(0)
    arrays = [array_of(values, field.type) for values, field in zip(found, wanted, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def row_of_taken(taken: TakenEvents, number: int) -> ArchiveRow:
    """Return the row of one of some events, as its mappings see it."""
    received_at = taken.received_at[number]
    found = normalize_json(taken.raws[number], received_at=received_at)
    return row_of(found, taken.sources[number], taken.message_ids[number], received_at)


def _ordinary(raw: bytes, received_at: str) -> JsonObject:
    """Return the normalized event if nothing of it needs a change; `_NOT_ORDINARY` when in doubt."""
    try:
        event: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _NOT_ORDINARY
    if type(event) is dict and event.get("receivedAt") is None:
        event["receivedAt"] = received_at
    return event if is_clean(event, raw, received_at, None) else _NOT_ORDINARY


def _column(events: Sequence[JsonObject], name: str, kinds: frozenset[object], odd: set[int]) -> list[Json]:
    """Return the values of a field; events that have one of another kind are odd."""
    values = [event.get(name) for event in events]
    if not kinds.issuperset(map(type, values)):
        odd.update(number for number, value in enumerate(values) if type(value) not in kinds)
    return values


def _moments(events: Sequence[JsonObject], odd: set[int]) -> list[pa.Array]:
    """Return the times in microseconds; events that have one that cannot be read, or cannot be right, are odd."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for name in columns.TIME_FIELDS:
        values = [event.get(name) for event in events]
        array = _microseconds_of(values)
        if array.null_count != values.count(None):
            odd.update(number for number, value in enumerate(array.to_pylist()) if value is None is not values[number])
        found.append(array)
    moment, received, _, _ = found
    earliest, most_ahead = pa.scalar(columns.EARLIEST, pa.int64()), pa.scalar(columns.MOST_AHEAD, pa.int64())
    is_right = pc.and_(
        pc.and_(pc.greater_equal(moment, earliest), pc.greater_equal(received, earliest)),
        pc.less_equal(moment, pc.add(received, most_ahead)),
    )
    if is_right.true_count != len(events):
        odd.update(number for number, value in enumerate(is_right.to_pylist()) if not value)
    return found


def _microseconds_of(values: Sequence[Json]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(values, pa.string())
        if pc.all(pc.match_substring_regex(texts, _USUAL_TIME)).as_py() is not False:  # None: no event has it
            return texts.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    except pa.ArrowException:  # some are no text, or there is no such day
        pass
    return pa.array([microseconds(value) for value in values], pa.int64())


def _others(event: JsonObject) -> str:
    return _dumped({name: value for name, value in event.items() if name not in columns.SIMPLE_FIELDS})


def _dumped(value: Json) -> str:
    """Return JSON as text: bytes of orjson that are kept cost ten times as much: each gives memory back."""
    return orjson.dumps(value).decode()


def _replace_odd(found: list[Any], taken: TakenEvents, odd: set[int]) -> None:
    found[:] = [values if type(values) is list else values.to_pylist() for values in found]
    for number in odd:
        for values, value in zip(found, row_of_taken(taken, number), strict=True):
            values[number] = value
