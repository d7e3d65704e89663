"""Rate limits, pauses, Retry-After, the safety valve: pure, so the clock is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.sending.pacing import Pace, Restarts, Retry, SafetyValve, TokenBucket, retry_after
from engine.language.times import seconds

NOW = 1_760_000_000.0


def test_a_bucket_gives_its_size_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket("2/s", NOW)
    assert [bucket.wait(NOW) for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    assert bucket.wait(NOW + 10) == 0.0


@pytest.mark.parametrize(("rate", "waits"), [("1/m", [0, 60, 120]), ("2/h", [0, 0, 1800]), ("", [0, 0, 0])])
def test_periods(rate, waits) -> None:
    bucket = TokenBucket(rate, NOW)
    assert [bucket.wait(NOW) for _ in range(3)] == waits


def test_a_clock_that_goes_back_fills_no_bucket() -> None:
    bucket = TokenBucket("1/s", NOW)
    assert [bucket.wait(NOW), bucket.wait(NOW - 1000), bucket.wait(NOW - 999)] == [0.0, 1.0, 1.0]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_bucket_lets_more_through_than_its_rate(steps) -> None:
    bucket, now, times = TokenBucket("5/s", 0.0), 0.0, []
    for step in steps:
        now += step
        times.append(now + bucket.wait(now))
    for start in times:
        assert sum(start <= each < start + 1 - 1e-6 for each in times) <= 2 * 5


def test_words_of_what_is_no_rate_and_no_duration() -> None:
    with pytest.raises(ValueError, match=r'^"fast" is not a rate limit; write e\.g\. 100/s, 100/m or 100/h$'):
        TokenBucket("fast", NOW)
    with pytest.raises(
        ValueError, match=r'^"1w" is not a duration; write a whole number and ms, s, m, h or d, e\.g\. 30s$'
    ):
        seconds("1w")
    assert [seconds(each) for each in ("500ms", "30s", "5m", "24h", "7d")] == [0.5, 30, 300, 86400, 604800]


def pace(random: float = 1.0) -> Pace:
    return Pace(Retry(86400, 1.0, 300.0), 8, lambda: random)


def test_waits_double_up_to_the_longest() -> None:
    one, now, waits = pace(), NOW, []
    for _ in range(11):
        waits.append(one.failed(now, now, None))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_jitter_is_full() -> None:
    assert [pace(random).failed(NOW, NOW, None) for random in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]


def test_a_failing_connection_pauses_then_probes_then_goes_on() -> None:
    one = pace()
    assert one.slots(NOW) == 8
    one.failed(NOW, NOW, None)
    assert [one.slots(NOW), one.slots(NOW + 0.99), one.slots(NOW + 1)] == [0, 0, 1]
    one.succeeded(NOW + 1)
    assert one.slots(NOW + 1) == 8


def test_requests_that_were_out_together_fail_once() -> None:
    one = pace()
    waits = [one.failed(NOW, NOW + each / 10, None) for each in range(5)]
    assert waits == pytest.approx([1.0] * 5)
    assert one.failed(NOW + 2, NOW + 2, None) == 2.0


def test_a_pause_is_reported_once_and_again_where_it_becomes_much_longer() -> None:
    one = pace()
    reported = []
    for at, header in [(0.0, None), (0.1, None), (0.2, 1.5), (0.3, 60.0), (0.4, 90.0), (0.5, 200.0)]:
        one.failed(NOW, NOW + at, header)
        reported.append(one.worth_reporting)
    assert reported == [True, False, False, True, False, True]
    one.failed(NOW + 201, NOW + 201, None)
    assert one.worth_reporting, "the probe failed: another pause"


def test_the_first_success_says_since_when_it_failed() -> None:
    one = pace()
    assert one.succeeded(NOW) is None
    one.failed(NOW, NOW + 1, None)
    one.failed(NOW + 2, NOW + 3, None)
    assert [one.succeeded(each) for each in (NOW, NOW + 9, NOW + 10)] == [None, NOW + 1, None]


def test_restarts_wait_longer_each_time_and_anew_after_it_worked() -> None:
    restarts = Restarts(5.0, 60.0)
    assert [restarts.failed(0.1) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    assert [restarts.failed(each) for each in (60.1, 59.9)] == [5, 10]


def test_an_answer_to_an_older_request_proves_nothing() -> None:
    one = pace()
    one.failed(NOW, NOW + 1, None)
    one.succeeded(NOW)
    assert one.slots(NOW + 5) == 1
    assert one.failing_since == NOW + 1


def test_retry_after_is_kept_to_up_to_an_hour() -> None:
    assert pace().failed(NOW, NOW, 7.0) == 7.0
    assert pace().failed(NOW, NOW, 86400.0) == 3600.0
    one = pace()
    one.failed(NOW, NOW, 10.0)
    assert one.failed(NOW, NOW, 1.0) == 10.0, "a shorter one does not shorten the pause"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("Thu, 09 Oct 2025 08:54:00 GMT", 40.0),
        ("Thursday, 09-Oct-25 08:54:00 GMT", 40.0),
        ("Thu, 09 Oct 2024 08:54:00 GMT", 0.0),
        ("Thu, 09 Oct 2025 08:54:00", 40.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 400, 9999999999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, found) -> None:
    assert retry_after(header, NOW) == found


def test_twenty_refusals_in_a_row_trip_the_valve() -> None:
    valve = SafetyValve()
    assert [valve.rejected(400) for _ in range(20)] == [False] * 19 + [True]
    assert valve.reason() == (
        "20 refusals in a row with status 400 and nothing accepted in between; the event refused last "
        "was not rejected, it waits"
    )


def test_an_acceptance_or_another_status_begins_anew() -> None:
    valve = SafetyValve()
    for _ in range(19):
        valve.rejected(400)
    valve.accepted()
    assert not any(valve.rejected(400) for _ in range(19))
    assert not any(valve.rejected(422) for _ in range(19))
    assert valve.rejected(422)
