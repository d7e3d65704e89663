"""Files count once the catalog lists them: crashes, full disks, two writers, and what is left behind."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.archive.catalog import ArchiveBusy, ArchivedPlace, ArchiveError, Catalog, Snapshot
from engine.archive.columns import METADATA_KEY, schema
from engine.archive.writing import ArchiveFull, fault_of, remove_orphans, write
from tests.archive.made import FOLLOWED, NOW, archived, files, filled, ids, row


def test_a_batch_becomes_a_file_for_each_day(tmp_path: Path) -> None:
    with filled(tmp_path / "a", [row(1), row(2, receivedAt="2026-11-30T00:00:00Z"), row(3)]) as catalog:
        found = catalog.snapshot()
        assert [(each.day, each.first_row, each.last_row, each.rows) for each in found.files] == [
            ("2026-11-29", 1, 2, 2),
            ("2026-11-30", 3, 3, 1),
        ]
        assert (found.last_row, ids(catalog)) == (3, ["m1", "m3", "m2"])
        [metadata] = {pq.read_schema(tmp_path / "a" / each.path).metadata[METADATA_KEY] for each in found.files}
        assert metadata == b"1"
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*") if path.is_file()}
        folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*") if path.is_dir()}
        assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.parametrize("step", ["renamed", pytest.param("written", marks=pytest.mark.slow)])
def test_killed_before_the_catalog_lists_a_file(step: str, tmp_path: Path) -> None:
    """The file is an orphan, the position stands, and the next writer removes the one and begins at the other."""
    command = [sys.executable, "-m", "tests.archive.killed", str(tmp_path), step]
    assert subprocess.run(command, check=False).returncode == 9
    assert len(files(tmp_path)) == 1
    with Catalog.open(tmp_path) as catalog:
        assert (catalog.snapshot(), catalog.position("test")) == (Snapshot((), 0), 0)
        assert (remove_orphans(catalog), files(tmp_path)) == (1, [])
        assert write(catalog, [row(1)], "test", 1, erasures_seen=0, now=NOW, since=0)
        assert (remove_orphans(catalog), ids(catalog)) == (0, ["m1"])


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (errno.ENOSPC, ArchiveFull, "No space left on the disk of {}. The archive is whole; free some space."),
        (errno.EFBIG, ArchiveFull, "No space left on the disk of {}. The archive is whole; free some space."),
        (errno.EACCES, ArchiveError, "{} cannot be written (permission denied)."),
    ],
)
def test_a_disk_that_refuses_leaves_nothing_behind(
    code: int, kind: type[ArchiveError], text: str, tmp_path: Path
) -> None:
    def refuse(step: str) -> None:
        if step == "written":
            raise OSError(code, os.strerror(code))

    with Catalog.open(tmp_path, create=True) as catalog:
        with pytest.raises(kind, match=f"^{re.escape(text.format(tmp_path))}$"):
            write(catalog, [row(1)], "test", 1, erasures_seen=0, now=NOW, reached=refuse)
        assert (files(tmp_path), catalog.position("test")) == ([], 0)
        assert write(catalog, [row(1)], "test", 1, erasures_seen=0, now=NOW)
        assert ids(catalog) == ["m1"]


def test_what_was_read_before_an_erasure_is_not_added(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        seen = catalog.erasures()
        assert catalog.replace(catalog.snapshot().files, [], NOW, erased=True)
        assert catalog.remove_replaced(NOW, kept_for=0) == 1
        assert not write(catalog, [row(2)], "test", 2, erasures_seen=seen, now=NOW)
        assert (files(tmp_path), catalog.snapshot()) == ([], Snapshot((), 1))
        assert write(catalog, [row(2)], "test", 2, erasures_seen=catalog.erasures(), now=NOW, witness="w")
        assert (archived(catalog, "row"), catalog.place("test")) == ([{"row": 2}], ArchivedPlace(2, "w"))


def test_another_process_was_quicker(tmp_path: Path) -> None:
    with filled(tmp_path) as one, Catalog.open(tmp_path) as two:
        assert write(one, [row(1)], "test", 1, erasures_seen=0, now=NOW, since=0)
        assert not write(two, [row(1)], "test", 1, erasures_seen=0, now=NOW, since=0)
        assert ids(two) == ["m1"]


def test_locks(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as one, Catalog.open(tmp_path) as two:
        with (
            one.follower(),
            pytest.raises(ArchiveBusy, match="^" + re.escape(FOLLOWED.format(tmp_path))),
            two.follower(),
        ):
            pass
        with one.writer(), one.maintenance(), one.follower():
            for lock in (two.writer, two.maintenance):
                with pytest.raises(ArchiveBusy), lock(0.0):
                    pass
            assert remove_orphans(two) == 0
        with two.writer(0.0), two.maintenance(0.0), two.follower():
            pass


def test_replaced_files_stay_for_those_who_read_them(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        [file] = catalog.snapshot().files
        assert catalog.replace([file], [], NOW)
        assert not catalog.replace([file], [], NOW), "it does not count any more"
        assert (catalog.remove_replaced(NOW + 599), len(files(tmp_path))) == (0, 1)
        assert (catalog.remove_replaced(NOW - 86_400), len(files(tmp_path))) == (0, 1), "the clock went back"
        assert (catalog.remove_replaced(NOW - 86_400 + 600), files(tmp_path)) == (1, [])


def make(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)


def test_directories_that_are_no_archive(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("other", "newer", "broken"):
        (tmp_path / name).mkdir()
    make(tmp_path / "other" / "catalog.db", "PRAGMA application_id = 7")
    make(tmp_path / "newer" / "catalog.db", f"PRAGMA application_id = {0x57617941}", "PRAGMA user_version = 99")
    (tmp_path / "broken" / "catalog.db").write_bytes(b"x" * 5000)
    texts = {
        "none": "There is no archive in {}. `engine serve --archive` makes one.",
        "other": "{}/catalog.db is a file of another program. Name another directory with --archive.",
        "newer": "The archive {} was made by a newer version of the engine; update the engine.",
        "file": "{} is not a directory. Name another one with --archive.",
        "broken": "{}/catalog.db is damaged or not a catalog (file is not a database). Restore it from a backup; events "
        "that are still in the outbox are archived again. Or move the archive away, and start a new one; its Parquet files "
        "can still be read by other programs.",
    }
    for name, text in texts.items():
        directory = tmp_path / name
        with pytest.raises(ArchiveError) as raised:
            Catalog.open(directory, create=name != "none")
        assert str(raised.value) == text.format(directory)


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    table = schema().empty_table()
    pq.write_table(table, tmp_path / "whole")
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: b"2"}), tmp_path / "newer")
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "other")
    (tmp_path / "half").write_bytes((tmp_path / "whole").read_bytes()[:-20])
    found = {name: fault_of(tmp_path / name) for name in ("whole", "newer", "other", "half", "none")}
    assert found == {
        "whole": "",
        "newer": "it has columns of version 2; update the engine",
        "other": "it has no events of an archive",
        "half": "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.",
        "none": "the file is missing",
    }


def test_suppressed_users_and_values(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        catalog.set_suppressed([1, -2])
        assert catalog.suppressed() == {1, -2}
        catalog.set_suppressed([])
        catalog.set({"people_row": "7", "other": "x"})
        catalog.set({"other": None})
        assert (catalog.suppressed(), catalog.get("people_row"), catalog.get("other")) == (frozenset(), "7", None)
