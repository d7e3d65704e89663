"""What Spark's tasks do with rows, in Arrow batches and without Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from engine.backfill.counts import ConnectionCounts, Counts, counts_of
from engine.backfill.history import (
    ARCHIVED,
    COLUMNS,
    DOCUMENTS,
    LINES,
    SHARDED,
    HistoryJob,
    JobConnection,
    count_batches,
    shard_batches,
)
from engine.plan import load
from engine.spark.jobs import new_job

MAPPING = """
mapping: 1
name: shop
title: Shop
http: { base_url: "https://shop.test" }
requests:
  event: { batch: events }
  person: { method: PUT, path: "/people/${userId}" }
batches:
  events: { path: /events, max_items: 10, fields: { list: items } }
calls:
  track:
    - { request: event, fields: { name: event } }
  identify:
    - { request: person, from: traits }
"""
NOW = 1_800_000_000.0


def batch(*rows: bytes, file: str = "file:/in/a%20b.ndjson", block: int = 0) -> pa.RecordBatch:
    count = len(rows)
    columns = [pa.array([file] * count), pa.array([block] * count, pa.int64()), pa.array(rows, pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["file", "block", "raw"])


def event(number: int = 0, **fields: object) -> bytes:
    value = {
        "type": "track",
        "event": "Paid",
        "userId": "u",
        "messageId": f"m{number}",
        "timestamp": "2024-05-01T00:00:00Z",
    }
    return orjson.dumps({key: each for key, each in {**value, **fields}.items() if each is not None})


def job(**given: object) -> HistoryJob:
    return HistoryJob("web", "2027-01-15T08:00:00.000Z", NOW, **given)  # type: ignore[arg-type]


def counted(batches: Iterable[pa.RecordBatch], given: HistoryJob, kind: str = LINES) -> Counts:
    *_, last = count_batches(batches, given, kind)
    return counts_of(orjson.loads(last.column("counts")[0].as_py()))


def sharded(batches: Iterable[pa.RecordBatch], given: HistoryJob, kind: str = LINES, shards: int = 1) -> list[dict]:
    return [row for each in shard_batches(batches, given, kind, shards) for row in each.to_pylist()]


BAD_ROWS = [
    (b"oops", "not JSON: unexpected character, expected a JSON value (column 1)"),
    (b'{"type": "track"', "not JSON: unexpected end of data (column 17)"),
    (b"3", "an event must be an object; this is a number (bad_request)"),
    (b'["a"]', "an event must be an object; this is a list (bad_request)"),
    (
        b'{"type": "buy"}',
        'type must be one of identify, track, page, screen, group, alias, delete; it is "buy" (bad_request)',
    ),
    (event(userId=None), "userId or anonymousId is required (no_user_anon_id)"),
    (event(event="\x1b[31m", userId=None), "userId or anonymousId is required (no_user_anon_id)"),
]


@pytest.mark.parametrize(("raw", "reason"), BAD_ROWS)
def test_a_row_that_cannot_be_used(raw: bytes, reason: str) -> None:
    found = counted([batch(event(1), b"", raw), batch(event(2))], job())
    assert found.events == 2
    assert found.examples == [["/in/a b.ndjson:3", reason]]
    assert found.unusable.total() == 1


def test_a_part_of_a_file_says_behind_which_byte_it_is() -> None:
    found = counted([batch(event(1), b"oops", block=4096)], job())
    assert found.examples[0][0] == "/in/a b.ndjson:2 behind byte 4096"


def test_examples_and_reasons_are_bounded() -> None:
    found = counted([batch(*(b"oops %d" % number for number in range(500)))], job())
    assert (len(found.examples), found.unusable) == (20, Counter({"not readable as JSON": 500}))


def test_times() -> None:
    rows = [
        event(1, timestamp="2024-05-01T00:00:00"),
        event(2, timestamp=None),
        event(3, timestamp=None, sentAt="2024-04-01T00:00:00Z"),
        event(4, timestamp="2024-06-01T02:00:00+02:00"),
        event(5, timestamp="soon"),
    ]
    found = counted([batch(*rows)], job())
    assert (found.events, found.zoneless, found.timeless) == (5, 1, 2)
    assert (found.first, found.last) == (1711929600.0, 1717200000.0)
    found = counted([batch(*rows)], job(since=1711929601.0, until=1717200000.0))
    assert (found.events, found.outside) == (1, 4)


def test_what_becomes_of_events_is_what_delivery_would_do(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(MAPPING)
    plan_job = new_job(load(tmp_path / "shop.yaml"), {}, connection="main")
    connections = (
        JobConnection(plan_job, None, None),
        JobConnection(plan_job._replace(connection="only"), frozenset({"identify"}), None),
    )
    rows = [event(number) for number in range(25)]
    rows += [event(30, type="identify", traits={"a": 1}), event(31, type="page", name="x"), b"oops"]
    found = counted([batch(*rows)], job(connections=connections))
    main, only = found.connections["main"], found.connections["only"]
    assert main.outcomes == {"planned": 26, "ignored": 1}
    assert (main.requests, main.items, main.sent({"events": 10})) == (1, {"events": 25}, 4)
    assert main.reasons == {"ignored: shop does not map page calls": 1}
    assert only.outcomes == {"planned": 1, "ignored": 26}
    assert only.reasons == {
        "ignored: the connection only takes no track calls": 25,
        "ignored: the connection only takes no page calls": 1,
    }
    assert found.bad_share() == 1 / 28


def test_parts_add_up() -> None:
    first = counted([batch(event(1), b"oops")], job())
    second = counted([batch(event(2, timestamp="2020-01-01T00:00:00Z"), event(3, timestamp=None))], job())
    whole = Counts()
    for each in (first, second):
        whole.add(each)
    assert (whole.events, whole.timeless, whole.unusable.total(), whole.rows) == (3, 1, 1, 4)
    assert (whole.first, whole.last) == (1577836800.0, 1714521600.0)
    assert counts_of(whole.as_json()) == whole  # type: ignore[arg-type]
    many = ConnectionCounts(reasons=Counter({f"r{number}": 1 for number in range(150)}))
    many.add(ConnectionCounts(reasons=Counter({f"s{number}": 1 for number in range(150)})))
    assert (len(many.reasons), many.reasons["other reasons"]) == (201, 100)


def test_a_row_of_a_shard() -> None:
    rows = sharded([batch(event(7), event(8, messageId=None), event(8, messageId=None))], job())
    assert [name for name, _ in SHARDED] == list(rows[0])
    assert rows[0] == {
        "shard": 0,
        "at": 1714521600.0,
        "file": "/in/a b.ndjson",
        "block": 0,
        "row": 1,
        "identity": "m7",
        "own": True,
        "raw": event(7),
        "reports": None,
    }
    assert rows[1]["identity"] == rows[2]["identity"] == "derived-c976aaf2674e02205a3db1a98d443605"
    assert (rows[1]["own"], rows[1]["row"], rows[2]["row"]) == (False, 2, 3)


def test_all_events_of_a_user_are_in_one_shard() -> None:
    rows = sharded([batch(*(event(number, userId=f"u{number % 50}") for number in range(500)))], job(), shards=8)
    users: dict[str, set[int]] = {}
    for row in rows:
        users.setdefault(orjson.loads(row["raw"])["userId"], set()).add(row["shard"])
    assert {len(each) for each in users.values()} == {1}
    assert {row["shard"] for row in rows} == set(range(8))


def test_repaired_json_says_so() -> None:
    (row,) = sharded([batch(b'{"type":"track","event":"A","userId":"u","properties":{"n":NaN}}')], job())
    assert orjson.loads(row["raw"])["properties"] == {"n": None}
    ((code, place, message),) = orjson.loads(row["reports"])
    assert (code, place) == ("json-repaired", "message")
    assert message == "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 1"


def test_a_whole_document() -> None:
    document = b'[\n{"type":"track","event":"A","userId":"u"},\n{"type":"track","event":"B","userId":"u"},\n7]'
    found = counted([batch(document, file="file:/in/list.json")], job(), DOCUMENTS)
    assert (found.events, found.examples) == (
        2,
        [["/in/list.json:4", "an event must be an object; this is a number (bad_request)"]],
    )
    assert [row["row"] for row in sharded([batch(document)], job(), DOCUMENTS)] == [2, 3]


def test_columns_of_json() -> None:
    columns = {
        "file": ["s3a://b/x.parquet"] * 2,
        "block": pa.array([0, 0], pa.int64()),
        "waybill event": [b'{"type":"track","event":"A","userId":"u"}'] * 2,
        "properties": ['{"a":1}', "{"],
    }
    given = pa.RecordBatch.from_pydict(columns)
    assert [orjson.loads(row["raw"]) for row in sharded([given], job(), COLUMNS)] == [
        {"type": "track", "event": "A", "userId": "u", "properties": {"a": 1}}
    ]
    (example,) = counted([given], job(), COLUMNS).examples
    assert example[0] == "s3a://b/x.parquet:2"
    assert example[1].startswith("properties is not valid JSON")


def test_what_the_columns_of_an_archive_cannot_hold() -> None:
    """A field of an archive's `other` is one of the event; what is no object there makes the row unusable."""
    raws = [b'{"type":"track","userId":"u"}', b'{"type":"track","userId":"u"}', b"{}", b'{"type":"track","userId":"u"}']
    columns = {
        "file": ["file:/a.parquet"] * 4,
        "block": pa.array([0] * 4, pa.int64()),
        "waybill event": raws,
        "properties": ['{"a":1}', None, None, None],
        "other": ['{"event":"A","version":2}', None, ' { "type":"track","userId":7,"event":"A" } ', '["x"]'],
    }
    given = pa.RecordBatch.from_pydict(columns)
    assert [orjson.loads(row["raw"]) for row in sharded([given], job(), ARCHIVED)] == [
        {"type": "track", "userId": "u", "event": "A", "version": 2, "properties": {"a": 1}},
        {"type": "track", "userId": 7, "event": "A"},
    ]
    assert [reason for _, reason in counted([given], job(), ARCHIVED).examples] == [
        "track calls require event (event_not_defined)",
        "not JSON: unexpected character, expected ':' after key (column 33)",
    ]


def test_a_large_row_goes_back_by_itself() -> None:
    rows = [event(1), event(2, properties={"text": "x" * 17_000_000}), event(3)]
    batches = list(shard_batches([batch(*rows)], job(), LINES, 1))
    assert [each.num_rows for each in batches] == [2, 1]
