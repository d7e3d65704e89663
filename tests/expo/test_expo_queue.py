"""What is on the disk: it survives a killed app, a damaged file and a disk that cannot be written."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from engine.expo import Flushed
from engine.expo.queue import FILE, Queue
from engine.records import Report
from tests.expo.collector_stub import Stub, client, codes

KILLED = """
import os, signal, sys
from engine.expo import Segment
segment = Segment("ios", sys.argv[1], sys.argv[2], start=False)
segment.initialize_ios("ios-key")
segment.identify_with_traits("u1", {"plan": "gold"})
for number in range(30):
    segment.track(f"event {number}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_app_loses_no_event_and_no_identity(stub: Stub, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, stub.endpoint, str(tmp_path)], timeout=20, check=False)
    assert ended.returncode == -signal.SIGKILL
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("after")
        assert segment.flush() == Flushed(sent=32)
    assert [event.get("event") for event in stub.events] == [None, *(f"event {n}" for n in range(30)), "after"]
    assert {event["userId"] for event in stub.events} == {"u1"}
    assert len({event["anonymousId"] for event in stub.events}) == 1
    assert stub.events[-1]["context"]["traits"] == {"plan": "gold"}
    assert len({event["messageId"] for event in stub.events}) == 32


def test_a_key_that_is_not_given_again_keeps_its_events_waiting(stub: Stub, tmp_path: Path) -> None:
    segment = client(stub, tmp_path, transport=_offline)
    segment.initialize_ios("first")
    segment.track("A")
    assert segment.close().waiting == 1
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("second")
        segment.track("B")
        assert segment.flush() == Flushed(sent=1, waiting=1)
        assert [report.message for report in segment.reports] == [
            "Events recorded under another write key wait until that key is used again: 1."
        ]
        segment.initialize_ios("first")
        assert segment.flush() == Flushed(sent=1)
    assert [event["event"] for event in stub.events] == ["B", "A"]


def test_a_damaged_file_is_set_aside(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert [report.message for report in segment.reports] == [
            (
                f"{tmp_path / FILE} is damaged (file is not a database); it was renamed to "
                f"{FILE}.damaged and a new queue was created."
            )
        ]
    assert len(stub.events) == 1
    assert (tmp_path / f"{FILE}.damaged").read_bytes().startswith(b"this is no database")


def test_damage_in_the_middle_is_found_before_it_is_built_upon(stub: Stub, tmp_path: Path) -> None:
    segment = client(stub, tmp_path, transport=_offline)
    segment.initialize_ios("ios-key")
    for _ in range(30):
        segment.track("A")
    segment.close()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:8192] + b"?" * 8192 + whole[16384:])
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("B")
        assert codes(segment) == [("storage-damaged", "storage")]
    assert [event["event"] for event in stub.events] == ["B"]


def test_without_a_disk_memory_has_to_do(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with client(stub, tmp_path / "file" / "storage") as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
    assert len(stub.events) == 1
    assert codes(segment) == [("storage-failed", "storage")]
    assert segment.reports[0].message.endswith("events are kept in memory and lost when the app ends.")


def test_an_event_that_cannot_be_written_is_reported(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        with sqlite3.connect(tmp_path / FILE) as other:
            other.execute("DROP TABLE events")
        other.close()
        segment.track("B")
        assert [report.message for report in segment.reports] == ["track could not be stored (no such table: events)."]
    assert codes(segment)[1:] == [("storage-failed", "close")]


def test_what_is_on_its_way_is_not_dropped_to_make_room(tmp_path: Path) -> None:
    reports: list[Report] = []
    queue = Queue.open(tmp_path, 3, reports.append)
    for body in (b"1", b"2", b"3"):
        assert queue.add("source", body, None) == []
    batch = queue.next({"source"}, queue.last(), events=2, size=1000)
    assert batch is not None
    assert batch.bodies == (b"1", b"2")
    assert queue.add("source", b"4", None) == [b"3"]
    queue.put_back()
    assert queue.add("source", b"5", None) == [b"1"]
    queue.remove(batch)
    assert [queue.counts(), reports] == [{"source": 2}, []]
    queue.close()


def test_batches_keep_their_size(tmp_path: Path) -> None:
    queue = Queue.open(tmp_path, 100, lambda _: None)
    for _ in range(5):
        queue.add("source", b"x" * 99, None)
    sizes = []
    while batch := queue.next({"source"}, queue.last(), events=100, size=200):
        sizes.append(len(batch.ids))
        queue.remove(batch)
    assert sizes == [2, 2, 1]
    queue.close()


def _offline(*_: object) -> object:
    raise OSError("offline")
