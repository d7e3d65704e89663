"""Files of older versions: what is in them stays as it is, and becomes searchable in parts while others work."""

from __future__ import annotations

import asyncio
import lzma
import sqlite3
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.collector import background
from engine.collector.background import add_keys
from engine.delivery.outbox import keeping, looking
from engine.delivery.outbox.base import Change, Chosen, NewEvent, OutboxError, OutboxFull
from engine.delivery.outbox.file import VERSIONS
from engine.delivery.outbox.keys import keys_of, person_key
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from tests.collector.running import ROOT
from tests.delivery.test_sqlite import Crashed, Crashing

RELEASED = lzma.decompress((Path(__file__).parent / "files" / "outbox-version-3.db.xz").read_bytes())
NOW = 1_767_300_000.0
OLD_INSERT = "INSERT INTO events (source, message_id, received_at, taken_at, raw) VALUES ('s', ?, 'r', ?, ?)"
"""As an older version does."""
TABLES = ("events", "connections", "states")


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def made_by(version: int, path: Path) -> dict[str, tuple[str, list[tuple[object, ...]]]]:
    """Make a file of a version, with the released one's content; return the columns and rows of each table."""
    path.write_bytes(RELEASED)
    if version < 3:
        path.rename(released := path.with_suffix(".released"))
        with closing(sqlite3.connect(path)) as db:
            for statement in (each for part in VERSIONS[:version] for each in part):
                db.execute(statement)
            db.execute("ATTACH ? AS released", (str(released),))
            for table in TABLES:
                names = ", ".join(columns(db, table))
                db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM released.{table}")
            db.execute(f"PRAGMA user_version = {version}")
            db.commit()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
        return {table: (names := ", ".join(columns(db, table)), rows(db, table, names)) for table in TABLES}


def rows(db: sqlite3.Connection, table: str, names: str) -> list[tuple[object, ...]]:
    return db.execute(f"SELECT {names} FROM {table} ORDER BY 1").fetchall()


def wanted_keys(path: Path) -> set[tuple[int, int]]:
    """Return the keys of all events of a file."""
    found = set()
    with closing(sqlite3.connect(path)) as db:
        for number, raw in db.execute("SELECT id, raw FROM events WHERE taken_at >= 0"):
            try:
                found |= {(key, number) for key in keys_of(orjson.loads(raw))}
            except orjson.JSONDecodeError:
                continue
    return found


def keys_in(path: Path) -> set[tuple[int, int]]:
    with closing(sqlite3.connect(path)) as db:
        return set(db.execute("SELECT key, event FROM event_keys"))


def all_keyed(outbox: SqliteOutbox) -> Iterator[int]:
    while left := outbox.key_some():
        yield left


@pytest.mark.parametrize("version", [1, 3])
def test_everything_stays_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "o.db"
    before = made_by(version, path)
    assert len(before["states"][1]) > 6000
    with closing(SqliteOutbox(path)) as outbox:
        assert [*all_keyed(outbox)]
        outbox.verify()
        waiting = outbox.waiting("mail", 0, 2000)
        assert outbox.overview(5).unfinished["mail"][0] == len(waiting) > 900
        [row] = outbox.connections("mail")
        assert (row.held, row.hint) == ("the vendor answered 401", "Check the token.")
    assert keys_in(path) == wanted_keys(path)
    with closing(sqlite3.connect(path)) as db:
        for table, (names, content) in before.items():
            assert rows(db, table, names) == content, table


def test_half_done_events_go_on(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    made_by(3, path)
    with closing(SqliteOutbox(path)) as outbox:
        fence = outbox.lease("shop", "me", NOW, 10)
        assert fence is not None
        half = [row for row in outbox.waiting("shop", 0, 1000) if row.progress]
        assert {(row.progress, row.digest, row.attempts) for row in half} == {('{"done":1}', "d1", None)}
        changes = [Change(row.place, Outcome.DELIVERED, "", attempts="1") for row in half]
        assert outbox.write("shop", fence, changes, NOW) == changes


def test_keys_are_added_in_parts_while_others_read_and_deliver(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    made_by(3, path)
    with pytest.raises(OutboxError) as raised:
        OutboxFile(path).look(looking.unkeyed)
    assert str(raised.value) == (
        f"{path} was made by an older version of the engine; `engine outbox status --outbox {path}` brings it up."
    )
    user = Chosen(user="person7@EXAMPLE.com", connection="shop")
    with closing(SqliteOutbox(path)) as outbox, closing(SqliteOutbox(path)) as delivering:
        seen, left = [], []
        for number, each in enumerate(all_keyed(outbox)):
            left.append(each)
            assert OutboxFile(path).look(looking.unkeyed)
            seen.append(OutboxFile(path).look(lambda db: looking.counted(db, user)))
            raw = orjson.dumps({"type": "track", "userId": "new"})
            delivering.take_in(
                [NewEvent("s", f"new{number}", "r", raw, keys=keys_of({"userId": "new"}))], ["shop"], NOW
            )
            fence = delivering.lease("shop", "me", NOW, 10)
            row = delivering.waiting("shop", 0, 1)[0]
            assert fence is not None
            delivering.write("shop", fence, [Change(row.place, Outcome.DELIVERED, "")], NOW)
    assert (seen, left) == (sorted(seen), sorted(left, reverse=True)), "the newest first"
    assert len(left) >= 5
    assert not OutboxFile(path).look(looking.unkeyed)
    with closing(sqlite3.connect(path)) as db:
        raws = [row[0] for row in db.execute("SELECT raw FROM states JOIN events ON id = event WHERE connection = 1")]
    assert len([raw for raw in raws if b"Person7@example.com" in raw]) == OutboxFile(path).look(
        lambda db: looking.counted(db, user)
    )


def test_a_kill_anywhere_in_between_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "KEYED_AT_ONCE", 700)
    path = tmp_path / "o.db"
    made_by(3, path)
    SqliteOutbox(path).close()
    wanted, crashes = wanted_keys(path), 0
    while True:
        Crashing.left = 10_000
        outbox = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=Crashing, **k))
        Crashing.left = crashes % 9 + 4
        try:
            ended = not [*all_keyed(outbox)]
        except Crashed:
            crashes, ended = crashes + 1, False
        Crashing.left = 10_000
        outbox._db.close()
        if ended:
            break
        assert keys_in(path) <= wanted
    assert keys_in(path) == wanted
    assert crashes > 5


def test_a_migration_that_is_killed_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    before = made_by(3, path)
    for number in range(100):
        Crashing.left = number
        try:
            SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=Crashing, **k)).close()
            break
        except Crashed:
            with closing(sqlite3.connect(path)) as db:
                assert db.execute("PRAGMA user_version").fetchone() == (3,)
                assert db.execute("SELECT count(*) FROM states").fetchone() == (len(before["states"][1]),)
    assert number > len(VERSIONS[3])
    Crashing.left = 10_000


def test_several_processes_may_bring_it_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    made_by(3, path)
    opened: list[SqliteOutbox] = []
    threads = [threading.Thread(target=lambda: opened.append(SqliteOutbox(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for outbox in opened:
        deque(all_keyed(outbox))
        outbox.close()
    assert keys_in(path) == wanted_keys(path)


def test_events_that_a_process_of_an_older_version_adds_get_their_keys_later(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    made_by(3, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as older, closing(SqliteOutbox(path)) as outbox:
        assert [*all_keyed(outbox)]
        raw = orjson.dumps({"type": "track", "userId": "Late", "event": "E"})
        number = older.execute(OLD_INSERT, ("late", NOW, raw)).lastrowid
        assert OutboxFile(path).look(looking.unkeyed)
        removed = older.execute(OLD_INSERT, ("later", NOW, raw)).lastrowid
        older.execute("DELETE FROM events WHERE id = ?", (removed,))
        assert [*all_keyed(outbox)] == [1]
        assert not OutboxFile(path).look(looking.unkeyed)
        assert older.execute("SELECT event FROM event_keys WHERE key = ?", (person_key("late"),)).fetchall() == [
            (number,)
        ]


def test_what_a_process_of_an_older_version_purges_is_no_longer_found(tmp_path: Path) -> None:
    """It leaves the keys, which then lead nowhere: no later event gets their number."""
    path = tmp_path / "o.db"
    made_by(3, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as older, closing(SqliteOutbox(path)) as outbox:
        assert [*all_keyed(outbox)]
        older.execute("DELETE FROM states WHERE place < 5000")
        older.execute("DELETE FROM events WHERE NOT EXISTS (SELECT 1 FROM states WHERE event = events.id)")
        person = Chosen(user="person7@example.com")
        found = outbox.look(lambda db: looking.newest(db, person, 2000))
        assert len(found) == outbox.look(lambda db: looking.counted(db, person)) > 10
        assert all(b"Person7@example.com" in each.raw for each in found)
        outbox.verify()


class NoRoom(sqlite3.Connection):
    """A file on a disk that is full."""

    def execute(self, statement, *given):
        if statement.startswith("BEGIN IMMEDIATE"):
            [pages] = super().execute("PRAGMA page_count").fetchone()
            super().execute(f"PRAGMA max_page_count = {pages + 3}")
        return super().execute(statement, *given)


def test_a_full_disk_changes_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    before = made_by(3, path)
    with pytest.raises(OutboxFull) as raised:
        SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=NoRoom, **k))
    assert str(raised.value) == (
        f"No space left on the disk of {path}, which is of an older version of the engine. To bring it up to this one "
        "takes up to 2 MB. Its content is safe and unchanged; free some space, and start again."
    )
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert rows(db, "states", before["states"][0]) == before["states"][1]
    with closing(SqliteOutbox(path)) as outbox:
        assert [*all_keyed(outbox)]


def test_a_disk_that_gets_full_later_leaves_keys_for_later(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    made_by(3, path)
    SqliteOutbox(path).close()
    full = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=NoRoom, **k))
    with closing(full), pytest.raises(OutboxFull):
        deque(all_keyed(full))
    assert OutboxFile(path).look(looking.unkeyed)
    with closing(SqliteOutbox(path)) as outbox:
        assert [*all_keyed(outbox)]
    assert keys_in(path) == wanted_keys(path)


def test_the_server_adds_keys_beside_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "KEYS_SHARE", 1)
    path = tmp_path / "o.db"
    made_by(3, path)
    reported: list[int] = []
    with closing(SqliteOutbox(path)) as outbox:

        async def work() -> None:
            ended = asyncio.Event()

            def change(left: int) -> None:
                reported.append(left)
                if not left:
                    ended.set()

            task = asyncio.create_task(add_keys(outbox, change))
            await asyncio.wait_for(ended.wait(), 30)
            task.cancel()

        asyncio.run(work())
    assert len(reported) == 2
    assert reported[0] > 2000
    assert keys_in(path) == wanted_keys(path)


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", "tests.delivery.full_disk"]
    done = subprocess.run([*command, str(tmp_path), "migrate"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
