"""Small files become large ones with the same rows; old days go; what cannot be read is left out and left alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.archive import compacting
from engine.archive.catalog import ArchiveFile, Catalog
from engine.archive.compacting import Compacted, check, compact, first_day_kept, groups, remove_old
from engine.archive.upkeep import Upkeep
from engine.archive.writing import write_file
from tests.archive.made import NOW, archived, files, filled, ids, row

DAY = 86_400.0
EARLY, LATE = "2026-11-29T08:00:00Z", "2026-11-29T11:00:00Z"


def total(catalog: Catalog) -> Compacted:
    found = Compacted()
    for each in compact(catalog, NOW):
        found = found.plus(each)
    return found


def test_files_of_a_day_become_one_sorted_by_time(tmp_path: Path) -> None:
    batches = ([row(1, timestamp=LATE), row(2)], [row(3, timestamp=EARLY), row(4, receivedAt="2026-11-28T12:00:00Z")])
    with filled(tmp_path, *batches) as catalog:
        before = archived(catalog)
        assert total(catalog) == Compacted(replaced=2, made=1)
        assert archived(catalog) == before
        [_, file] = catalog.snapshot().files
        assert pq.read_table(tmp_path / file.path)["message_id"].to_pylist() == ["m3", "m1", "m2"]
        assert pq.read_schema(tmp_path / file.path).equals(pq.read_schema(tmp_path / files(tmp_path)[0]))
        assert (total(catalog), len(files(tmp_path))) == (Compacted(), 4), "readers may still read the old ones"
        assert not (tmp_path / "spill" / "compacting").exists()


def test_what_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "MOST_ROWS", 100)

    def file(day: int, first: int, rows: int, size: int = 10) -> ArchiveFile:
        return ArchiveFile(f"{first}", f"2026-11-0{day}", first, first + rows - 1, rows, 0, size, 0, 0, NOW)

    large, heavy, lonely = file(1, 1, 50), file(1, 60, 1, compacting.MOST_BYTES), file(2, 70, 3)
    small = [file(1, 100 + 40 * number, 40) for number in range(5)]
    found = groups([*small[::-1], large, lonely, heavy])
    assert [[each.path for each in group] for group in found] == [["100", "140"], ["180", "220"]]


def older(directory: Path, numbers: range, *, without: str) -> ArchiveFile:
    """Write a file of a schema that lacked a column."""
    table = compacting.schema().empty_table()
    rows = [row(number, channel="server") for number in numbers]
    table = pa.Table.from_pylist(
        [{"row": number, **each._asdict()} for number, each in zip(numbers, rows, strict=True)], table.schema
    )
    return write_file(directory, "2026-11-29", [table.drop_columns([without])], NOW)


def test_an_older_schema_gets_the_columns_it_lacks(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1, channel="server")]) as catalog:
        assert catalog.add([older(tmp_path, range(2, 4), without="channel")], "", 0, erasures_seen=0)
        assert total(catalog) == Compacted(replaced=2, made=1)
        assert archived(catalog, "row", "channel", "message_id") == [
            {"row": 1, "channel": "server", "message_id": "m1"},
            {"row": 2, "channel": None, "message_id": "m2"},
            {"row": 3, "channel": None, "message_id": "m3"},
        ]


def break_footer(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def break_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [break_footer, break_middle, Path.unlink])
def test_a_damaged_file_is_left_out_and_left_alone(damage, tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)], [row(2)], [row(3)]) as catalog:
        path = tmp_path / catalog.snapshot().files[1].path
        whole = path.read_bytes()
        damage(path)
        left = path.read_bytes() if path.exists() else None
        found = total(catalog)
        assert found.damaged == 1
        assert found.plus(total(catalog)) == Compacted(replaced=2, made=1, damaged=1)
        assert (ids(catalog), path.read_bytes() if path.exists() else None) == (["m1", "m3"], left)
        [(file, reason)] = [each for each in check(catalog) if each[1]]
        assert (file.path, file.damaged) == (path.relative_to(tmp_path).as_posix(), reason)
        path.write_bytes(whole)
        assert [reason for _, reason in check(catalog)] == ["", ""]
        assert ids(catalog) == ["m1", "m2", "m3"]


def test_check_compares_with_the_catalog(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)], [row(2), row(3)]) as catalog:
        one, two = (tmp_path / each.path for each in catalog.snapshot().files)
        content = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(content)
        assert [reason for _, reason in check(catalog)] == ["it has rows outside 1 to 1", "it has rows outside 2 to 3"]


@pytest.mark.parametrize(
    ("newest", "keep", "now", "first"),
    [
        ("", 400 * DAY, NOW, ""),
        ("2026-11-29", DAY, NOW, "2026-11-29"),  # now is 53 minutes into the 30th
        ("2026-11-29", 400 * DAY, NOW, "2025-10-26"),
        ("2026-11-29", DAY, NOW + 10_000 * DAY, "2026-11-29"),  # a clock that is wrong
        ("9999-12-30", DAY, NOW, "2026-11-29"),
    ],
)
def test_which_days_are_kept(newest: str, keep: float, now: float, first: str) -> None:
    assert first_day_kept(newest, keep, now) == first


def test_old_days_are_removed(tmp_path: Path) -> None:
    old = row(1, timestamp="2025-01-01T00:00:00Z", receivedAt="2025-01-01T00:00:00Z")
    with filled(tmp_path, [old, row(2)]) as catalog:
        assert remove_old(catalog, 400 * DAY, NOW) == Compacted(removed=1, removed_rows=1)
        assert remove_old(catalog, 400 * DAY, NOW) == Compacted()
        assert (ids(catalog), catalog.snapshot().last_row) == (["m2"], 2)


def test_upkeep_is_due_once_an_hour_and_survives_a_busy_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hours = [0.0]
    with filled(tmp_path, [row(1)], [row(2)]) as catalog, Catalog.open(tmp_path) as other:
        upkeep = Upkeep(catalog, 400 * DAY, lambda: NOW, lambda: False, lambda: hours[0] * 3600)
        upkeep.run_if_due()
        assert len(catalog.snapshot().files) == 2
        hours[0] = 1.0
        monkeypatch.setattr("engine.archive.catalog.time.monotonic", iter(range(0, 10_000, 100)).__next__)
        with other.maintenance():
            upkeep.run_if_due()
        assert [each.message for each in caplog.records] == ["archive not compacted"]
        upkeep.run_if_due()
        assert len(catalog.snapshot().files) == 2
        hours[0] = 2.0
        upkeep.run_if_due()
        assert len(catalog.snapshot().files) == 1
