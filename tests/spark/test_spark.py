"""`plan_events` on a Spark of two threads: the same as `engine run`, and what is said where that cannot be."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UsageError
from engine.records import JsonObject
from engine.spark import plan_events
from tests.spark.comparing import NAMES, example_settings, of_rows, of_run
from tests.spark.events import TIME, events

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.slow
MANY = 100_000
EXPONEA: JsonObject = {"api_key": "${env:EXPONEA_KEY}", "project_token": "p", "hard_id": "h", "soft_id": "s"}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same events as lines and, numbered, in Parquet."""
    folder = tmp_path_factory.mktemp("history")
    raws = list(events(MANY))
    (folder / "events.ndjson").write_bytes(b"\n".join(raws))
    table = pa.table({"number": pa.array(range(MANY), pa.int64()), "body": pa.array(raws, pa.binary())})
    pq.write_table(table, folder / "events.parquet", row_group_size=10_000)
    return folder


def in_order(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows that Spark wrote, by their number."""
    table = pq.read_table(folder).sort_by("number")
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist(maps_as_pydicts="strict")


@pytest.mark.parametrize("name", NAMES)
def test_100_000_events_become_what_engine_run_prints(name: str, spark: SparkSession, history: Path) -> None:
    df = spark.read.parquet(str(history / "events.parquet"))
    planned = plan_events(df, name, example_settings(name), event="body", keep=["number"], received_at=TIME)
    planned.write.parquet(str(history / name))
    outcomes: dict[str, int] = {}
    lines = of_run(name, history / "events.ndjson")
    for row, line in zip_longest(of_rows(in_order(history / name)), lines):
        assert row == line
        assert row is not None
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    assert sum(outcomes.values()) == MANY
    assert outcomes["planned"] > MANY / 20
    assert outcomes["invalid"] > MANY / 100
