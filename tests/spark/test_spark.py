"""`plan_events` on a Spark of two threads: the same as `engine run`, and what is said where that cannot be."""

from __future__ import annotations

import datetime as dt
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import UsageError
from engine.records import JsonObject
from engine.spark.jobs import new_job
from engine.spark.planning import _on_executors, plan_events
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


def planned_rows(df: DataFrame, name: str = "webhook", **options: Any) -> list[dict[str, Any]]:
    planned = plan_events(df, name, example_settings(name), received_at=TIME, **options)
    return [row.asDict(recursive=True) for row in planned.collect()]


def sent(row: dict[str, Any]) -> Any:
    """Return the body of the one request of a row."""
    [request] = row["requests"]
    return json.loads(request["body"])


def test_lines_of_a_text_file_are_events(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(events(200, seed=3)))
    planned = planned_rows(spark.read.text(str(tmp_path / "events.ndjson")))
    assert list(of_rows(planned)) == list(of_run("webhook", tmp_path / "events.ndjson"))


def test_columns_are_fields_of_events(spark: SparkSession) -> None:
    """Times are written in UTC whatever the session's zone is, and with microseconds where they have some."""
    utc = dt.UTC
    rows = [
        ("track", "m1", 7, "Paid", {"a": 1}, '{"total": 1.50}', dt.datetime(2024, 5, 1, 8, 0, 0, 120000, utc), "x"),
        ("track", "m2", None, "Paid", None, None, dt.datetime(2024, 5, 1, 8, 0, 0, 120001, utc), "y"),
        ("track", None, 8, "Paid", {}, "{} x", None, "z"),
        (None, None, None, None, None, None, None, None),
    ]
    schema = (
        "type string, messageId string, userId long, event string, context map<string,int>, properties string, "
        "timestamp timestamp, `own column` string"
    )
    found = planned_rows(spark.createDataFrame(rows, schema), "exponea", keep=["own column"])
    assert [row["own column"] for row in found] == ["x", "y", "z", None]
    assert [(row["message_id"], row["outcome"], row["reason"]) for row in found] == [
        ("m1", "planned", "1 request"),
        ("m2", "invalid", "neither userId nor anonymousId (no_user_anon_id)"),
        (None, "invalid", "properties is not valid JSON: unexpected content after document: line 1 column 4 (char 3)"),
        (None, "invalid", "no type; it must be one of identify, track, page, screen, group, alias, delete"),
    ]
    assert sent(found[0]) == {
        "customer_ids": {"registered": "7"},
        "event_type": "Paid",
        "timestamp": 1714550400.12,
        "properties": {"total": 1.5},
    }


def test_what_spark_reads_from_json_is_planned_as_the_file(spark: SparkSession, tmp_path: Path) -> None:
    """All events have the same fields: a structure has no place for a field that is missing, as it has for null."""
    lines = [
        {"type": "track", "event": f"e{number}", "userId": "u", "messageId": f"m{number}", "timestamp": TIME,
         "context": {"ip": "::1"}, "properties": {"a": number, "b": [1.5, number], "c": {"d": "\u20ac"}, "e": True}}
        for number in range(20)
    ]  # fmt: skip
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    df = spark.read.json(str(file))
    assert len(df.columns) == 7
    for name in NAMES:
        assert list(of_rows(planned_rows(df.orderBy("properties.a"), name))) == list(of_run(name, file))


WRONG = {
    "type int": "Column `type` is int; string is needed.",
    "type string, properties array<string>": (
        "Column `properties` is array<string>; struct, map with string keys, or string or binary with JSON is needed."
    ),
    "type string, context map<int,string>, userId double": (
        "Column `context` is map<int,string>; struct, map with string keys, or string or binary with JSON is needed.\n"
        "Column `userId` is double; string or an integer is needed."
    ),
    "type string, timestamp long": (
        "Column `timestamp` is bigint; string or timestamp is needed. "
        "Cast it: timestamp_millis(timestamp) for milliseconds, timestamp_seconds(timestamp) for seconds."
    ),
    "type string, sentAt timestamp_ntz": (
        "Column `sentAt` is timestamp_ntz; string or timestamp is needed. "
        'It has no time zone; say which one: to_utc_timestamp(sentAt, "Europe/Berlin").'
    ),
    "type string, user_id string, messageid string": (
        "Column `user_id` is probably the field userId; events have it under that name: "
        'df.withColumnRenamed("user_id", "userId").\n'
        "Column `messageid` is probably the field messageId; events have it under that name: "
        'df.withColumnRenamed("messageid", "messageId").'
    ),
    "a string, b string": (
        "There is no column `type`, which every event has. If a column has whole events as JSON, name it: "
        'plan_events(df, ..., event="a"). The columns are `a`, `b`.'
    ),
    "raw struct<type: string>": (
        "Column `raw` is struct<type:string>; string or binary with JSON is needed; for fields of events, use "
        'df.select("raw.*") and leave out event=.'
    ),
    "raw int": "Column `raw` is int; string or binary with JSON is needed.",
}


@pytest.mark.parametrize("schema", WRONG)
def test_columns_of_wrong_types(schema: str, spark: SparkSession) -> None:
    with pytest.raises(UsageError) as error:
        planned_rows(spark.createDataFrame([], schema))
    assert str(error.value) == WRONG[schema]


def test_columns_that_are_not_there(spark: SparkSession) -> None:
    df = spark.createDataFrame([], "raw string, day string, reason string")
    for options, message in {
        '{"event": "body"}': 'event="body": there is no column of this name; the columns are `raw`, `day`, `reason`.',
        '{"event": "raw", "keep": ["dya"]}': (
            "keep=['dya']: there is no column `dya`; the columns are `raw`, `day`, `reason`."
        ),
        '{"event": "raw", "keep": ["reason"]}': (
            "keep=['reason']: the result has a column `reason` of its own; "
            'rename yours first: df.withColumnRenamed("reason", "own_reason").'
        ),
    }.items():
        with pytest.raises(UsageError) as error:
            planned_rows(df, **json.loads(options))
        assert str(error.value) == message


def test_rows_that_are_null_or_large(spark: SparkSession, tmp_path: Path) -> None:
    large = b'{"type":"track","event":"E","userId":"u","properties":{"a":"%b"}}' % (b"x" * 10_000_000)
    table = pa.table({"raw": pa.array([None, large, b"", large, None] * 4, pa.binary())})
    pq.write_table(table, tmp_path / "large.parquet")
    df = spark.read.parquet(str(tmp_path / "large.parquet"))
    found = plan_events(df, "webhook", example_settings("webhook")).groupBy("outcome", "reason").count().collect()
    assert {(row["reason"], row["count"]) for row in found} == {
        ("no event: the row is null", 8),
        ("no event: the row is blank", 4),
        ("the body has more than 1,048,576 bytes; max_bytes allows no more (requests.send_event)", 8),
    }


def test_half_of_a_parquet_file_is_an_error_that_names_it(spark: SparkSession, tmp_path: Path) -> None:
    from py4j.protocol import Py4JJavaError

    pq.write_table(pa.table({"raw": ["{}"] * 1000}), tmp_path / "whole.parquet")
    half = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "half.parquet").write_bytes(half[: len(half) // 2])
    df = spark.read.schema("raw string").parquet(str(tmp_path / "in"))
    with pytest.raises(Py4JJavaError, match=r"half\.parquet is not a Parquet file"):
        planned_rows(df)


def test_a_setting_that_executors_do_not_have(spark: SparkSession) -> None:
    """It stops the job at its first row, with a message that says where the variable is missing."""
    from pyspark.errors import PySparkException

    df = spark.createDataFrame([('{"type":"track"}',)], "raw string")
    planned = plan_events(df, "exponea", EXPONEA)
    with pytest.raises(PySparkException) as error:
        planned.collect()
    assert "API Key (api_key): the environment variable EXPONEA_KEY is not set." in str(error.value)
    assert "--conf spark.executorEnv.EXPONEA_KEY=..." in str(error.value)


ALONE = """
import pickle, sys
sys.path.append(sys.argv[1])
planned = pickle.loads(sys.stdin.buffer.read())
try:
    next(planned(iter([])))
except ImportError as error:
    print(error)
"""


def test_an_executor_without_waybill_says_so() -> None:
    """The function that travels is read by a Python that has Spark and pyarrow, but no waybill."""
    from pyspark import cloudpickle

    job = new_job("webhook", example_settings("webhook"))
    packages = str(Path(cloudpickle.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, packages],
        input=cloudpickle.dumps(_on_executors(job, ())),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == (
        f"waybill cannot run on the executor {socket.gethostname()}: engine is missing. Install waybill[spark] there.\n"
    )


def test_two_connections_of_one_frame(spark: SparkSession) -> None:
    raw = '{"type":"track","event":"E","userId":"u","messageId":"m"}'
    df = spark.createDataFrame([(raw,)] * 3, "raw string")
    both = plan_events(df, "exponea", {**example_settings("exponea"), "project_token": "one"}, connection="a").union(
        plan_events(
            df, "exponea", {**example_settings("exponea"), "project_token": "two"}, connection="b", secrets=True
        )
    )
    urls = {(row.connection, row.url.split("/")[-2], row.key) for row in both.selectExpr(
        "connection", "requests[0].url url", "requests[0].headers.Authorization key").collect()}  # fmt: skip
    assert urls == {("a", "one", "Token ***"), ("b", "two", "Token public-key")}
