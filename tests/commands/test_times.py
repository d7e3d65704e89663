"""The times that `--since`, `--until` and `--older-than` read: local time where they name no zone, as `list` shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from engine.commands.options import parse_time
from engine.errors import UsageError

NOW = 1_769_854_530.0
"""2026-01-31 10:15:30 in UTC, 05:15:30 in New York."""

HOUR = 3600.0


@pytest.fixture(autouse=True)
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("2h", 2 * HOUR),
        ("2026-01-31T10:15:30Z", 0),
        ("2026-01-31 10:15:30+01:00", HOUR),
        ("2026-01-31 05:15:30", 0),
        ("2026-01-31T04:15", HOUR + 30),
        ("2026-01-31", 5 * HOUR + 930),
        ("05:15:30", 0),
        ("04:15", HOUR + 30),
        ("05:15:31", 24 * HOUR - 1),
        (" 06:15 ", 23 * HOUR + 30),
        ("01-30 05:15", 24 * HOUR + 30),
        ("1769854530", 0),
        ("0001-01-01", NOW + 62_135_596_800),
    ],
)
def test_a_time_without_a_zone_is_local(text: str, ago: float) -> None:
    assert NOW - parse_time(text, NOW) == pytest.approx(ago, abs=6 * HOUR if text.startswith("0001") else 0.001)


@pytest.mark.parametrize("text", ["25:00", "5:15", "02-30 10:00", "20260131", "tomorrow", "-5m", "", "1\x1b[31m"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_time(text, NOW)
    shown = text.replace("\x1b", "\\u001b")
    assert str(raised.value) == (
        f'"{shown}" is not a time: write how long ago (30m, 2h, 7d), a time of day (14:30), or a date such as '
        "2026-01-31 or 2026-01-31T12:00:00Z."
    )
