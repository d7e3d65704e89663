"""Rate limits, pauses, Retry-After, the brake, alarms: pure, so the clock is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.sending.pacing import Brake, Failure, Pace, Restarts, Retry, TokenBucket, retry_after
from engine.delivery.sending.refusals import RefusalAlarm
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


def failure(user: str = "u", *, fresh: bool = True) -> Failure:
    return Failure(frozenset([user]), fresh)


def paused(one: Pace, began: float, now: float, header: float | None = None) -> float | None:
    """Fail as with status 429."""
    return one.failed(began, now, failure(), header, at_once=True)


STREAKS = {
    "eight of three users": ("abcabcab", "", True),
    "seven": ("abcabca", "", False),
    "eight of two users": ("abababab", "", False),
    "with a success between": ("abcd", "abcdabc", False),
    "eight after a success": ("abcd", "abcdabcd", True),
}


@pytest.mark.parametrize(("before", "after", "pauses"), STREAKS.values(), ids=STREAKS)
def test_a_connection_pauses_when_the_last_eight_of_three_users_failed(before, after, pauses) -> None:
    one = pace()
    waits = [one.failed(NOW, NOW, failure(user)) for user in before]
    if after:
        one.succeeded(NOW)
        waits += [one.failed(NOW, NOW, failure(user)) for user in after]
    assert waits == [None] * (len(waits) - 1) + [1.0 if pauses else None]
    assert one.slots(NOW) == (0 if pauses else 8)


def test_events_that_fail_again_and_again_pause_nothing() -> None:
    """Ten events that the vendor cannot take are the only ones left: that says nothing of others that may come."""
    one = pace()
    for user in "abcdefg":
        assert one.failed(NOW, NOW, failure(user)) is None
    one.succeeded(NOW)
    for number in range(50):
        assert one.failed(NOW, NOW, failure("abcdefg"[number % 7], fresh=False)) is None


def test_waits_double_up_to_the_longest() -> None:
    one, now, waits = pace(), NOW, []
    for _ in range(11):
        waits.append(paused(one, now, now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [Retry().wait(count, 1.0) for count in (1, 2, 9, 10, 1000)] == [1, 2, 256, 300, 300]


def test_jitter_is_full() -> None:
    assert [paused(pace(random), NOW, NOW) for random in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]


def test_a_failing_connection_pauses_then_probes_then_goes_on() -> None:
    one = pace()
    assert (one.slots(NOW), one.probing, one.proven) == (8, False, False)
    paused(one, NOW, NOW)
    assert [one.slots(NOW), one.slots(NOW + 0.99), one.slots(NOW + 1)] == [0, 0, 1]
    assert one.probing
    assert one.failed(NOW + 1, NOW + 1, failure()) == 2.0, "a probe that fails"
    one.succeeded(NOW + 3)
    assert (one.slots(NOW + 3), one.probing, one.proven) == (8, False, True)


def test_requests_that_were_out_together_fail_once() -> None:
    one = pace()
    waits = [paused(one, NOW, NOW + each / 10) for each in range(5)]
    assert waits == pytest.approx([1.0] * 5)
    assert paused(one, NOW + 2, NOW + 2) == 2.0


def test_a_pause_is_reported_once_and_again_where_it_becomes_much_longer() -> None:
    one = pace()
    reported = []
    for at, header in [(0.0, None), (0.1, None), (0.2, 1.5), (0.3, 60.0), (0.4, 90.0), (0.5, 200.0)]:
        paused(one, NOW, NOW + at, header)
        reported.append(one.worth_reporting)
    assert reported == [True, False, False, True, False, True]
    paused(one, NOW + 201, NOW + 201)
    assert one.worth_reporting, "the probe failed: another pause"


def test_the_first_success_says_since_when_it_failed() -> None:
    one = pace()
    assert one.succeeded(NOW) is None
    paused(one, NOW, NOW + 1)
    paused(one, NOW + 2, NOW + 3)
    assert [one.succeeded(each) for each in (NOW, NOW + 9, NOW + 10)] == [None, NOW + 1, None]


def test_restarts_wait_longer_each_time_and_anew_after_it_worked() -> None:
    restarts = Restarts(5.0, 60.0)
    assert [restarts.failed(0.1) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    assert [restarts.failed(each) for each in (60.1, 59.9)] == [5, 10]


def test_an_answer_to_an_older_request_proves_nothing() -> None:
    one = pace()
    paused(one, NOW, NOW + 1)
    one.succeeded(NOW)
    assert one.slots(NOW + 5) == 1
    assert one.failing_since == NOW + 1


def test_retry_after_is_kept_to_up_to_an_hour() -> None:
    assert pace().failed(NOW, NOW, failure(), 7.0) == 7.0
    assert pace().failed(NOW, NOW, failure(), 86400.0) == 3600.0
    one = pace()
    paused(one, NOW, NOW, 10.0)
    assert paused(one, NOW, NOW, 1.0) == 10.0, "a shorter one does not shorten the pause"


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


def test_twenty_refusals_of_different_events_put_on_the_brake() -> None:
    brake = Brake()
    for _ in range(3):
        for place in range(19):
            brake.refused(place, NOW)
    assert (brake.since, brake.wait(NOW)) == (None, 0.0)
    brake.refused(19, NOW)
    assert brake.since == NOW
    assert [brake.wait(NOW), brake.wait(NOW), brake.wait(NOW + 5), brake.wait(NOW + 5.5)] == [1.0, 2.0, 0.0, 0.5]


def test_one_acceptance_takes_the_brake_off() -> None:
    brake = Brake()
    for place in range(20):
        brake.refused(place, NOW)
    brake.accepted()
    assert (brake.since, brake.wait(NOW)) == (None, 0.0)
    for place in range(19):
        brake.refused(place, NOW)
    assert brake.since is None


def alarm(results: str) -> RefusalAlarm:
    """A dot is an acceptance, d a refusal of the data, s one that speaks of the settings."""
    one = RefusalAlarm()
    for each in results:
        one.accepted() if each == "." else one.refused(422 if each == "d" else 404)
    return one


ALARMS = {
    "too few": ("d" * 19, None),
    "twenty": ("d" * 20, (20, "data", 422)),
    "a fifth": ("....s" * 20, (100, "settings", 404)),
    "less than a fifth": (".....d" * 100, None),
    "both kinds": ("s" * 10 + "d" * 10, (20, "data", 422)),
    "still more than a tenth": ("d" * 20 + "." * 89, (20, "data", 422)),
    "back to normal": ("d" * 20 + "." * 91, None),
}


@pytest.mark.parametrize(("results", "found"), ALARMS.values(), ids=ALARMS)
def test_an_alarm_is_raised_by_the_share_of_refusals(results, found) -> None:
    expected = ""
    if found is not None:
        seen, kind, status = found
        expected = (
            f"20 of the last {seen} results are refusals, most of them because of the {kind} "
            f"(the last with status {status})"
        )
    assert alarm(results).text == expected


def test_the_alarm_of_an_earlier_worker_lasts_until_enough_is_accepted() -> None:
    one = RefusalAlarm("20 of 20")
    for _ in range(49):
        one.accepted()
    assert one.text == "20 of 20"
    one.accepted()
    assert one.text == ""
