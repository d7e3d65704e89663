"""Shards as Spark would write them, made here without it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from engine.backfill.shards import found_shards
from engine.backfill.work import InputFile, WorkFolder, WorkPlan
from engine.delivery.intake import iso

SCHEMA = pa.schema([("at", pa.float64()), ("message_id", pa.string()), ("raw", pa.binary()), ("reports", pa.string())])
ARGUMENTS = {"source": "web", "connections": ["shop"], "since": None, "until": None, "outbox": "outbox.db"}


def row(number: int, *, user: str = "u", at: float | None = 0.0, size: int = 0) -> dict:
    value = {
        "type": "track",
        "event": "Counted",
        "userId": user,
        "messageId": f"m{number}",
        "properties": {"n": number},
    }
    if at is not None:
        value["timestamp"] = iso(at)
    if size:
        value["properties"] = {"n": number, "text": "x" * size}
    return {"at": at, "message_id": f"m{number}", "raw": orjson.dumps(value), "reports": None}


def write_shard(folder: Path, number: int, rows: list[dict], group: int = 100) -> None:
    file = folder / "shards" / f"shard={number}" / "part-0.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, row_group_size=group)


def spread(events: int, shards: int) -> list[list[dict]]:
    """Events of as many users as there are shards, one a second."""
    rows = [row(number, user=f"u{number % shards}", at=1_700_000_000.0 + number) for number in range(events)]
    return [rows[shard::shards] for shard in range(shards)]


def planned(path: Path, shards: list[list[dict]]) -> tuple[WorkFolder, WorkPlan]:
    for number, rows in enumerate(shards):
        write_shard(path, number, rows)
    work = WorkFolder(path)
    plan = WorkPlan(ARGUMENTS, [InputFile("a.ndjson", 10, 1.0)], {"shop": "d1"}, found_shards(path), {})
    work.write_plan(plan)
    return work, plan
