"""When definitions run: due, late, failed, unfinished, and with a clock that goes back."""

from __future__ import annotations

import pytest

from engine.audiences.schedule import CLOCK_WENT_BACK, LastRun, PlannedRun, Scheduled, pause_after, planned

HOUR = 3600.0
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("last", "at", "note"),
    [
        pytest.param(None, NOW, "", id="never ran: now"),
        pytest.param(LastRun(NOW - 60), NOW - 60 + HOUR, "", id="an hour after its start"),
        pytest.param(LastRun(NOW - 10 * 24 * HOUR), NOW - 10 * 24 * HOUR + HOUR, "", id="ten days late: due, once"),
        pytest.param(LastRun(NOW - 10, failures=1), NOW + 50, "", id="failed: soon again"),
        pytest.param(LastRun(NOW - 10, failures=3), NOW + 230, "", id="failed three times: later"),
        pytest.param(LastRun(NOW - 10, failures=99), NOW - 10 + HOUR, "", id="never later than an hour"),
        pytest.param(LastRun(NOW - 10, unfinished=True), NOW, "", id="events are left: now"),
        pytest.param(LastRun(NOW - 10, 1, unfinished=True), NOW + 50, "", id="they could not be sent: a pause"),
        pytest.param(LastRun(NOW + 9 * HOUR), NOW, CLOCK_WENT_BACK, id="the clock went back"),
        pytest.param(LastRun(NOW), NOW + HOUR, "", id="began this moment"),
    ],
)
def test_next_run(last: LastRun | None, at: float, note: str) -> None:
    known = {} if last is None else {"a": last}
    assert planned([Scheduled("a", HOUR)], known, NOW) == [PlannedRun("a", at, note)]


def test_what_is_left_of_a_run_by_hand_is_sent_too() -> None:
    left = LastRun(NOW - 10, unfinished=True)
    assert planned([Scheduled("by hand", None)], {"by hand": left}, NOW) == [PlannedRun("by hand", NOW)]
    assert planned([Scheduled("by hand", None)], {"by hand": LastRun(NOW - 10)}, NOW) == []


def test_the_most_overdue_comes_first_and_those_by_hand_never() -> None:
    definitions = [
        Scheduled("new", HOUR),
        Scheduled("by hand", None),
        Scheduled("late", HOUR),
        Scheduled("new 2", HOUR),
    ]
    found = planned(definitions, {"late": LastRun(NOW - 2 * HOUR)}, NOW)
    assert [each.key for each in found] == ["late", "new", "new 2"]


def test_a_late_one_runs_once() -> None:
    started = NOW - 10 * HOUR
    assert planned([Scheduled("a", HOUR)], {"a": LastRun(started)}, NOW)[0].at <= NOW
    assert planned([Scheduled("a", HOUR)], {"a": LastRun(NOW)}, NOW + 1)[0].at == NOW + HOUR


def test_pauses_grow() -> None:
    assert [pause_after(number) for number in (1, 2, 3, 6, 7, 8, 1000)] == [60, 120, 240, 1920, 3600, 3600, 3600]
