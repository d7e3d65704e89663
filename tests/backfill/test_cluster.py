"""The part of a backfill that Spark does, on files of every kind, whole and broken."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.backfill.cluster import HadoopFiles, HistoryFrames
from engine.backfill.counts import Counts
from engine.backfill.history import HistoryJob
from engine.backfill.inputs import HistoryFiles, LocalFiles, find, sorted_out
from engine.backfill.shards import ShardRow, found_shards, merged
from engine.backfill.work import BackfillError
from engine.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow
JOB = HistoryJob("web", "2027-01-15T08:00:00.000Z", 1_800_000_000.0)


def event(number: int, **fields: object) -> dict:
    stamp = f"2024-05-{1 + number % 28:02}T{number % 24:02}:00:00Z"
    value = {
        "type": "track",
        "event": "Paid",
        "userId": f"u{number % 7}",
        "messageId": f"m{number}",
        "timestamp": stamp,
    }
    return {**value, "properties": {"n": number}, **fields}


def lines(*events: dict) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in events)


def all_files(folder: Path) -> HistoryFiles:
    return sorted_out(find([str(folder)], LocalFiles()), LocalFiles())


def sharded(spark: SparkSession, folder: Path, work: Path) -> tuple[Counts, list[ShardRow]]:
    frames = HistoryFrames(spark, all_files(folder))
    counts = frames.count(JOB)
    frames.write(JOB, counts, work)
    shards = found_shards(work)
    return counts, list(merged(work, shards, [0] * len(shards)))


def test_files_of_every_kind_become_one_history(spark: SparkSession, tmp_path: Path) -> None:
    source, work = tmp_path / "in", tmp_path / "work"
    source.mkdir()
    (source / "a b.ndjson").write_bytes(lines(*map(event, range(100))))
    (source / "b.ndjson.gz").write_bytes(gzip.compress(lines(*map(event, range(100, 200)), event(5)) + b"oops\n"))
    (source / "c.json").write_bytes(orjson.dumps([event(n) for n in range(200, 300)], option=orjson.OPT_INDENT_2))
    texts = [orjson.dumps(event(n)).decode() for n in range(300, 400)]
    pq.write_table(pa.table({"payload": texts}), source / "d.parquet")
    copies = [{**event(7), "messageId": None}] * 3
    (source / "e.ndjson").write_bytes(lines(*copies))
    counts, rows = sharded(spark, source, work)
    assert (counts.events, counts.duplicates, counts.users, counts.to_feed) == (404, 1, 7, 403)
    assert counts.examples == [
        [f"{source}/b.ndjson.gz:102", "not JSON: unexpected character, expected a JSON value (column 1)"]
    ]
    own = [row.message_id for row in rows if not row.message_id.startswith("derived-")]
    assert sorted(own) == sorted(f"m{n}" for n in range(400))
    derived = sorted(row.message_id for row in rows if row.message_id.startswith("derived-"))
    assert derived[1:] == [f"{derived[0]}-2", f"{derived[0]}-3"]
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    again, other = sharded(spark, source, tmp_path / "again")
    assert ([row[2:] for row in other], again) == ([row[2:] for row in rows], counts)


def test_parquet_with_columns_in_the_style_of_warehouses(spark: SparkSession, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    moment = dt.datetime(2024, 5, 1, 12, 0, 0, 123000, tzinfo=dt.UTC)
    columns = {"type": ["track"], "user_id": ["u1"], "message_id": ["m1"], "event": ["Paid"], "timestamp": [moment]}
    columns |= {"properties": [{"price": 3.5}], "loaded_by": ["job"]}
    pq.write_table(pa.table(columns), source / "a.parquet")
    _, (row,) = sharded(spark, source, tmp_path / "work")
    assert orjson.loads(row.raw) == {
        "type": "track",
        "userId": "u1",
        "messageId": "m1",
        "event": "Paid",
        "timestamp": "2024-05-01T12:00:00.123Z",
        "properties": {"price": 3.5},
    }


def test_large_rows(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [event(n, properties={"text": "x" * 10_000_000}) for n in range(4)]
    (tmp_path / "in" / "a.ndjson").write_bytes(lines(*rows))
    counts, found = sharded(spark, tmp_path / "in", tmp_path / "work")
    assert counts.largest > 10_000_000
    assert [len(row.raw) for row in found] == [counts.largest] * 4


def test_columns_of_wrong_types(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"type": [1], "userId": ["u"], "properties": [3]}), tmp_path / "a.parquet")
    with pytest.raises(UsageError) as found:
        HistoryFrames(spark, all_files(tmp_path))
    assert str(found.value) == (
        "Column `type` is bigint; string is needed.\n"
        "Column `properties` is bigint; struct, map with string keys, or string or binary with JSON is needed."
    )


def test_files_that_break_in_the_middle(spark: SparkSession, tmp_path: Path) -> None:
    packed = gzip.compress(lines(*(event(n, properties={"text": str(n * 7919)}) for n in range(20_000))))
    (tmp_path / "a.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BackfillError) as found:
        HistoryFrames(spark, all_files(tmp_path)).count(JOB)
    assert str(found.value) == (
        f"{tmp_path}/a.ndjson.gz: its compressed data ends early: copy or compress the file again. Nothing was queued."
    )
    (tmp_path / "a.ndjson.gz").unlink()
    pq.write_table(pa.table({"value": ["{}"] * 1000}), tmp_path / "b.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:4] + b"\0" * (len(whole) - 12) + whole[-8:])
    with pytest.raises(BackfillError) as found:
        HistoryFrames(spark, all_files(tmp_path)).count(JOB)
    assert str(found.value) == (
        f"{tmp_path}/b.parquet: it is not whole, or no Parquet: write or copy it again. Nothing was queued."
    )


def test_files_by_spark_are_the_files_that_are_here(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    (tmp_path / "day=1" / "a.ndjson").write_bytes(lines(event(1)))
    (tmp_path / "b.ndjson").write_bytes(lines(event(2)))
    store = HadoopFiles(spark)
    found = find([f"file://{tmp_path}"], store)
    local = find([str(tmp_path)], LocalFiles())
    assert [(each.path.removeprefix("file:"), each.size) for each in found] == [
        (each.path, each.size) for each in local
    ]
    assert store.part(found[0], 2, 6) == LocalFiles().part(local[0], 2, 6)
    with pytest.raises(UsageError) as missing:
        find([f"file://{tmp_path}/none"], store)
    assert str(missing.value) == f"file://{tmp_path}/none cannot be read: File file:{tmp_path}/none does not exist"
