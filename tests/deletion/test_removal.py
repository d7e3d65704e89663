"""A person leaves the outbox: in every state, in what is kept of others, in each byte of its files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.deletion import steps
from engine.deletion.beginning import begin_by_command
from engine.deletion.steps import ENDED, QUEUE_DELETES, REMOVE, SOURCE, DeletionSteps, state_of
from engine.deletion.vendors import BY_HAND, QUEUE
from engine.delivery.outbox import deletions, removal
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change
from engine.delivery.outbox.scrubbing import scrub
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import JsonObject, Outcome
from tests.deletion.filled import EMAIL, IDS, NOW, OTHERS, PERSONS, USER, filled, new, traces

VENDORS: JsonObject = {"a": [QUEUE, ""], "mail": [BY_HAND, "the mapping mail has no delete call"]}


def deliver(outbox: SqliteOutbox, name: str, outcome: Outcome = Outcome.DELIVERED, reason: str = "1 request") -> int:
    fence = outbox.lease(name, "w", NOW, 10)
    assert fence is not None
    rows = outbox.waiting(name, 0, 100)
    outbox.write(name, fence, [Change(row.place, outcome, reason) for row in rows], NOW)
    return len(rows)


def counted(outbox: SqliteOutbox, number: int = 1) -> dict[str, int]:
    return outbox.look(lambda db: deletions.counted(db, number))


def test_nothing_of_the_person_is_left_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(filled(path)) as outbox:
        assert traces(path)
        begin_by_command(outbox, [USER], {}, NOW, suppress=True)
        assert DeletionSteps(outbox, clock=lambda: NOW).run() == 1
        assert counted(outbox) == {
            "discards": 1,
            "events": len(PERSONS),
            "masked": 2,
            "requests": 15,
            "requests masked": 15,
            "waited": len(PERSONS),
        }
        assert traces(path) == {}
        outbox.verify()
        kept = [orjson.loads(event.raw) for number in range(1, 20) if (event := outbox.event(number))]
        assert [event["userId"] for event in kept] == [event["userId"] for event in OTHERS]
        assert (kept[2]["properties"]["friend"], kept[3]["anonymousId"]) == ("(deleted)", "(deleted)")
        assert len(outbox.counts()) == 3
        assert sum(outbox.counts().values()) == 3 * len(OTHERS)
        [deletion] = outbox.look(deletions.listed)
        assert (deletion.ids, deletion.ended_at, state_of(deletion)) == (None, NOW, "done")
        last = outbox.last_place()
        outbox.take_in([new(50, {"userId": "bob-1"})], ["a"], NOW)
        assert outbox.waiting("a", 0, 9)[0].place == last + 1


def test_a_worker_that_has_an_event_in_memory_changes_nothing_later(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(1, {"userId": USER}), new(2, {"userId": "bob-1"})], ["a"], NOW)
        fence = outbox.lease("a", "w", NOW, 10)
        assert fence is not None
        mine, other = outbox.waiting("a", 0, 9)
        begin_by_command(outbox, [USER], {}, NOW, suppress=False)
        DeletionSteps(outbox).run()
        changes = [
            Change(mine.place, Outcome.REJECTED, "no", attempts="1 2"),
            Change(other.place, Outcome.DELIVERED, "", attempts="2"),
        ]
        attempts = [Attempt(number, 5, "r", "POST", "https://v", 1, 422) for number in (1, 2)]
        assert outbox.write("a", fence, changes, NOW, attempts) == changes[1:]
        assert outbox.look(lambda db: db.execute("SELECT number FROM attempts").fetchall()) == [(2,)]
        assert outbox.counts() == {("a", Outcome.DELIVERED): 1}


def test_an_email_in_an_event_of_another_that_waits_is_left_and_counted(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        first = {"type": "identify", "userId": USER, "traits": {"email": EMAIL}}
        outbox.take_in([new(1, first), new(2, {"userId": "bob-1", "traits": {"email": EMAIL}})], ["a"], NOW)
        begin_by_command(outbox, [USER], {}, NOW, suppress=False)
        DeletionSteps(outbox).run()
        assert counted(outbox) == {"events": 1, "left": 1, "waited": 1}
        [row] = outbox.waiting("a", 0, 9)
        assert orjson.loads(row.raw)["traits"]["email"] == EMAIL
        deliver(outbox, "a")
        begin_by_command(outbox, [EMAIL], {}, NOW, suppress=False)
        DeletionSteps(outbox).run()
        assert counted(outbox, 2) == {"masked": 1}
        assert outbox.look(lambda db: db.execute("SELECT key FROM event_keys").fetchall()) == [
            (key,) for key in sorted(keys_of_stored(outbox))
        ]


def keys_of_stored(outbox: SqliteOutbox) -> set[int]:
    from engine.delivery.outbox.keeping import keys_of_raw

    rows = outbox.look(lambda db: db.execute("SELECT raw FROM events WHERE taken_at >= 0").fetchall())
    return {key for (raw,) in rows for key in keys_of_raw(raw)}


def test_a_delete_event_is_queued_once_and_the_deletion_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(filled(path)) as outbox:
        begin_by_command(outbox, [USER], VENDORS, NOW, suppress=False)
        assert DeletionSteps(outbox).run() == 0
        [row] = outbox.waiting("a", 0, 9)
        event = orjson.loads(row.raw)
        assert (event["type"], event["userId"], event["context"]) == ("delete", USER, {"traits": {"email": EMAIL}})
        assert USER not in row.message_id
        [deletion] = outbox.look(deletions.listed)
        assert state_of(deletion) == "waiting"
        assert DeletionSteps(outbox).run() == 0
        deliver(outbox, "a", Outcome.REJECTED, f'the vendor refused "{USER}"')
        assert DeletionSteps(outbox).run() == 1
        [deletion] = outbox.look(deletions.listed)
        assert state_of(deletion) == "attention"
        assert deletion.vendors == {
            "a": ["rejected", 'the vendor refused "(deleted)"'],
            "mail": [BY_HAND, "the mapping mail has no delete call"],
        }
        assert traces(path) == {}


class KilledError(Exception):
    pass


@pytest.mark.parametrize(
    "at", [0, *(pytest.param(at, marks=pytest.mark.slow) for at in range(1, ENDED - 1)), ENDED - 1]
)
def test_a_deletion_that_was_killed_goes_on(tmp_path: Path, at: int) -> None:
    path = tmp_path / "o.db"

    def kill(step: int, _found: object) -> None:
        if step == at:
            raise KilledError

    with closing(filled(path)) as outbox:
        begin_by_command(outbox, [USER], VENDORS, NOW, suppress=True)
        for _ in range(2):
            try:
                DeletionSteps(outbox, on_step=kill).run()
            except KilledError:
                continue
            deliver(outbox, "a")
        DeletionSteps(outbox).run()
        deliver(outbox, "a")
        DeletionSteps(outbox).run()
        assert counted(outbox)["events"] == len(PERSONS)
        [deletion] = outbox.look(deletions.listed)
        assert deletion.vendors["a"] == ["delivered", "1 request"]
        assert traces(path) == {}
        sent = outbox.look(lambda db: db.execute("SELECT count(*) FROM events WHERE source = ?", (SOURCE,)).fetchall())
        assert sent == [(0,)]


def test_deletions_that_wait_for_a_held_vendor_hide_none_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "MOST_AT_ONCE", 2)
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        begin_by_command(outbox, ["one", "two", "three"], VENDORS, NOW, suppress=False)
        begin_by_command(outbox, ["four", "five", "six"], {}, NOW, suppress=False)
        assert (DeletionSteps(outbox).run(), DeletionSteps(outbox).is_due()) == (3, False)
        assert [state_of(each) for each in outbox.look(deletions.listed)] == ["done"] * 3 + ["waiting"] * 3


def test_two_processes_may_remove_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(filled(path)) as outbox, closing(SqliteOutbox(path)) as other:
        begin_by_command(outbox, [USER], VENDORS, NOW, suppress=False)
        done: list[int] = []

        def also(step: int, _found: object) -> None:
            if step in (REMOVE, QUEUE_DELETES) and step not in done:
                done.append(step)
                persons = removal.RemovedPersons([(1, IDS)])
                removal.remove(other, persons)
                DeletionSteps(other).run()

        DeletionSteps(outbox, on_step=also).run()
        assert done
        assert counted(outbox)["events"] == len(PERSONS)
        assert len(outbox.waiting("a", 0, 9)) == 1


def test_remnants_that_sqlite_leaves_are_overwritten_while_another_process_has_pages_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(SqliteOutbox(path)) as outbox, closing(sqlite3.connect(path, isolation_level=None)) as careless:
        careless.execute("PRAGMA secure_delete = OFF")
        for at in range(0, 400, 50):
            events = [new(number, {"userId": USER, "p": "x" * (number % 7 * 90)}) for number in range(at, at + 50)]
            outbox.take_in([*events, new(1000 + at, {"userId": "bob-1"})], ["a"], NOW)
        careless.execute("DELETE FROM events WHERE id % 51 != 0 AND id < 300")
        careless.execute("UPDATE states SET words = words || 'longer ' || place")
        careless.execute("DELETE FROM states WHERE event NOT IN (SELECT id FROM events)")
        careless.execute("DELETE FROM event_keys")
        outbox.empty_wal()
        before = path.read_bytes().count(USER.encode())
        assert scrub(path)
        left = outbox.look(lambda db: db.execute("SELECT count(*) FROM events WHERE instr(raw, ?)", (USER,)).fetchall())
        outbox.empty_wal()
        after = path.read_bytes().count(USER.encode())
        assert before > after == left[0][0]
        outbox.take_in([new(5000, {"userId": "bob-1"})], ["a"], NOW)
        careless.execute("UPDATE states SET words = 'x'")
        assert careless.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
def test_a_held_connection_with_100_000_waiting_events_of_one_person(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        for at in range(0, 100_000, 1000):
            outbox.take_in([new(number, {"userId": USER}) for number in range(at, at + 1000)], ["a"], NOW)
        outbox.hold("a", "the vendor answered 401", "", NOW)
        begin_by_command(outbox, [USER], VENDORS, NOW, suppress=False)
        DeletionSteps(outbox).run()
        assert counted(outbox) == {"events": 100_000, "waited": 100_000}
        assert len(outbox.waiting("a", 0, 9)) == 1
        outbox.verify()


@pytest.mark.slow
def test_100_000_users_at_once(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        for at in range(0, 100_000, 1000):
            events = [
                new(n, {"type": "identify", "userId": f"user-{n}x", "traits": {"email": f"u{n}@example.com"}})
                for n in range(at, at + 1000)
            ]
            outbox.take_in(events, ["a"], NOW)
        users = [f"user-{n}x" for n in range(100_000)]
        begin_by_command(outbox, users, {}, NOW, suppress=True)
        assert DeletionSteps(outbox).run() == 100_000
        assert outbox.look(lambda db: db.execute("SELECT count(*) FROM events WHERE taken_at >= 0").fetchone()) == (0,)
        assert outbox.take_in([new(1, {"userId": "user-5x"})], ["a"], NOW).suppressed == {"web": 1}
