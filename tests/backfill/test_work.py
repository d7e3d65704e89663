"""The folder of a backfill: what it refuses, and with which words."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.backfill.shards import merged
from engine.backfill.work import BackfillError, FeedPosition, InputFile, Shard, WorkFolder, check_unchanged
from tests.backfill.shards import ARGUMENTS, SCHEMA, planned, row, spread

TWICE = "what the outbox still knows is not sent twice (a file: all that was not purged; streams: the last 24 hours)."


def anew(folder: Path) -> str:
    return (
        f"If there is no copy to put back, remove {folder} and run the same command again: it plans anew and feeds from "
        f"the beginning; {TWICE}"
    )


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    assert work.plan() == plan
    assert plan.events == 10
    assert WorkFolder(tmp_path / "other").plan() is None
    assert work.position(plan) == FeedPosition((0, 0))


def test_shards_that_are_written_again_are_fed_from_the_beginning(tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    work.write_position(FeedPosition((1, 2), new=3))
    work.write_plan(plan)
    assert work.position(plan) == FeedPosition((0, 0))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "a"}', b"\xff"])
def test_a_damaged_file(content: bytes, tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "w", spread(10, 2))
    (work.path / "position.json").write_bytes(content)
    with pytest.raises(BackfillError) as found:
        work.position(plan)
    assert str(found.value) == (f"{work.path}/position.json is damaged. Remove it to feed from the beginning; {TWICE}")
    (work.path / "backfill.json").write_bytes(content)
    with pytest.raises(BackfillError) as found:
        work.plan()
    assert str(found.value) == f"{work.path}/backfill.json is damaged. {anew(work.path)}"


@pytest.mark.parametrize("shards", [(1,), (1, 99), (1, 2, 3), (1, -1)])
def test_a_position_of_other_shards(shards: tuple[int, ...], tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    work.write_position(FeedPosition(shards))
    with pytest.raises(BackfillError, match="is damaged"):
        work.position(plan)


def test_a_newer_release(tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    file = work.path / "position.json"
    file.write_text('{"format": 2, "place": "elsewhere"}')
    with pytest.raises(BackfillError) as found:
        work.position(plan)
    assert str(found.value) == f"{file} was written by a newer release. Go on with that one."


@pytest.mark.parametrize("path", ["../other/shards/a.parquet", "/etc/a.parquet", "shards/../../a.parquet", "a.parquet"])
def test_a_shard_outside_of_the_folder(path: str, tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "w", spread(10, 2))
    work.write_plan(plan._replace(shards=[Shard(path, 5)]))
    with pytest.raises(BackfillError) as found:
        work.plan()
    assert str(found.value) == f"{work.path}/backfill.json is damaged. {anew(work.path)}"


@pytest.mark.parametrize(
    "table",
    [
        pa.Table.from_pylist([row(1)], SCHEMA),
        pa.Table.from_pylist([row(number) for number in range(5)], SCHEMA).drop_columns("raw"),
        pa.Table.from_pylist([{"secret": "x"}] * 5),
    ],
    ids=["fewer rows", "a column less", "another file"],
)
def test_a_shard_that_was_changed_meanwhile(table: pa.Table, tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    pq.write_table(table, file := tmp_path / plan.shards[1].path)
    with pytest.raises(BackfillError) as found:
        list(merged(work.path, plan.shards, (0, 0)))
    assert str(found.value) == f"{file} cannot be read (it is not the one that was planned). {anew(work.path)}"


def test_the_folder_is_for_its_owner_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "w")
    with work.lock():
        assert oct(work.path.stat().st_mode & 0o777) == "0o700"
    (target := tmp_path / "precious").write_text("kept")
    (work.path / "lock").unlink()
    (work.path / "lock").symlink_to(target)
    with pytest.raises(OSError, match="lock"), work.lock():
        pass
    assert target.read_text() == "kept"


def test_a_missing_and_a_damaged_shard(tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    file = tmp_path / plan.shards[1].path
    os.truncate(file, 100)
    with pytest.raises(BackfillError) as found:
        list(merged(work.path, plan.shards, (0, 0)))
    assert str(found.value).startswith(f"{file} cannot be read (")
    assert str(found.value).endswith(f"). {anew(work.path)}")
    file.unlink()
    with pytest.raises(BackfillError) as found:
        work.plan()
    assert str(found.value) == f"{file} is missing. {anew(work.path)}"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first, second = WorkFolder(tmp_path / "w"), WorkFolder(tmp_path / "w")
    with first.lock():
        with pytest.raises(BackfillError) as found, second.lock():
            pass
        assert str(found.value) == (
            f"Another process feeds from {tmp_path}/w. Let it finish, or stop it; then run the same command again."
        )
    with second.lock():
        pass


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ([], "  a.ndjson: removed"),
        ([InputFile("a.ndjson", 10, 1.0), InputFile("b.ndjson", 1, 1.0)], "  b.ndjson: new"),
        ([InputFile("a.ndjson", 12, 2.0)], "  a.ndjson: 10 bytes then, 12 bytes now"),
        ([InputFile("a.ndjson", 10, 2.0)], "  a.ndjson: written again"),
        (
            [InputFile("a.ndjson", 10, 1.0), *(InputFile(f"b{n}", 1, 1.0) for n in range(7))],
            "  b0: new\n  b1: new\n  b2: new\n  b3: new\n  b4: new\n  and 2 more",
        ),
    ],
)
def test_changed_input_is_refused(now: list[InputFile], change: str, tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    with pytest.raises(BackfillError) as found:
        check_unchanged(work.path, plan, ARGUMENTS, now)
    assert str(found.value) == (
        f"The input changed since this backfill was planned:\n{change}\n"
        "Put it back and run the same command again, or begin a backfill of what is there now with another --work; "
        f"{TWICE}"
    )


def test_other_arguments_are_refused(tmp_path: Path) -> None:
    work, plan = planned(tmp_path, spread(10, 2))
    check_unchanged(work.path, plan, ARGUMENTS, plan.inputs)
    with pytest.raises(BackfillError) as found:
        check_unchanged(work.path, plan, {**ARGUMENTS, "connections": ["shop", "crm"]}, plan.inputs)
    assert str(found.value) == (
        f"{tmp_path} belongs to a backfill with another connections: shop, not shop, crm. Name another folder with "
        "--work, or run that command again."
    )
