"""An event as a row: hostile events are data, times and IDs are those that mappings see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings

from engine.archive.columns import COLUMNS, ArchiveRow, row_of, schema, table_of
from engine.events.normalizing import normalize, normalize_json
from engine.language.times import read_moment
from tests.archive.made import TODAY, row
from tests.events.strategies import EVENTS

NOON = int(datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()) * 1_000_000
NOTHING = ArchiveRow("web", "m", *(None,) * 9, NOON, NOON, *(None,) * 7)
TIMES = ("timestamp", "receivedAt", "sentAt", "originalTimestamp")
ENDS = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
TRACK = {"type": "track", "event": "E", "userId": "u"}
TRACKED = NOTHING._replace(type="track", event="E", user_id="u")

CASES: dict[str, tuple[bytes, ArchiveRow]] = {
    "not JSON": (b"nope", NOTHING),
    "a list": (b"[]", NOTHING),
    "too deep": (orjson.dumps(TRACK)[:-1] + b',"properties":' + b"[" * 300 + b"]" * 300 + b"}", NOTHING),
    "half of a surrogate pair": (
        b'{"type":"track","event":"a\\ud800b","userId":"u"}',
        TRACKED._replace(event="a\N{REPLACEMENT CHARACTER}b"),
    ),
    "NUL": (
        b'{"type":"track","event":"E","userId":"u\\u0000","traits":{"\\u0000":"\\u0000"}}',
        TRACKED._replace(user_id="u\0", traits='{"\\u0000":"\\u0000"}'),
    ),
    "a huge integer": (
        orjson.dumps(TRACK)[:-1] + b',"properties":{"n":1' + b"0" * 400 + b"}}",
        TRACKED._replace(properties='{"n":null}'),
    ),
    "an unknown type stays in other": (
        b'{"type":"buy","userId":7,"timestamp":"0001-01-01T00:00:00Z"}',
        NOTHING._replace(other='{"userId":7,"type":"buy"}'),
    ),
    "values of the wrong kind stay in other": (
        b'{"type":"track","event":"E","userId":"u","traits":[1],"name":5,"sentAt":"never","more":true}',
        TRACKED._replace(other='{"more":true,"name":5,"traits":[1],"sentAt":"never"}'),
    ),
    "an id that is a number": (b'{"type":"track","event":"E","userId":12}', TRACKED._replace(user_id="12")),
    "a year that no mapping sees": (
        b'{"type":"track","event":"E","userId":"u","timestamp":"9999-12-31T23:59:59.999999Z"}',
        TRACKED,
    ),
    "times at the ends of the calendar": (
        orjson.dumps({**TRACK, **dict(zip(TIMES[2:], ENDS, strict=True)), "timestamp": TODAY}),
        TRACKED._replace(sent_at=-62135596800000000, original_timestamp=253402300799999999),
    ),
    "receipt in the year 1": (
        b'{"type":"track","event":"E","userId":"u","receivedAt":"0001-01-01T00:00:00Z"}',
        TRACKED,
    ),
    "32 KB": (
        orjson.dumps({**TRACK, "properties": {"x": "y" * 32_000}}),
        TRACKED._replace(properties='{"x":"' + "y" * 32_000 + '"}'),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), CASES.values(), ids=CASES)
def test_no_event_stops_a_batch(raw: bytes, expected: ArchiveRow) -> None:
    found = row_of(normalize_json(raw, received_at=TODAY), "web", "m", TODAY)
    assert found == expected
    assert table_of([found], 1).num_rows == 1


def test_a_receipt_that_is_no_time_is_that_of_a_damaged_outbox() -> None:
    found = row_of(normalize_json(b"{}"), "web", "m", "damaged")
    assert (found.received_at, found.timestamp) == (31_536_000_000_000, 31_536_000_000_000)


@settings(max_examples=15)
@given(EVENTS)
def test_a_row_says_what_mappings_see(event: object) -> None:
    """Times to the microsecond, IDs and objects as they are in the normalized event; nothing of it is lost."""
    found = normalize(event, received_at=TODAY)
    made = row_of(found, "web", "m", TODAY)
    assert made.type == (None if found.invalid else found.call)
    if found.invalid is None:
        moment = read_moment(found.event.get("timestamp"))
        assert moment is not None
        assert made.timestamp == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert made.timestamp <= made.received_at + 48 * 3600 * 1_000_000
    other = {} if made.other is None else orjson.loads(made.other)
    columns = {"userId": made.user_id, "anonymousId": made.anonymous_id, "previousId": made.previous_id}
    columns |= {"groupId": made.group_id, "event": made.event, "name": made.name, "category": made.category}
    columns |= {
        name: None if text is None else orjson.loads(text)
        for name, text in (("traits", made.traits), ("properties", made.properties), ("context", made.context))
    }
    for name, value in columns.items():
        assert found.event.get(name) == (other.get(name) if value is None else value)
    table_of([made], 1)


def test_rows_are_numbered_in_their_order_and_sorted_by_time() -> None:
    late, early = row(1, timestamp="2026-11-29T11:00:00Z"), row(2, timestamp="2026-11-29T10:00:00Z")
    table = table_of([late, early], 7)
    assert table.column_names == [*COLUMNS]
    assert table["row"].to_pylist() == [8, 7]
    assert table.schema.equals(schema(), check_metadata=True)


def test_text_that_is_no_utf8_is_replaced() -> None:
    assert table_of([row(1)._replace(source="\ud800")], 1)["source"].to_pylist() == ["?"]


def test_no_rows() -> None:
    assert table_of([], 1).num_rows == 0
