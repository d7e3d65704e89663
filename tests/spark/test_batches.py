"""Arrow batches in, Arrow batches out: the same as `engine run`, row by row, without Spark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from engine.events.splitting import LIMIT
from engine.spark.batches import EVENT, MOST_BYTES, plan_batches
from engine.spark.jobs import PlanJob, new_job
from tests.spark.comparing import NAMES, example_settings, of_rows, of_run
from tests.spark.events import TIME, events

TRACK = b'{"type":"track","event":"Paid","userId":"u1","messageId":"m1"}'


def job(name: str = "webhook", **options: Any) -> PlanJob:
    return new_job(name, example_settings(name), received_at=TIME, **options)


def batches_of(given: PlanJob, raws: Sequence[bytes | None], kind: pa.DataType | None = None) -> list[pa.RecordBatch]:
    column = pa.array(raws, kind or pa.binary())
    return list(plan_batches([pa.RecordBatch.from_arrays([column], names=[EVENT])], given))


def rows(given: PlanJob, raws: Sequence[bytes | None], kind: pa.DataType | None = None) -> list[dict[str, Any]]:
    return [row for batch in batches_of(given, raws, kind) for row in batch.to_pylist(maps_as_pydicts="strict")]


@pytest.mark.parametrize(("name", "secrets"), [*((name, False) for name in NAMES), ("exponea", True), ("slack", True)])
def test_rows_are_what_engine_run_prints(name: str, secrets: bool, tmp_path: Path) -> None:
    raws = list(events(120, seed=len(name)))
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(raws))
    lines = list(of_run(name, file, *(["--show-secrets"] if secrets else [])))
    assert list(of_rows(rows(job(name, secrets=secrets), raws))) == lines


def test_a_row_whole() -> None:
    [row] = rows(job("exponea", connection="eu"), [TRACK])
    body = row["requests"][0].pop("body")
    assert orjson.loads(body)["event_type"] == "Paid"
    assert row == {
        "connection": "eu",
        "destination": "exponea",
        "message_id": "m1",
        "type": "track",
        "outcome": "planned",
        "reason": "1 request",
        "requests": [
            {
                "request": "add_event",
                "method": "POST",
                "url": "https://api.exponea.com/track/v2/projects/project-token/batch",
                "headers": {"Authorization": "Token ***", "Content-Type": "application/json"},
                "query": {},
                "batch": "commands",
            }
        ],
        "reports": [],
    }


UNREADABLE: dict[bytes | None, str] = {
    None: "no event: the row is null",
    b"": "no event: the row is blank",
    b" \t\r\n": "no event: the row is blank",
    b"{": "not valid JSON: unexpected end of data: line 1 column 2 (char 1)",
    b'{"type":"track"} {}': "not valid JSON: unexpected content after document: line 1 column 18 (char 17)",
    b"[]": "an event must be a JSON object; this is a list",
    b"null": "an event must be a JSON object; this is null",
    b"\x00": "not valid JSON: unexpected character, expected a JSON value: line 1 column 1 (char 0)",
    b" " * (LIMIT + 1): "longer than 33,554,432 bytes, the limit for an event",
}


@pytest.mark.parametrize("raw", UNREADABLE)
def test_what_cannot_be_read_is_an_invalid_event_between_others(raw: bytes | None) -> None:
    found = rows(job(), [TRACK, raw, TRACK])
    assert [row["outcome"] for row in found] == ["planned", "invalid", "planned"]
    assert (found[1]["reason"], found[1]["requests"], found[1]["reports"]) == (UNREADABLE[raw], [], [])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.large_binary()], ids=str)
def test_events_are_text_or_bytes(kind: pa.DataType) -> None:
    raws = [TRACK.decode() if "string" in str(kind) else TRACK, None]
    assert rows(job(), raws, kind) == rows(job(), [TRACK, None])  # type: ignore[arg-type]


def test_a_batch_ends_before_its_bodies_are_too_many() -> None:
    large = orjson.dumps({**orjson.loads(TRACK), "properties": {"a": "x" * (MOST_BYTES // 17)}})
    keep = pa.array(range(20), pa.int64())
    batch = pa.RecordBatch.from_arrays([keep, pa.array([TRACK] + [large] * 19, pa.binary())], names=["row", EVENT])
    found = list(plan_batches([batch], job(), ["row"]))
    assert [each.column("row").to_pylist() for each in found] == [list(range(18)), [18, 19]]
    assert {each.schema.names[-1] for each in found} == {"row"}


def test_no_rows_no_batch() -> None:
    assert batches_of(job(), []) == []


def with_fields(fields: dict[str, bytes | None], event: bytes = TRACK) -> list[dict[str, Any]]:
    columns = [pa.array([event], pa.binary()), *(pa.array([text], pa.binary()) for text in fields.values())]
    found = plan_batches([pa.RecordBatch.from_arrays(columns, names=[EVENT, *fields])], job())
    return [row for batch in found for row in batch.to_pylist(maps_as_pydicts="strict")]


def test_fields_may_be_json_of_their_own() -> None:
    whole = TRACK[:-1] + b',"properties":{"total":1.50},"context":{"ip":"::1"}}'
    assert with_fields({"properties": b'{"total":1.50}', "context": b'{"ip":"::1"}'}) == rows(job(), [whole])
    assert with_fields({"properties": None}) == rows(job(), [TRACK])
    assert with_fields({"properties": b"{}"}, event=b"{}") == rows(job(), [b'{"properties":{}}'])


HOSTILE = {
    b'{},"userId":"other"': "properties is not valid JSON: unexpected content after document: line 1 column 3 (char 2)",
    b'{}}{"a":1': "properties is not valid JSON: unexpected content after document: line 1 column 3 (char 2)",
    b"": "properties is not valid JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_field_adds_nothing_beside_itself(text: bytes) -> None:
    [row] = with_fields({"properties": text})
    assert (row["outcome"], row["reason"]) == ("invalid", HOSTILE[text])


def test_a_field_is_repaired_as_an_event_is() -> None:
    [row] = with_fields({"properties": b'{"a":NaN}'})
    message = "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 1"
    assert row["reports"] == [{"code": "json-repaired", "place": "message", "message": message}]
    assert row["outcome"] == "planned"
