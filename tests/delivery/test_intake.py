"""What intake fixes: messageIds, also of events without one, and the time of receipt."""

from __future__ import annotations

import io

import pytest

from engine.delivery.intake import iso, new_events, taken_in
from engine.delivery.sending.jobs import normalized
from engine.events.reading import read_events
from tests.delivery.memory_outbox import MemoryOutbox

RECEIVED = "2026-01-01T00:00:00.000Z"
LINE = b'{"type":"track","userId":"u","event":"E"}\n'


def ids(content: bytes, source: str = "files") -> list[str]:
    reader = read_events("-", stdin=io.BytesIO(content))
    return [event.message_id for event in new_events(reader, source, RECEIVED)]


def test_an_events_own_id_is_kept() -> None:
    assert ids(b'{"messageId":"a"}\n{"messageId":"b"}') == ["a", "b"]


@pytest.mark.parametrize("written", ['""', '"  "', "7", "null", "{}"])
def test_what_is_no_text_is_no_id(written) -> None:
    [found] = ids(b'{"messageId":%s}' % written.encode())
    assert found.startswith("derived-")


def test_equal_lines_are_two_events() -> None:
    assert len(set(ids(LINE * 3))) == 3


def test_a_file_read_again_has_the_same_ids_also_when_it_has_grown() -> None:
    first = ids(LINE * 3)
    assert ids(LINE * 3) == first
    assert ids(LINE * 3 + b'{"type":"page"}')[:3] == first


@pytest.mark.parametrize(
    ("content", "source"),
    [(LINE * 2, "another source"), (b" " + LINE * 2, "files"), (b'{"type":"page"}\n' + LINE, "files")],
)
def test_another_source_or_content_gives_other_ids(content, source) -> None:
    assert set(ids(content, source)).isdisjoint(ids(LINE * 2))


def test_a_file_that_is_sent_twice_doubles_nothing() -> None:
    outbox = MemoryOutbox()
    taken = []
    for content in (LINE * 250, LINE * 300):
        reader = read_events("-", stdin=io.BytesIO(content))
        taken.append([*taken_in(outbox, new_events(reader, "files", RECEIVED), ["a"], lambda: 1.0)])
    assert taken[0] == [(100, 0, {}), (100, 0, {}), (50, 0, {})]
    assert taken[1] == [(0, 100, {"a": 100}), (0, 100, {"a": 100}), (50, 50, {"a": 50})]


def test_planning_sees_what_intake_fixed() -> None:
    outbox = MemoryOutbox()
    reader = read_events("-", stdin=io.BytesIO(LINE + b'{"type":"track","userId":"u","event":"E","messageId":"own"}'))
    assert [*taken_in(outbox, new_events(reader, "files", RECEIVED), ["a"], lambda: 1.0)] == [(2, 0, {})]
    rows = outbox.waiting("a", 0, 10)
    events = [normalized(row).event for row in rows]
    assert [event["messageId"] for event in events] == [rows[0].message_id, "own"]
    assert {event["timestamp"] for event in events} == {RECEIVED}
    assert normalized(rows[0]._replace(raw=b"{")).invalid == (
        "not valid JSON: unexpected end of data: line 1 column 2 (char 1)"
    )


def test_times_are_written_as_segment_writes_them() -> None:
    assert iso(1_760_000_000.1239) == "2025-10-09T08:53:20.123Z"
