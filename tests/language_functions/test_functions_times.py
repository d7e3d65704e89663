"""What counts as a time; the quick way in and the careful one must agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language import times
from engine.language.times import in_milliseconds, iso_text, moment_at, read_moment, read_offset, read_time
from engine.records import Json, Secret
from tests.tables import each

NOON = 1567339200

READ: list[tuple[Json, float]] = [
    ("2019-09-01T12:00:00Z", NOON),
    ("2019-09-01T12:00:00.123Z", NOON + 0.123),
    ("2019-09-01T12:00:00,5Z", NOON + 0.5),
    ("2019-09-01T12:00:00.123456789Z", NOON + 0.123456),
    ("  2019-09-01T12:00:00Z\n", NOON),
    ("2019-09-01t12:00:00z", NOON),
    ("2019-09-01 12:00:00 Z", NOON),
    ("2019-09-01T12:00:00", NOON),
    ("2019-09-01 12:00", NOON),
    ("2019-09-01T14:00+02", NOON),
    ("2019-09-01T14:00:00+0200", NOON),
    ("2019-09-01T14:00:00.25+02:00", NOON + 0.25),
    ("2019-09-01T08:30:00-03:30", NOON),
    ("2019-09-01T12:00:00-00:00", NOON),
    ("2019-09-01", NOON - 43200),
    ("2019-08-31T24:00:00Z", NOON - 43200),
    ("2019-08-31T24:00:00.000Z", NOON - 43200),
    ("2019-08-31T24:00", NOON - 43200),
    ("2016-12-31T23:59:60Z", 1483228800),
    ("2016-12-31T23:59:60.500Z", 1483228800.5),
    ("2017-01-01T05:29:60+05:30", 1483228800),
    ("2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29", 1589068489.209808),
    ("2020-05-10 01:54:49 +0200 CEST", 1589068489),
    ("2020-05-10 01:54:49 +0200 +02 m=-1.5", 1589068489),
    ("1969-12-31T23:59:59.5Z", -0.5),
    ("0001-01-01", -62135596800),
    ("9999-12-31T23:59:59Z", 253402300799),
    (NOON, NOON),
    (0, 0),
    (-1.5, -1.5),
    (99999999999, 99999999999),
    (100000000000, 100000000),
    (-100000000000, -100000000),
    (1567339200123, NOON + 0.123),
    (f"{NOON}", NOON),
    (" 1.567339200e9 ", NOON),
    ("1567339200123", NOON + 0.123),
    ("0", 0),
    (Secret("2019-09-01T12:00:00Z"), NOON),
]
REFUSED: list[Json] = [
    "",
    "now",
    "2019",
    "2019-09",
    "20190901",
    "20190901T120000Z",
    "2019-W35",
    "2019-W35-1",
    "2019-W35-1T12:00:00Z",
    "2019-W35-1T12:00:00.123Z",
    "2019-244",
    "12:00:00",
    "01/09/2019",
    "2019-9-1",
    "2019-02-29",
    "2019-13-01T12:00:00Z",
    "2019-09-01T",
    "2019-09-01T12",
    "2019-09-01T12:0000.123Z",
    "2019-09-01T1200:00Z",
    "2019-09-01x12:00:00Z",
    "2019-09-01T12:00:00.Z",
    "2019-09-01T12:00:00+24:00",
    "2019-09-01T12:00:00 CEST",
    "2019-09-01 12:00:00 UTC",
    "2019-09-01T12:00:00Z UTC",
    "2019-09-01T12:00:00+02:00:30",
    "2019-09-01T12:00:00+02:00[Europe/Berlin]",
    "2019-09-01T24:00:01Z",
    "2019-09-01T24:30:00Z",
    "2019-09-01T24:00:60Z",
    "2019-09-01T25:00:00Z",
    "2019-09-01T12:60:00Z",
    "2019-09-01T12:00:61Z",
    "\u0662\u0660\u0661\u0669-09-01",
    "2019-09-01T12:00:0\ud800Z",
    "0000-01-01",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:60Z",
    "9999-12-31T24:00:00Z",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01",
    "1_567_339_200",
    "NaN",
    "1e999999",
    "9" * 5000,
    "2019-09-01T12:00:00." + "1" * 5000 + "Z",
    -62135596801000,
    253402300800000,
    10**400,
    -(10**400),
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    ["2019-09-01"],
    {},
]


@each("value, seconds", READ)
def test_a_time_is_read(value: Json, seconds: float) -> None:
    assert read_time(value) == pytest.approx(seconds, abs=1e-7, rel=0)
    moment = read_moment(value)
    assert moment is not None
    assert moment.utcoffset() == timedelta(0)
    assert moment.timestamp() == pytest.approx(seconds, abs=1e-6, rel=0)


@each("value", REFUSED)
def test_anything_else_is_no_time(value: Json) -> None:
    assert read_time(value) is None
    assert read_moment(value) is None
    assert read_offset(value) is None


@pytest.mark.parametrize(
    ("value", "large"),
    [
        (1e11, True),
        (-1e11, True),
        ("1567339200123", True),
        (99999999999, False),
        ("1567339200", False),
        ("2019-09-01", False),
        (True, False),
        ([], False),
    ],
)
def test_milliseconds_are_told_by_their_size(value: Json, large: bool) -> None:
    assert in_milliseconds(value) is large


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (NOON + 0.123, "2019-09-01T12:00:00.123Z"),
        (NOON + 0.0004, "2019-09-01T12:00:00Z"),
        (-62135596800, "0001-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_written_in_utc(seconds: float, text: str) -> None:
    moment = moment_at(seconds)
    assert moment is not None
    assert iso_text(moment) == text


def test_there_is_no_moment_after_the_year_9999() -> None:
    assert moment_at(253402300800) is None
    assert moment_at(-1e300) is None


MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001


@given(MOMENTS)
def test_what_datetime_writes_is_read_back(moment: datetime) -> None:
    text = moment.isoformat()
    offset = moment.utcoffset()
    if offset is not None and offset.seconds % 60 == 0:  # local mean times of the 19th century have seconds
        assert read_moment(text) == moment.astimezone(UTC)


SHAPES = [
    "2019-09-01T12:00:00.123456Z",
    "2019-09-01T12:00:00.123Z",
    "2019-09-01T12:00:00Z",
    "2019-W35-1T12:00:00.123Z",
    "2019-09-01T24:00:00Z",
]
CHANGES = st.tuples(st.integers(0, 23), st.sampled_from("0129-+:.,ZTtzW 60٣\ud800"))


@given(st.sampled_from(SHAPES), st.lists(CHANGES, max_size=3))
def test_the_quick_way_accepts_nothing_more_than_the_careful_one(text: str, changes: list[tuple[int, str]]) -> None:
    for place, sign in changes:
        text = text[:place] + sign + text[place + 1 :]
    quick, careful = times._common_moment(text), times._moment(text)
    assert quick is None or quick == careful
