"""`engine archive` as an operator types it."""

from __future__ import annotations

import gzip
import re
from itertools import islice
from pathlib import Path

import orjson
import pytest

from engine.archive.catalog import ArchiveBusy, Catalog
from engine.archive.following import Follower
from engine.archive.importing import ImportedFile, Importer, file_origin
from engine.archive.writing import write
from engine.commands.options import SHORTEST_KEEP
from engine.delivery.intake import new_events
from engine.delivery.outbox.base import WINDOW
from engine.delivery.outbox.keys import person_key
from engine.events.reading import read_events
from tests.archive.made import FOLLOWED, NOW, archived, event, filled, ids, row, stored
from tests.operating import said

OLD = "2026-11-28T10:00:00.000Z"
SOME = 5


def engine(*words: object) -> tuple[int, str]:
    """Run a command; return its exit code and all that it prints."""
    return said(*map(str, words))


def file_of_events(path: Path, count: int) -> Path:
    path.write_bytes(b"\n".join(map(event, range(1, count + 1))))
    return path


def test_files_are_imported_once(tmp_path: Path) -> None:
    archive, file = tmp_path / "a", tmp_path / "events.ndjson"
    lines = [event(1), event(2, receivedAt=None, timestamp=OLD), b'{"type":"buy"}', b"nope", b'{"type":"track"}']
    file.write_bytes(b"\n".join(lines))
    zipped = tmp_path / "more.json.gz"
    zipped.write_bytes(gzip.compress(b"[" + event(3) + b"]"))
    code, text = engine("archive", "import", file, zipped, "--archive", archive)
    assert (code, text.splitlines()[-1]) == (1, "3 events archived, 1 could not be read, 2 discarded.")
    with Catalog.open(archive) as catalog:
        days = [(each.day, each.rows) for each in catalog.snapshot().files]
        assert (days, ids(catalog)) == ([("2026-11-28", 1), ("2026-11-29", 1), ("2026-11-29", 1)], ["m2", "m1", "m3"])
        assert {each["source"] for each in archived(catalog)} == {"import"}
    assert engine("archive", "import", file, zipped, "--archive", archive) == (
        0,
        "0 events archived, 3 already archived.\n",
    )


def test_an_import_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    file = file_of_events(tmp_path / "events.ndjson", SOME)
    origin = file_origin(file, "web")

    def importing(count: int | None) -> ImportedFile:
        importer = Importer(catalog, origin, lambda: NOW, most_events=2)
        with read_events(file) as reader:
            importer.take_in(islice(new_events(reader, "web", OLD), count), lambda: count is not None)
        return importer.result

    with Catalog.open(tmp_path / "a", create=True) as catalog:
        assert importing(3) == ImportedFile(new=3)
        assert importing(1) == ImportedFile(known=3), "cut short before there was anything new"
        assert importing(None) == ImportedFile(new=2, known=3)
        assert ids(catalog) == [f"m{number}" for number in range(1, SOME + 1)]
        assert Importer(catalog, origin).is_whole


def test_two_imports_of_one_file_at_once(tmp_path: Path) -> None:
    file = file_of_events(tmp_path / "events.ndjson", SOME)
    with Catalog.open(tmp_path / "a", create=True) as catalog, read_events(file) as reader:
        events = [*new_events(reader, "web", OLD)]
        one, two = (Importer(catalog, "file:x", lambda: NOW) for _ in range(2))
        one.take_in(events)
        with pytest.raises(ArchiveBusy, match=r"^Another process imports the same file\."):
            two.take_in(events)
        assert len(ids(catalog)) == SOME


def test_events_of_suppressed_users_are_not_imported(tmp_path: Path) -> None:
    """What another user does on the device of a suppressed one is no event of that one."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join((event(1), event(2, anonymousId="device-1"))))
    with filled(tmp_path / "a") as catalog:
        catalog.set_suppressed([person_key("U1"), person_key("device-1")])
        assert engine("archive", "import", file, "--archive", tmp_path / "a") == (
            0,
            "1 event archived, 1 of suppressed users.\n",
        )
        assert ids(catalog) == ["m2"]


STATUS = """\
{archive}: 2 events of 1 day, N kB in 1 file.
The first is of 2026-11-29T12:00:00Z, the last of 2026-11-29T12:00:00Z.
1 event without a valid type, which queries leave out.
{outbox}: 1 event not archived yet.
Users are known from all but the last 1 event.
"""


def test_status(tmp_path: Path) -> None:
    archive, outbox = tmp_path / "a", tmp_path / "o.db"
    stored(outbox, event(1), event(2, type="buy"))
    with Catalog.open(archive, create=True) as catalog:
        Follower(outbox, catalog, lambda: NOW).step()
        catalog.set({"people_row": "1"})
        stored(outbox, event(3))
        code, text = engine("archive", "--archive", archive, "status")
        assert (code, re.sub(r"[0-9.]+ kB", "N kB", text)) == (0, STATUS.format(archive=archive, outbox=outbox))
        code, text = engine("archive", "status", "--archive", archive, "--json")
        found = orjson.loads(text)
        assert (found["behind"], found["users_behind"], found["damaged"]) == ({str(outbox): 1}, 1, [])


DAMAGED = """\
1 file can be read.

1 file cannot be read, with 1 event:
  {}: the file is missing
Damaged files are left out of every answer, and audiences are not synced without them. Restore them from a copy, or \
import their days again; `engine archive check` lets a restored file count again, and `engine archive check --forget` \
removes the others.
"""


def test_check_compact_and_what_is_damaged(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)], [row(2)]) as catalog:
        lost = catalog.snapshot().files[0].path
        content = (tmp_path / lost).read_bytes()
        (tmp_path / lost).unlink()
        assert engine("archive", "check", "--archive", tmp_path) == (1, DAMAGED.format(lost))
        assert engine("archive", "status", "--archive", tmp_path)[0] == 1
        (tmp_path / lost).write_bytes(content)
        assert engine("archive", "check", "--archive", tmp_path) == (0, "2 files can be read, 1 of them again.\n")
        (tmp_path / lost).write_bytes(b"text")
        forgotten = "1 file can be read.\n1 damaged file removed; 1 events are lost.\n"
        assert engine("archive", "check", "--archive", tmp_path, "--forget") == (0, forgotten)
        assert engine("archive", "check", "--archive", tmp_path) == (0, "1 file can be read.\n")
        write(catalog, [row(3)], "", 0, erasures_seen=catalog.erasures(), now=NOW)
    assert engine("archive", "compact", "--archive", tmp_path) == (0, "2 files became 1.\n")
    assert engine("archive", "compact", "--archive", tmp_path, "--keep", "36500d")[1] == "Nothing to put together.\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("archive", "status", "--archive", "none"), 4, "There is no archive in none. `engine serve --archive` makes"),
        (("archive", "compact", "--keep", "1y"), 2, '--keep: "1y" is not a duration; write a whole number and ms, s,'),
        (("archive", "compact", "--keep", "1h"), 2, "--keep must be at least 24h: whole days are removed."),
        (("archive", "import", "none.ndjson"), 2, "File none.ndjson does not exist; name a file of events, or - for"),
        (("archive", "compress"), 2, 'There is no command "compress". '),
        (("serve", "exponea", "--sandbox", "--archive-keep", "9d"), 2, "--archive-keep is about --archive: add it."),
    ],
)
def test_what_goes_wrong(words: tuple[str, ...], code: int, text: str) -> None:
    found = engine(*words)
    assert found[0] == code
    assert text in found[1]


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as catalog, catalog.follower():
        words = ("serve", "exponea", "--sandbox", "--archive", tmp_path / "a", "--port", 0, "--admin-port", 0)
        code, text = engine(*words, "--outbox", tmp_path / "o.db", "--no-log")
        assert (code, text) == (4, FOLLOWED.format(tmp_path / "a") + "\n")


def test_what_is_kept_is_kept_as_long_as_duplicates_are_known() -> None:
    assert SHORTEST_KEEP == WINDOW
