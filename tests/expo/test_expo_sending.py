"""When batches leave, how they are tried again, and that threads end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.expo import Flushed, Limits, Segment
from engine.expo.sending import due_in
from tests.expo.collector_stub import Reply, Stub, Time, client, codes

L = Limits()


@pytest.mark.parametrize(
    ("waiting", "since", "retry_at", "now", "seconds"),
    [
        (0, None, None, 100.0, None),
        (1, 100.0, None, 100.0, 30.0),
        (1, 100.0, None, 129.0, 1.0),
        (1, 100.0, None, 200.0, 0.0),
        (19, 100.0, None, 100.0, 30.0),
        (20, 100.0, None, 100.0, 0.0),
        (1000, 100.0, 107.0, 100.0, 7.0),  # a pause holds however many wait
        (1, 100.0, 90.0, 100.0, 0.0),
    ],
)
def test_what_is_due(waiting: int, since: float | None, retry_at: float | None, now: float, seconds: float) -> None:
    assert due_in(waiting, since, retry_at, now, L) == seconds


def test_batches_hold_at_most_a_hundred_events_and_475_000_bytes(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path, gzip=False) as segment:
        segment.initialize_ios("ios-key")
        for _ in range(230):
            segment.track("small")
        for _ in range(20):
            segment.track_with_properties("large", {"text": "x" * 31_000})
        assert segment.flush() == Flushed(sent=250)
    assert [len(request.body["batch"]) for request in stub.requests] == [100, 100, 44, 6]
    assert max(int(request.headers["Content-Length"]) for request in stub.requests) <= 475_000


def test_a_failure_keeps_the_events_and_waits_longer_each_time(stub: Stub, tmp_path: Path) -> None:
    stub.replies = [Reply(503, text="busy"), Reply(500, text=""), Reply(302, text="")]
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert segment.flush() == Flushed(waiting=1, reason="the collector returned 503 (busy)")
        segment.track("B")
        assert segment.flush().reason == "the collector returned 500"
        assert segment.flush().reason == "the collector returned 302 (a redirect: use its target as the endpoint)"
        assert segment.flush() == Flushed(sent=2)
        assert [report.message for report in segment.reports] == [
            "1 event was kept: the collector returned 503 (busy). The next attempt is in 0.5 s.",
            "2 events were kept: the collector returned 500. The next attempt is in 1.0 s.",
            (
                "2 events were kept: the collector returned 302 (a redirect: use its target as the endpoint). "
                "The next attempt is in 2.0 s."
            ),
        ]
    assert [len(request.body["batch"]) for request in stub.requests] == [1, 2, 2, 2]
    ids = [event["messageId"] for event in stub.events]
    assert ids[0] == ids[1] == ids[3] == ids[5]  # an event keeps its id, so that a second arrival is known as such


def test_retry_after_is_honoured_even_by_flush(stub: Stub, tmp_path: Path) -> None:
    stub.replies = [Reply(429, {"Retry-After": "60"}, "")]
    now = Time()
    with client(stub, tmp_path, time=now) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert segment.flush() == Flushed(waiting=1, reason="the collector returned 429")
        now.now += 59
        assert segment.flush() == Flushed(waiting=1, reason="the collector asked to wait; 1.0 s are left")
        assert len(stub.requests) == 1
        now.now += 1
        assert segment.flush() == Flushed(sent=1)
    assert codes(segment) == [("sending-failed", "flush")]


def test_an_unreachable_collector_keeps_the_events(stub: Stub, tmp_path: Path) -> None:
    def offline(*_: object) -> object:
        raise ConnectionRefusedError(111, "Connection refused")

    segment = client(stub, tmp_path, transport=offline)
    segment.initialize_ios("ios-key")
    segment.track("A")
    assert segment.flush() == Flushed(
        waiting=1,
        reason="the collector could not be reached (ConnectionRefusedError: [Errno 111] Connection refused)",
    )
    assert segment.close().waiting == 1


def test_another_4xx_drops_the_batch_with_a_report(stub: Stub, tmp_path: Path) -> None:
    stub.replies = [Reply(400, text="Exceed payload limit")]
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        segment.track("B")
        assert segment.flush() == Flushed(dropped=2)
        assert [report.message for report in segment.reports] == [
            (
                "2 events were dropped: the collector returned 400 (Exceed payload limit). "
                "Check the endpoint and the write key."
            )
        ]
        assert segment.flush() == Flushed()


def live(stub: Stub, storage: Path, **limits: float) -> Segment:
    return Segment("ios", stub.endpoint, storage, limits=Limits(**limits), random=lambda: 0.05)  # type: ignore[arg-type]


def test_the_thread_sends_at_twenty_events(stub: Stub, tmp_path: Path) -> None:
    with live(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        for number in range(20):
            assert not stub.requests
            segment.track(f"event {number}")
        assert stub.wait_for(requests=1)
        assert len(stub.events) == 20


def test_the_thread_sends_what_has_waited_long_enough(stub: Stub, tmp_path: Path) -> None:
    with live(stub, tmp_path, flush_every=0.05) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert stub.wait_for(requests=1)
        segment.track("B")
        assert stub.wait_for(requests=2)
        assert segment.reports == []


def test_the_thread_tries_again_by_itself(stub: Stub, tmp_path: Path) -> None:
    stub.replies = [Reply(503), Reply(503, {"Retry-After": "0"}), Reply(429)]
    with live(stub, tmp_path, flush_at=1) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert stub.wait_for(requests=4)
        assert codes(segment) == [("sending-failed", "flush")] * 3


def test_the_next_start_sends_what_the_last_one_left(stub: Stub, tmp_path: Path) -> None:
    segment = client(stub, tmp_path, transport=lambda *_: 1 / 0)
    segment.initialize_ios("ios-key")
    for _ in range(20):
        segment.track("A")
    assert segment.close().reason == "the collector could not be reached (ZeroDivisionError: division by zero)"
    with live(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        assert stub.wait_for(requests=1)


def test_the_thread_outlives_a_broken_queue(stub: Stub, tmp_path: Path) -> None:
    with live(stub, tmp_path, flush_every=0.02) as segment:
        segment.initialize_ios("ios-key")
        with segment._lock:
            segment._queue._database.execute("ALTER TABLE events RENAME TO gone")
        segment._sender.added()
        while not segment.reports:
            time.sleep(0.005)
        with segment._lock:
            segment._queue._database.execute("ALTER TABLE gone RENAME TO events")
        segment.track("A")
        assert stub.wait_for(requests=1)
    assert {report.message for report in segment.reports} == {
        "The queue could not be processed (OperationalError: no such table: events). The next attempt is in 0 s."
    }


def test_close_sends_what_waits_and_ends_the_thread(stub: Stub, tmp_path: Path) -> None:
    before = threading.active_count()
    segment = live(stub, tmp_path)
    segment.initialize_ios("ios-key")
    segment.track("A")
    assert threading.active_count() > before
    assert segment.close() == Flushed(sent=1)
    assert segment.close() == Flushed(reason="already closed")
    assert "expo-segment" not in {thread.name for thread in threading.enumerate()}


def test_close_does_not_wait_for_a_collector_that_hangs(stub: Stub, tmp_path: Path) -> None:
    released = threading.Event()
    stub.replies = [Reply(hang=released)]
    segment = live(stub, tmp_path, flush_at=1)
    segment.initialize_ios("ios-key")
    segment.track("A")
    assert stub.wait_for(requests=1)
    started = time.monotonic()
    assert segment.close(0.1) == Flushed(waiting=1, reason="a request is still running")
    assert time.monotonic() - started < 2
    released.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "expo-segment"]
    thread.join(5)
    assert not thread.is_alive()
    assert segment.reports == []
    with client(stub, tmp_path) as again:  # nobody knows whether it arrived: it is sent once more, with its id
        again.initialize_ios("ios-key")
    assert len({event["messageId"] for event in stub.events}) == 1


def test_many_threads_track_at_once(stub: Stub, tmp_path: Path) -> None:
    with live(stub, tmp_path, flush_at=10) as segment:
        segment.initialize_ios("ios-key")
        threads = [
            threading.Thread(target=lambda: [segment.track(f"{number}") for number in range(25)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stub.events) == 200
    assert len({event["messageId"] for event in stub.events}) == 200
    assert segment.reports == []
