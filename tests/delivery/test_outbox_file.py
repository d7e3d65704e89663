"""The outbox's file among other files: removed, replaced, not ours, on a full disk."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.delivery.outbox import file
from engine.delivery.outbox.base import Change, NewEvent, OutboxDamaged, OutboxError, OutboxFull, OutboxMoved
from engine.delivery.outbox.file import VERSION_1
from engine.delivery.outbox.identity import APPLICATION_ID
from engine.delivery.outbox.spare import SPARE_BYTES, Spare
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

ROOT = Path(__file__).parents[2]
NOW = 1_000_000.0


def events(*numbers: int) -> list[NewEvent]:
    return [NewEvent("s", f"m{number}", "2026-01-01T00:00:00Z", b"{}" * 100) for number in numbers]


def replace(file: Path) -> None:
    """Rename another file over one, as backup tools do."""
    other = file.with_name("restored")
    other.write_bytes(file.read_bytes())
    other.rename(file)


def link(file: Path) -> None:
    """Put a symbolic link to a copy in the place of a file."""
    copy = file.with_name("elsewhere.db")
    copy.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(copy)


FILE_GONE = (
    "{file} {became} while this process has it open, so nothing more is stored or sent. Move the file back, or start "
    "again with what is there now; what was not sent is lost if this process ends before the file is back or copied "
    "(engine docs delivery)."
)
PART_GONE = (
    "{file} {became} while this process has the outbox open, so nothing more is stored or sent. End this process "
    "before any other one uses {outbox}: its end writes into that file what is missing there."
)
REMOVED, REPLACED = "was removed or renamed", "was replaced"
MOVES: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "removed": ("", Path.unlink, FILE_GONE, REMOVED),
    "renamed": ("", lambda file: file.rename(file.with_name("x.db")), FILE_GONE, REMOVED),
    "the directory renamed": ("", lambda file: file.parent.rename(file.parent.with_name("x")), FILE_GONE, REMOVED),
    "replaced": ("", replace, FILE_GONE, REPLACED),
    "a link": ("", link, FILE_GONE, REPLACED),
    "-wal removed": ("-wal", Path.unlink, PART_GONE, REMOVED),
    "-wal replaced": ("-wal", replace, PART_GONE, REPLACED),
    "-shm removed": ("-shm", Path.unlink, PART_GONE, REMOVED),
}


@pytest.mark.parametrize("move", MOVES)
def test_what_is_written_to_a_file_without_its_name_is_no_success(tmp_path, move) -> None:
    part, change, text, became = MOVES[move]
    path = tmp_path / "d" / "outbox.db"
    path.parent.mkdir()
    with closing(SqliteOutbox(path)) as outbox:
        outbox.take_in(events(1), ["a"], NOW)
        fence = outbox.lease("a", "w", NOW, 10)
        [row] = outbox.waiting("a", 0, 10)
        change(Path(f"{path}{part}"))
        writes: list[Callable[[], object]] = [
            lambda: outbox.take_in(events(2), ["a"], NOW),
            lambda: outbox.lease("a", "w", NOW, 10),
            lambda: outbox.write("a", fence, [Change(row.place, Outcome.REJECTED, "no")], NOW),
            lambda: outbox.replay([row.place], "again", NOW),
            lambda: outbox.pause("a", NOW, "why"),
            lambda: outbox.hold("a", "why", "", NOW),
            lambda: outbox.set_alarm("a", "why"),
            lambda: outbox.resume("a"),
            lambda: outbox.release("a", "w"),
            lambda: outbox.purge(NOW),
        ]
        for write in writes:
            with pytest.raises(OutboxMoved) as raised:
                write()
            assert str(raised.value) == text.format(file=f"{path}{part}", outbox=path, became=became)


def test_a_file_that_is_back_under_its_name_goes_on(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(SqliteOutbox(Path("outbox.db"))) as outbox:
        Path("outbox.db").rename("x.db")
        with pytest.raises(OutboxMoved):
            outbox.take_in(events(1), ["a"], NOW)
        Path("x.db").rename("outbox.db")
        outbox.take_in(events(2), ["a"], NOW)
        assert [row.message_id for row in outbox.waiting("a", 0, 10)] == ["m1", "m2"]


@pytest.mark.parametrize("part", ["-wal", "-shm"])
def test_the_end_of_the_process_saves_what_was_in_a_removed_part(tmp_path, part) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteOutbox(path)) as outbox:
        outbox.take_in(events(*range(50)), ["a"], NOW)
        Path(f"{path}{part}").unlink()
    with closing(SqliteOutbox(path)) as outbox:
        assert outbox.unfinished("a")[0] == 50


def sqlite_file(*statements: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            for statement in statements:
                db.execute(statement)

    return make


def socket_file(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))


UNCHANGED = " It was left unchanged; name another file with --outbox."
SQLITE = "o.db is a SQLite file of another program ({}), not an outbox." + UNCHANGED
UNREADABLE = (
    "o.db is damaged or not an outbox (file is not a database). It was left unchanged: move it away to start a new one, "
    "or try to recover its content with: sqlite3 o.db .recover"
)
LOST_WAL = (
    "o.db is missing or empty, but o.db-wal is not: events are in there. Move the outbox back to o.db, or move o.db-wal "
    "away to start a new one."
)
OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("a note\n"), UNREADABLE),
    "long text": (lambda path: path.write_text("a note\n" * 5000), UNREADABLE),
    "a table": (sqlite_file("CREATE TABLE notes (x)"), SQLITE.format("tables: notes")),
    "some of our tables": (
        sqlite_file("CREATE TABLE events (x)", "CREATE TABLE states (x)"),
        SQLITE.format("tables: events, states"),
    ),
    "many tables": (
        sqlite_file(
            *(f'CREATE TABLE "t{number}\x1b" (x)' for number in range(3)), *(f"CREATE TABLE u{n} (x)" for n in "1234")
        ),
        SQLITE.format("tables: ?, ?, ?, u1, u2, 2 more"),
    ),
    "WAL mode": (sqlite_file("PRAGMA journal_mode = WAL", "CREATE TABLE notes (x)"), SQLITE.format("tables: notes")),
    "no tables": (sqlite_file("PRAGMA user_version = 1"), SQLITE.format("without tables")),
    "an id": (
        sqlite_file("PRAGMA application_id = 77", *VERSION_1),
        SQLITE.format("application id 0x4d"),
    ),
    "a directory": (Path.mkdir, "o.db is a directory, not an outbox." + UNCHANGED),
    "a pipe": (os.mkfifo, "o.db is a named pipe, not an outbox." + UNCHANGED),
    "a socket": (socket_file, "o.db is a socket, not an outbox." + UNCHANGED),
    "a device": (lambda path: path.symlink_to("/dev/null"), "o.db is a device, not an outbox." + UNCHANGED),
    "a loop": (
        lambda path: path.symlink_to(path.name),
        "o.db cannot be opened (too many levels of symbolic links)." + UNCHANGED,
    ),
    "a lost -wal": (
        lambda path: Path(f"{path}-wal").write_bytes(b"events"),
        LOST_WAL,
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_that_is_no_outbox_is_refused_and_left_as_it_is(tmp_path, monkeypatch, other) -> None:
    monkeypatch.chdir(tmp_path)
    make, text = OTHERS[other]
    make(Path("o.db"))

    def found() -> dict[str, bytes | int]:
        return {each.name: each.read_bytes() if each.is_file() else each.lstat().st_mode for each in tmp_path.iterdir()}

    before = found()
    with pytest.raises(OutboxDamaged) as raised:
        SqliteOutbox(Path("o.db"))
    assert str(raised.value) == text
    assert found() == before


def test_an_empty_file_and_a_link_to_nothing_become_outboxes(tmp_path) -> None:
    empty, linked = tmp_path / "empty.db", tmp_path / "link.db"
    empty.touch()
    linked.symlink_to(tmp_path / "target.db")
    for path in (empty, linked):
        with closing(SqliteOutbox(path)) as outbox:
            outbox.take_in(events(1), ["a"], NOW)
    assert (tmp_path / "target.db").stat().st_mode & 0o777 == 0o600


def application_id(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[68:72], "big")


def test_a_new_file_says_whose_it_is_from_its_first_write(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteOutbox(path)):
        assert application_id(path) == APPLICATION_ID, "while all else is still in the -wal"


def test_a_file_of_an_older_version_gets_the_id(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    sqlite_file(*VERSION_1, "PRAGMA user_version = 1")(path)
    with closing(SqliteOutbox(path)) as outbox:
        outbox.take_in(events(1), ["a"], NOW)
    assert application_id(path) == APPLICATION_ID


def test_so_does_one_whose_process_was_killed_before_its_tables_were_in_the_file(tmp_path) -> None:
    made, path = tmp_path / "made.db", tmp_path / "outbox.db"
    with closing(sqlite3.connect(made, isolation_level=None)) as db:
        for statement in ("PRAGMA journal_mode = WAL", *VERSION_1, "PRAGMA user_version = 1"):
            db.execute(statement)
        db.execute("INSERT INTO connections (name) VALUES ('a')")
        path.write_bytes(made.read_bytes())
        Path(f"{path}-wal").write_bytes(Path(f"{made}-wal").read_bytes())
    with closing(SqliteOutbox(path)) as outbox, closing(SqliteOutbox(path)):
        assert [row.name for row in outbox.connections()] == ["a"]
    assert application_id(path) == APPLICATION_ID


class SmallDisk(sqlite3.Connection):
    """Has room for few changes in a transaction, and for none while there is a spare file."""

    room = 40
    spare: Path
    before = 0

    def execute(self, statement, *given):
        if statement == "BEGIN IMMEDIATE":
            self.before = self.total_changes
        room = 0 if self.spare.exists() else self.room
        if statement == "COMMIT" and self.total_changes - self.before > room:
            super().execute("ROLLBACK")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(statement, *given)


def finished(path: Path, count: int) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        outbox.take_in(events(*range(count)), ["a"], NOW)
        fence = outbox.lease("a", "w", NOW, 10)
        outbox.write(
            "a", fence, [Change(row.place, Outcome.DELIVERED, "") for row in outbox.waiting("a", 0, count)], NOW
        )


def test_a_purge_on_a_full_disk_uses_the_spare_file_and_smaller_steps(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    finished(path, 100)
    SmallDisk.spare = tmp_path / "outbox.db-spare"
    SmallDisk.spare.write_bytes(b"room")
    outbox = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=SmallDisk, **k))
    with closing(outbox):
        with pytest.raises(OutboxFull):
            outbox.take_in(events(100), ["a"], NOW)
        assert SmallDisk.spare.exists(), "it is for purges alone"
        assert outbox.purge(NOW + 1) == ({Outcome.DELIVERED: 100}, 100)
        assert SmallDisk.spare.stat().st_size == SPARE_BYTES, "made again"
        SmallDisk.spare.unlink()


def test_a_purge_without_any_room_says_so(tmp_path, monkeypatch) -> None:
    path = tmp_path / "outbox.db"
    finished(path, 100)
    SmallDisk.spare = tmp_path / "outbox.db-spare"
    monkeypatch.setattr(SmallDisk, "room", 0)
    outbox = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=SmallDisk, **k))
    with closing(outbox), pytest.raises(OutboxError) as raised:
        outbox.purge(NOW + 1)
    assert str(raised.value) == (
        f"No space left on the disk of {path}. Its content is safe; free some space, or remove events that ended "
        f"(engine outbox purge --outbox {path}), and start again."
    )


def test_a_large_outbox_keeps_a_spare_file(tmp_path) -> None:
    path, file = tmp_path / "o.db", tmp_path / "o.db-spare"
    path.touch()
    spare = Spare(path)
    spare.keep()
    assert not file.exists(), "a small outbox frees little"
    os.truncate(path, SPARE_BYTES)
    spare.keep()
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (SPARE_BYTES, 0o600)
    assert file.stat().st_blocks * 512 >= SPARE_BYTES, "with its blocks"
    assert spare.give_up()
    spare.keep()
    assert not file.exists(), "not while a purge needs its room"
    spare.restore()
    assert file.exists()
    file.unlink()
    assert not Spare(path).give_up()


@pytest.mark.slow
@pytest.mark.parametrize("size", [300, 2500, 7000])
def test_a_disk_that_is_really_full_can_be_purged(tmp_path, size) -> None:
    """On a file system of 64 MB, for which Linux lets every user make a name space of their own."""
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "tests.delivery.full_disk"]
    done = subprocess.run([*command, str(tmp_path), str(size)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_file_that_another_process_makes_at_this_moment_is_waited_for() -> None:
    tries = []

    def prepare() -> None:
        tries.append(1)
        if len(tries) < 3:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error

    file.in_turn(prepare, 10.0)
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        file.in_turn(prepare, 0.0)
