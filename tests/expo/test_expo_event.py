from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.expo.events import Identity, TooLarge, clean, moment, text_of
from engine.records import Json, Report


class Word(StrEnum):
    KEY = "key"


class Number(IntEnum):
    SEVEN = 7


class Share(float):
    pass


def cleaned(value: Any) -> tuple[dict[str, Json], list[str]]:
    reports: list[Report] = []
    return clean(value, "properties", reports.append), [report.message for report in reports]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": 2.5, "c": True, "d": None, "e": "x"}, {"a": 1, "b": 2.5, "c": True, "d": None, "e": "x"}),
        ({"a": (1, [2, {"b": 3}])}, {"a": [1, [2, {"b": 3}]]}),
        (OrderedDict(a=OrderedDict(b=1)), {"a": {"b": 1}}),
        ({"t": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)}, {"t": "2026-01-02T03:04:05.678Z"}),
        ({"t": datetime(2026, 1, 2, 3, 4, 5, 0, timezone(timedelta(hours=2)))}, {"t": "2026-01-02T01:04:05.000Z"}),
        ({"t": datetime(2026, 1, 2, 3, 4, 5)}, {"t": "2026-01-02T03:04:05.000"}),  # noqa: DTZ001
        ({"t": date(2026, 1, 2)}, {"t": "2026-01-02"}),
        ({Word.KEY: Word.KEY, "n": Number.SEVEN, "f": Share(0.5)}, {"key": "key", "n": 7, "f": 0.5}),
        ({"n": 2**64 - 1, "m": -(2**63)}, {"n": 2**64 - 1, "m": -(2**63)}),
    ],
)
def test_what_has_a_json_form_is_kept(value: Any, expected: Any) -> None:
    kept, reports = cleaned(value)
    assert (kept, reports) == (expected, [])
    assert orjson.loads(orjson.dumps(kept)) == expected


CYCLE: dict[str, Any] = {"a": 1}
CYCLE["self"] = {"again": CYCLE}
DEEP: dict[str, Any] = {}
for _ in range(70):
    DEEP = {"d": DEEP}
LEFT_OUT = "; it was left out. Use text, numbers or true/false."


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        ({"a": float("nan")}, {}, "properties.a is not a finite number"),
        ({"a": [1, float("inf")]}, {"a": [1, None]}, "properties.a[1] is not a finite number"),
        ({"a": 2**64}, {}, "properties.a is a whole number of more than 64 bits"),
        ({"a": b"x"}, {}, "properties.a has no JSON form (bytes)"),
        ({"a": {1, 2}}, {}, "properties.a has no JSON form (set)"),
        ({"a": {1: 2, "b": 3}}, {"a": {"b": 3}}, "properties.a has a key that is not text (int)"),
        (CYCLE, {"a": 1, "self": {}}, "properties.self.again contains itself"),
    ],
)
def test_what_has_none_is_left_out_and_reported(value: Any, expected: Any, message: str) -> None:
    assert cleaned(value) == (expected, [message + LEFT_OUT])


def test_depth_and_number_of_values_are_limited() -> None:
    assert cleaned(DEEP)[1] == ["properties" + ".d" * 64 + " is nested deeper than 64" + LEFT_OUT]
    shared: list[Any] = [1]
    for _ in range(60):
        shared = [shared, shared]  # a small object that is vast when written
    with pytest.raises(TooLarge):
        cleaned({"a": shared})


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_becomes_one_that_can_be_written(text: str) -> None:
    mended = text_of(text)
    assert mended.encode().decode() == mended
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        assert mended == text


def test_identities_are_replaced_not_changed() -> None:
    nobody = Identity("anon")
    one = nobody.identified("u1", {"a": 1})
    assert one.identified("u1", {"b": 2}) == Identity("anon", "u1", {"a": 1, "b": 2})
    assert one.identified("u2", {}) == Identity("anon", "u2", {})
    assert (nobody, one) == (Identity("anon", None, {}), Identity("anon", "u1", {"a": 1}))


def test_moments_have_milliseconds_and_z() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(1767323045.6789) == "2026-01-02T03:04:05.678Z"
