"""Which files are read, as what, and what is said of those that cannot be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.backfill.history import ARCHIVED, COLUMNS, DOCUMENTS, LINES
from engine.backfill.inputs import LocalFiles, find, seen_again, sorted_out
from engine.errors import UsageError
from tests.archive.made import filled, row

LINE = b'{"type":"track"}\n'
STORE = LocalFiles()
READ = "a backfill reads Parquet, and JSON or NDJSON, also gzipped"
CUT = "is Parquet without its end: it was cut off while it was written or copied. Write or copy it again"


def kinds(path: Path) -> dict[str, list[str]]:
    return sorted_out(find([str(path)], STORE), STORE).kinds


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.ndjson", LINE * 3, LINES),
        ("a", b"\n \n" + LINE, LINES),
        ("a.json", LINE.strip(), LINES),
        ("a.json.gz", gzip.compress(LINE * 3), LINES),
        ("long.ndjson", b'{"a":"' + b"x" * 200_000 + b'"}\n', LINES),
        ("list.json", b'[{"type":"track"}]', DOCUMENTS),
        ("pretty.json", b'{\n  "type": "track"\n}\n', DOCUMENTS),
        ("unnamed", gzip.compress(LINE), DOCUMENTS),  # Spark knows gzip by the name
        ("wrong.gz", LINE, DOCUMENTS),
        ("marked.ndjson", b"\xef\xbb\xbf" + LINE, LINES),
    ],
)
def test_what_a_file_is(name: str, content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    found = kinds(tmp_path)
    assert found.pop(kind) == [str(tmp_path / name)]
    assert not any(found.values())


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"value": ["{}"]}), tmp_path / "a.parquet")
    assert kinds(tmp_path)[COLUMNS] == [str(tmp_path / "a.parquet")]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PAR1 and then nothing more", CUT),
        (b"PAR1", CUT),
        (b"id,name\n1,a\n", f"begins with neither {{ nor [: {READ}"),
        (b"\x28\xb5\x2f\xfdzstd", f"is Zstandard; {READ}"),
        (b"Obj\x01avro", f"is Avro; {READ}"),
        (b"PK\x03\x04zip", f"is ZIP; {READ}"),
        (b"\xff\xfe{", f"is UTF-16; {READ}"),
        (b"\x1f\x8bbroken", "is gzipped, but nothing of it can be unpacked; copy or compress it again"),
    ],
)
def test_a_file_that_cannot_be_read(content: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / "good.ndjson").write_bytes(LINE)
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(UsageError) as found:
        kinds(tmp_path)
    assert str(found.value) == f"{tmp_path}/odd {fault}."


def test_all_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"f{number:02}").write_bytes(b"a,b")
    with pytest.raises(UsageError) as found:
        kinds(tmp_path)
    assert len(str(found.value).splitlines()) == 21
    assert str(found.value).endswith("\n... and 5 more.")


def test_folders_are_read_whole_without_what_is_hidden(tmp_path: Path) -> None:
    names = ["day=1/a.ndjson", "day=2/b.ndjson", "_SUCCESS", ".a.ndjson.crc", "_spark_metadata/0", "day=1/_x/c.ndjson"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(LINE)
    files = find([str(tmp_path), f"file://{tmp_path}/day=1/a.ndjson"], STORE)
    assert [each.path for each in files] == [f"{tmp_path}/day=1/a.ndjson", f"{tmp_path}/day=2/b.ndjson"]
    assert {each.size for each in files} == {len(LINE)}


def test_nothing_to_read(tmp_path: Path) -> None:
    cases = {
        "none": f"{tmp_path}/none does not exist; name a file of events, or a folder of them.",
        "empty": f"There is nothing to read in {tmp_path}/empty: no file there has anything in it.",
        "folder": f"There is nothing to read in {tmp_path}/folder: no file there has anything in it.",
        "job": f"{tmp_path}/job has a folder _temporary: a job still writes there, or died while it did. Wait until it "
        "has ended; then remove that folder, if it is still there.",
    }
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "job" / "_temporary" / "0").mkdir(parents=True)
    (tmp_path / "job" / "_temporary" / "0" / "part-0").write_bytes(LINE)
    for name, text in cases.items():
        with pytest.raises(UsageError) as found:
            find([str(tmp_path / name)], STORE)
        assert str(found.value) == text


def test_of_an_archive_only_files_that_count(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with filled(archive, [row(1)], [row(2)]) as catalog:
        first, second = (each.path for each in catalog.snapshot().files)
    (archive / Path(first).with_name("orphan.parquet")).write_bytes((archive / first).read_bytes())
    whole = find([str(archive)], STORE)
    assert sorted(each.path for each in whole) == sorted([f"{archive}/{first}", f"{archive}/{second}"])
    assert sorted_out(whole, STORE).kinds[ARCHIVED] == [each.path for each in whole]
    copied = find([str(archive / "events")], STORE)
    assert len(sorted_out(copied, STORE).kinds[ARCHIVED]) == 3, (
        "without its catalog, files of an archive are just files"
    )
    with filled(archive, [row(3)]):
        assert seen_again([str(archive)], whole) == whole, "an archive goes on growing while its history is fed"
    (archive / first).unlink()
    with pytest.raises(UsageError) as found:
        find([str(archive)], STORE)
    assert str(found.value) == (
        f"{archive}/{first} of the archive cannot be read: No such file or directory. Restore it; or give up its events "
        "with engine archive check --forget."
    )
