"""What intake fixes: messageIds, also of events without one, and the time of receipt."""

from __future__ import annotations

import io

import orjson
import pytest

from engine.delivery.intake import iso, new_events, taken_in
from engine.delivery.outbox.base import TakenIn, Waiting
from engine.delivery.sending import jobs
from engine.delivery.sending.jobs import SharedEvents, normalized
from engine.events.reading import read_events
from engine.plan import load
from engine.records import Report
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
    assert taken[0] == [TakenIn(100), TakenIn(100), TakenIn(50)]
    assert taken[1] == [TakenIn(0, 100, {"a": 100}), TakenIn(0, 100, {"a": 100}), TakenIn(50, 50, {"a": 50})]


def test_planning_sees_what_intake_fixed() -> None:
    outbox = MemoryOutbox()
    reader = read_events("-", stdin=io.BytesIO(LINE + b'{"type":"track","userId":"u","event":"E","messageId":"own"}'))
    assert [*taken_in(outbox, new_events(reader, "files", RECEIVED), ["a"], lambda: 1.0)] == [TakenIn(2)]
    rows = outbox.waiting("a", 0, 10)
    events = [normalized(row).event for row in rows]
    assert [event["messageId"] for event in events] == [rows[0].message_id, "own"]
    assert {event["timestamp"] for event in events} == {RECEIVED}
    assert normalized(rows[0]._replace(raw=b"{")).invalid == (
        "not valid JSON: unexpected end of data: line 1 column 2 (char 1)"
    )


def test_times_are_written_as_segment_writes_them() -> None:
    assert iso(1_760_000_000.1239) == "2025-10-09T08:53:20.123Z"


def row(number: int, raw: bytes = LINE) -> Waiting:
    return Waiting(number, number, "m", RECEIVED, raw, None, None, None, 1.0)


def test_connections_that_share_a_reader_get_one_event() -> None:
    read = SharedEvents().read
    event = read(row(1))
    assert event == normalized(row(1))
    assert read(row(1)._replace(place=2, progress="{}", digest="d", tried_at=2.0)) is event


CHANGED = {
    "raw": b'{"type":"track","userId":"v","event":"E"}',
    "message_id": "other",
    "received_at": "2026-01-01T00:00:01.000Z",
    "reports": (Report("a", "b", "c"),),
}


@pytest.mark.parametrize(("name", "value"), CHANGED.items(), ids=CHANGED)
def test_an_event_that_others_have_changed_in_the_file_is_read_again(name, value) -> None:
    read = SharedEvents().read
    read(row(1))
    changed = row(1)._replace(**{name: value})
    assert read(changed) == normalized(changed) != normalized(row(1))
    assert read(changed) is read(changed)


def test_what_a_reader_remembers_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(jobs, "MOST_EVENTS", 3)
    read = SharedEvents().read
    first = [read(row(number)) for number in range(4)]
    assert [read(row(number)) is first[number] for number in (1, 2, 3, 0)] == [True, True, True, False]

    large = b'{"type":"track","userId":"u","event":"%s"}' % (b"E" * (jobs.MOST_RAW // 2))
    read = SharedEvents().read
    first = [read(row(number, raw)) for number, raw in enumerate([LINE, large, large, LINE])]
    assert [read(row(n, raw)) is first[n] for n, raw in ((2, large), (3, LINE), (0, LINE), (1, large))] == [
        *(True, True),
        *(False, False),
    ]

    huge = large.replace(b"E", b"EEE")
    assert read(row(9, huge)) == read(row(9, huge))
    assert read(row(9, huge)) is not read(row(9, huge))


@pytest.mark.parametrize("name", ["exponea", "extole", "user_com", "webhook"])
def test_a_plan_does_not_change_the_event_that_other_connections_plan_too(name) -> None:
    target = load(name)
    connection = target.connect(target.example_settings())
    values = [
        {"type": "identify", "traits": {"email": "a@b.c", "address": {"city": "x"}, "tags": [{"a": 1}]}},
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {"products": [{"id": 1}, {"id": 2}], "a": {"b": 1}},
        },
        {"type": "page", "name": "Home", "properties": {"url": "https://example.com/"}},
        {"type": "group", "groupId": "g", "traits": {"name": "G"}},
    ]
    for value in values:
        raw = orjson.dumps({**value, "userId": "u", "anonymousId": "b", "context": {"page": {"path": "/"}}})
        event = normalized(row(1, raw))
        connection.plan_normalized(event, now=1.0)
        assert event == normalized(row(1, raw))
