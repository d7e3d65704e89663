"""What only the durable outbox has: a file, with everything that can happen to one."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from random import Random

import orjson
import pytest

from engine.delivery.outbox.base import WINDOW, Change, Chosen, NewEvent, OutboxDamaged, OutboxError
from engine.delivery.outbox.file import VERSION_1, VERSION_2, VERSIONS
from engine.delivery.outbox.reports import EventReports
from engine.delivery.outbox.sqlite import PURGED_AT_ONCE, SqliteOutbox
from engine.delivery.outbox.statements import AT_ONCE
from engine.records import Outcome, Report
from tests.delivery.memory_outbox import MemoryOutbox

NOW = 1_000_000.0
REPORTS = ((), (), (Report("repaired", "event", "what"),))


def events(*numbers: int) -> list[NewEvent]:
    return [NewEvent("s", f"m{number}", "2026-01-01T00:00:00Z", b"{}" * 100) for number in numbers]


def test_what_was_taken_in_is_there_after_a_restart(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    for number in range(3):
        outbox = SqliteOutbox(path)
        outbox.take_in(events(number), ["a"], NOW)
        outbox.close()
    outbox = SqliteOutbox(path)
    assert [row.message_id for row in outbox.waiting("a", 0, 10)] == ["m0", "m1", "m2"]
    outbox.close()


def test_the_disk_is_asked_before_anything_is_answered(durable) -> None:
    modes = [durable._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]


@pytest.mark.parametrize("seed", range(3))
def test_what_goes_in_many_at_a_time_is_as_one_by_one(durable, seed) -> None:
    """The outbox in memory takes each event alone."""
    random, memory, now = Random(seed), MemoryOutbox(), NOW
    ids = ["m", "m\0", "m\0n", "M", "\u00fc", "m'", *(f"m{n}" for n in range(150))]
    for _ in range(12):
        now += random.choice([0.0, 1.0, WINDOW / 3])
        given = [
            NewEvent(random.choice("sst"), each, f"at {now}", random.choice([b"a", b"a", b"b"]), random.choice(REPORTS))
            for each in random.choices(ids, k=random.choice([0, 1, AT_ONCE, AT_ONCE + 1, 50]))
        ]
        names, again = random.choice([[], ["a"], ["b", "a"], ["a", "b", "c"]]), random.random() < 0.1
        assert durable.take_in(given, names, now, again=again) == memory.take_in(given, names, now, again=again)
    assert durable.listed(Chosen(), 0, 10_000) == memory.listed(Chosen(), 0, 10_000)
    assert [durable.waiting(name, 0, 10_000) for name in "abc"] == [memory.waiting(name, 0, 10_000) for name in "abc"]
    assert [durable.event(n) for n in range(400)] == [memory.event(n) for n in range(400)]


def test_an_event_needs_a_number(durable) -> None:
    """Only damage can give the highest number to an event: it is reported where no event can have another."""
    durable.take_in(events(1), ["a"], NOW)
    durable._db.execute("UPDATE events SET id = ?", (2**63 - 2,))
    with pytest.raises(OutboxDamaged, match="an impossible number of an event"):
        durable.take_in(events(2), ["a"], NOW)


def test_two_processes_can_use_one_file(tmp_path) -> None:
    outboxes = [SqliteOutbox(tmp_path / "outbox.db") for _ in range(4)]

    def fill(outbox: SqliteOutbox, first: int) -> None:
        for number in range(first, first + 25):
            outbox.take_in(events(number), ["a"], NOW)

    threads = [threading.Thread(target=fill, args=(outbox, 100 * n)) for n, outbox in enumerate(outboxes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [int(row.message_id[1:]) for row in outboxes[0].waiting("a", 0, 1000)]
    assert len(found) == 100
    assert all(sorted(group) == group for n in range(4) if (group := [each for each in found if each // 100 == n]))
    for outbox in outboxes:
        outbox.close()


class Crashed(Exception):  # noqa: N818
    """The process ends here."""


class Crashing(sqlite3.Connection):
    """Ends at a statement that is given by number; what it had begun is as after `kill -9`."""

    left = 0

    def _count(self) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise Crashed

    def execute(self, *given):
        self._count()
        return super().execute(*given)

    def executemany(self, *given):
        self._count()
        return super().executemany(*given)


class Crowded(sqlite3.Connection):
    """Has another process at work before each of its reads."""

    beside: SqliteOutbox | None = None

    def execute(self, statement, *given):
        if self.beside is not None and statement.lstrip().startswith("SELECT"):
            self.beside.take_in(events(time.monotonic_ns()), ["a"], NOW)
        return super().execute(statement, *given)


def test_an_overview_is_of_one_moment(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    with closing(SqliteOutbox(path)) as other:
        other.take_in(events(1), ["a"], NOW)
        crowded = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=Crowded, **k))
        with closing(crowded):
            crowded._db.beside = other
            seen = crowded.overview(5)
            assert seen.counts == {("a", Outcome.WAITING): seen.unfinished["a"][0]}
            assert other.unfinished("a")[0] == seen.unfinished["a"][0] + 7


def work(outbox: SqliteOutbox) -> None:
    outbox.take_in(events(1, 2, 3), ["a", "b"], NOW)
    fence = outbox.lease("a", "w", NOW, 10)
    rows = outbox.waiting("a", 0, 10)
    outbox.write(
        "a", fence, [Change(rows[0].place, Outcome.REJECTED, "no"), Change(rows[1].place, Outcome.DELIVERED, "")], NOW
    )
    outbox.replay([rows[0].place], "replayed", NOW)
    outbox.purge(NOW + 1)


def state(path) -> tuple[list[tuple[str, str]], int]:
    outbox = SqliteOutbox(path)
    shown = [(row.message_id, row.outcome.value) for row in outbox.listed(Chosen(connection="a"), 0, 10)]
    others = len(outbox.waiting("b", 0, 10))
    outbox.close()
    return shown, others


WHOLE_STATES = [
    [],
    [("m1", "waiting"), ("m2", "waiting"), ("m3", "waiting")],
    [("m1", "rejected"), ("m2", "delivered"), ("m3", "waiting")],
    [("m2", "delivered"), ("m3", "waiting"), ("m1", "waiting")],
    [("m3", "waiting"), ("m1", "waiting")],
]


def test_a_crash_between_any_two_statements_leaves_a_whole_state(tmp_path) -> None:
    seen = []
    for number in range(200):
        path = tmp_path / f"{number}.db"
        Crashing.left = number
        ended = False
        outbox = None
        try:
            outbox = SqliteOutbox(path, connect=lambda *a, **k: sqlite3.connect(*a, factory=Crashing, **k))
            work(outbox)
            ended = True
        except Crashed:
            pass
        Crashing.left = 10_000
        if outbox is not None:
            outbox._db.close()
        found, others = state(path)
        assert found in WHOLE_STATES, number
        assert others == (3 if found else 0), "an event is there for all its connections or for none"
        if found not in seen:
            seen.append(found)
        if ended:
            break
    assert ended
    assert seen == WHOLE_STATES


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path)
    outbox.take_in(events(1), ["a"], NOW)
    outbox._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(OutboxError) as raised:  # noqa: PT012
        for number in range(2, 1000):
            outbox.take_in(events(number), ["a"], NOW)
    assert str(raised.value) == (
        f"No space left on the disk of {path}. Its content is safe; free some space, or remove events that "
        f"ended (engine outbox purge --outbox {path}), and start again."
    )
    kept = len(outbox.waiting("a", 0, 1000))
    assert kept == number - 1
    outbox._db.execute("PRAGMA max_page_count = 100000")
    outbox.take_in(events(number), ["a"], NOW)
    assert len(outbox.waiting("a", 0, 1000)) == kept + 1
    outbox.close()


def test_a_locked_file_is_reported(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutboxError) as raised:
        outbox.take_in(events(1), ["a"], NOW)
    assert str(raised.value) == (
        f"{path} is locked: another process has been writing for 0.05 seconds. Nothing is lost; try again."
    )
    other.execute("ROLLBACK")
    other.close()
    outbox.take_in(events(1), ["a"], NOW)
    outbox.close()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"this is no database at all, though it is long enough to be read as one" * 20, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "file is not a database"),
    ],
)
def test_a_damaged_file_is_reported_and_kept(tmp_path, content, error) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    with pytest.raises(OutboxError) as raised:
        SqliteOutbox(path)
    assert str(raised.value) == (
        f"{path} is damaged or not an outbox ({error}). It was left unchanged: move it away to start a new one, or try "
        f"to recover its content with: sqlite3 {path} .recover"
    )
    assert path.read_bytes() == content


def test_a_file_damaged_inside_is_reported_and_kept(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path)
    outbox.take_in(events(*range(200)), ["a"], NOW)
    outbox.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="is damaged or not an outbox"), closing(SqliteOutbox(path)) as outbox:
        outbox.waiting("a", 0, 1000)
    assert path.read_bytes() == bytes(content)


def test_a_file_of_a_newer_engine_is_refused(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path).close()
    newer = len(VERSIONS) + 1
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {newer}")
    db.close()
    with pytest.raises(OutboxError) as raised:
        SqliteOutbox(path)
    assert str(raised.value) == (
        f"{path} was created by a newer version of the engine (schema {newer}; this one supports "
        f"{len(VERSIONS)}); update the engine."
    )


def test_what_an_earlier_purge_left_in_a_file_goes_with_the_next(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in VERSION_1:
            db.execute(statement)
        db.execute("INSERT INTO connections (id, name) VALUES (1, 'a')")
        db.execute("INSERT INTO events VALUES (7, 's', 'm7', '2026-01-01T00:00:00Z', 5.0, x'7b7d')")
        db.execute("INSERT INTO states VALUES (9, 7, 1, 'rejected', 'no', 'private', NULL, '{}', 5.0, 5.0, 5.0)")
        db.execute("PRAGMA user_version = 1")
    with closing(SqliteOutbox(path)) as outbox:
        assert outbox.purge(NOW) == ({Outcome.REJECTED: 1}, 1)
        outbox.take_in(events(8), ["a"], NOW)
        [row] = outbox.waiting("a", 0, 10)
        assert (row.place, row.event) == (10, 8)
        assert outbox.purge(NOW) == ({}, 0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT id FROM events").fetchall() == [(8,)]
        assert db.execute("SELECT place, event FROM states").fetchall() == [(10, 8)]


def test_a_file_of_version_1_is_migrated_with_its_content(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in VERSION_1:
            db.execute(statement)
        db.execute("INSERT INTO connections (id, name, owner, leased_until) VALUES (1, 'a', 'w', ?)", (NOW + 5,))
        for place, outcome in enumerate(("delivered", "waiting", "waiting"), 1):
            values = (place, f"m{place}", b'{"n":%d}' % place)
            db.execute("INSERT INTO events VALUES (?, 's', ?, '2026-01-01T00:00:00Z', 5.0, ?)", values)
            values = (place, place, outcome)
            db.execute("INSERT INTO states VALUES (?, ?, 1, ?, 'so', '', 'd', '{}', 5.0, 5.0, 5.0)", values)
        db.execute("PRAGMA user_version = 1")
    with closing(SqliteOutbox(path)) as outbox:
        assert outbox.counts() == {("a", Outcome.DELIVERED): 1, ("a", Outcome.WAITING): 2}
        rows = outbox.waiting("a", 0, 10)
        assert [(row.message_id, row.raw, row.progress) for row in rows] == [
            ("m2", b'{"n":2}', "{}"),
            ("m3", b'{"n":3}', "{}"),
        ]
        assert outbox.lease("a", "v", NOW, 10) is None, "the lease is still that of the process that took it"
        fence = outbox.lease("a", "v", NOW + 6, 10)
        assert fence == 1
        outbox.write("a", fence, [Change(rows[0].place, Outcome.DELIVERED, "")], NOW + 7)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(VERSIONS),)
        assert db.execute("SELECT place, outcome, fence FROM states").fetchall() == [
            (1, "delivered", None),
            (2, "delivered", 1),
            (3, "waiting", None),
        ]


def test_a_file_of_version_2_is_migrated_and_holds_reports(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in (*VERSION_1, *VERSION_2):
            db.execute(statement)
        db.execute("INSERT INTO connections (id, name, fence) VALUES (1, 'a', 3)")
        db.execute("INSERT INTO events VALUES (7, 's', 'm7', '2026-01-01T00:00:00Z', 5.0, x'7b7d')")
        values = "(9, 7, 1, 'waiting', 'so', '', NULL, NULL, NULL, 5.0, 5.0, 3)"
        db.execute(f"INSERT INTO states VALUES {values}")
        db.execute("PRAGMA user_version = 2")
    report = Report("id-converted", "userId", "userId is the number 7; it was converted to text")
    with closing(SqliteOutbox(path)) as outbox:
        assert (outbox.overview(5).reported, outbox.listed(Chosen(), 0, 10)[0].reports) == ({}, ((), ()))
        [row] = outbox.waiting("a", 0, 10)
        assert row.reports == ()
        fence = outbox.lease("a", "w", NOW, 10)
        assert fence == 4
        outbox.write("a", fence, [Change(9, Outcome.DELIVERED, "", reports=EventReports((report,)))], NOW)
        assert outbox.overview(5).reports == [("a", "id-converted", "userId", 1)]
        outbox.verify()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(VERSIONS),)
        [(text,)] = db.execute("SELECT reports FROM states")
    assert orjson.loads(text) == {"event": [list(report)], "mapping": []}


def test_a_directory_that_is_not_there_is_reported(tmp_path) -> None:
    path = tmp_path / "nowhere" / "outbox.db"
    with pytest.raises(OutboxError) as raised:
        SqliteOutbox(path)
    assert str(raised.value) == (
        f"{path} cannot be opened for writing (unable to open database file); check that its directory exists and "
        "is writable."
    )


def test_a_large_purge_lets_others_write_between(tmp_path) -> None:
    statements: list[str] = []

    class Traced(sqlite3.Connection):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            self.set_trace_callback(statements.append)

    outbox = SqliteOutbox(tmp_path / "o.db", connect=lambda *a, **k: sqlite3.connect(*a, factory=Traced, **k))
    numbers = range(2 * PURGED_AT_ONCE + 500)
    outbox.take_in(events(*numbers), ["a"], NOW)
    fence = outbox.lease("a", "w", NOW, 10)
    rows = outbox.waiting("a", 0, len(numbers))
    outbox.write("a", fence, [Change(row.place, Outcome.DELIVERED, "") for row in rows], NOW)
    outbox.replay([rows[0].place], "again", NOW)  # so that the last place belongs to the first event
    [again] = outbox.waiting("a", 0, 10)
    outbox.write("a", fence, [Change(again.place, Outcome.DELIVERED, "")], NOW)
    statements.clear()
    assert outbox.purge(NOW + 1) == ({Outcome.DELIVERED: len(numbers)}, len(numbers))
    assert statements.count("COMMIT") == 6, "the last place, three parts of the events, the last event, discards"
    assert outbox.listed(Chosen(), 0, 10) == []
    outbox.close()


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode(tmp_path) -> None:
    path = tmp_path / "o.db"

    def modes() -> dict[str, int]:
        with closing(SqliteOutbox(path)) as outbox:
            outbox.take_in(events(1), ["a"], NOW)
            return {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}

    before = os.umask(0)
    try:
        assert modes() == {"o.db": 0o600, "o.db-wal": 0o600, "o.db-shm": 0o600}
        path.chmod(0o640)
        assert modes() == {"o.db": 0o640, "o.db-wal": 0o640, "o.db-shm": 0o640}
    finally:
        os.umask(before)


def test_a_file_of_a_newer_engine_is_not_changed(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(OutboxError, match="was created by a newer version of the engine"):
        SqliteOutbox(path)
    assert path.read_bytes() == before
