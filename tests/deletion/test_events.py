"""Delete events that come in begin deletions: each once, in order, and no more than a day may have."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.deletion import beginning
from engine.deletion.beginning import Begun, begin_by_events
from engine.deletion.reporting import report_lines
from engine.deletion.steps import MERGED, SOURCE, TOO_MANY, DeletionSteps
from engine.deletion.vendors import LOOK, QUEUE
from engine.delivery.outbox import deletions, removal
from engine.delivery.outbox.base import Change
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.persons import asked_for
from engine.records import JsonObject, Outcome
from tests.deletion.filled import NOW, USER, filled, new, traces

VENDORS: JsonObject = {"a": [QUEUE, ""], "d": [QUEUE, ""]}


def delete(number: int, user: object = USER) -> JsonObject:
    return {"type": "delete", "userId": user, "messageId": f"d{number}"}  # type: ignore[dict-item]


def users(outbox: SqliteOutbox) -> int:
    return len(outbox.look(deletions.listed))


def test_a_delete_event_begins_a_deletion_and_is_sent_to_connections_that_have_not_got_it(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(filled(path)) as outbox:
        outbox.take_in([new(90, delete(90))], ["a"], NOW)
        assert begin_by_events(outbox, lambda: VENDORS, NOW) == Begun(1)
        assert begin_by_events(outbox, lambda: VENDORS, NOW) == Begun()
        DeletionSteps(outbox).run()
        assert [row.message_id for row in outbox.waiting("a", 0, 9)] == ["d90"]
        assert [row.message_id[:10] for row in outbox.waiting("d", 0, 9)] == ["deletion-1"]
        assert begin_by_events(outbox, lambda: VENDORS, NOW) == Begun(), "its own event begins nothing"
        for name in "ad":
            fence = outbox.lease(name, "w", NOW, 10) or 0
            rows = outbox.waiting(name, 0, 9)
            outbox.write(name, fence, [Change(row.place, Outcome.DELIVERED, "ok") for row in rows], NOW)
            assert DeletionSteps(outbox).run() == int(name == "d")
        assert traces(path) == {}


@pytest.mark.parametrize(
    "event",
    [
        delete(1, ""),
        delete(1, "  "),
        delete(1, "null"),
        delete(1, ["u"]),
        {"type": "delete", "messageId": "d"},
        {"type": "track", "event": "delete", "userId": USER},
        {"type": "Delete", "userId": USER},
    ],
)
def test_what_begins_nothing(tmp_path: Path, event: JsonObject) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(1, event)], ["a"], NOW)
        assert (begin_by_events(outbox, dict, NOW), users(outbox)) == (Begun(), 0)
        assert not DeletionSteps(outbox).is_due()


def test_only_so_many_begin_within_a_day_and_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "MOST_A_DAY", 3)
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(n, delete(n, f"user-{n}")) for n in range(5)], ["a"], NOW)
        assert begin_by_events(outbox, dict, NOW) == Begun(3, 2)
        assert begin_by_events(outbox, dict, NOW + 3600) == Begun(0, 2)
        assert begin_by_events(outbox, dict, NOW + 25 * 3600) == Begun(2)
        assert users(outbox) == 5


def test_events_of_the_own_source_begin_nothing(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(1, delete(1))._replace(source=SOURCE), new(2, delete(2))], ["a"], NOW)
        assert begin_by_events(outbox, dict, NOW) == Begun(1)


def test_many_delete_events_of_one_user_are_one_deletion(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(n, delete(n)) for n in range(50)], ["a"], NOW)
        begin_by_events(outbox, dict, NOW)
        assert users(outbox) == 1
        DeletionSteps(outbox).run()
        fence = outbox.lease("a", "w", NOW, 10) or 0
        rows = outbox.waiting("a", 0, 99)
        outbox.write("a", fence, [Change(row.place, Outcome.DELIVERED, "ok") for row in rows[:49]], NOW)
        assert DeletionSteps(outbox).run() == 0, "one still waits"
        outbox.write("a", fence, [Change(row.place, Outcome.DELIVERED, "ok") for row in rows[49:]], NOW)
        assert DeletionSteps(outbox).run() == 1


def test_a_delete_event_that_was_sent_before_its_deletion_began_is_not_sent_again(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(1, delete(1))], ["a", "d"], NOW)
        for name in "ad":
            fence = outbox.lease(name, "w", NOW, 10) or 0
            rows = outbox.waiting(name, 0, 9)
            outbox.write(name, fence, [Change(row.place, Outcome.DELIVERED, "ok") for row in rows], NOW)
        begin_by_events(outbox, lambda: VENDORS, NOW)
        assert DeletionSteps(outbox).run() == 1
        [deletion] = outbox.look(deletions.listed)
        assert deletion.vendors == {"a": ["delivered", "ok"], "d": ["delivered", "ok"]}
        assert outbox.counts() == {}


def test_many_users_merged_into_the_attackers_are_not_deleted_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "MOST_USERS", 3)
    victims = [f"victim-{number}" for number in range(6)]
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        sent: list[JsonObject] = [{"userId": each, "event": "E"} for each in [*victims, "mallory", "nora-1"]]
        sent += [{"type": "alias", "previousId": each, "userId": "mallory"} for each in victims]
        sent += [{"type": "alias", "previousId": "nora-1", "userId": "nora"}]
        outbox.take_in([new(number, each) for number, each in enumerate(sent)], ["a"], NOW)
        outbox.take_in([new(90, delete(90, "mallory")), new(91, delete(91, "nora"))], ["a"], NOW)
        begin_by_events(outbox, lambda: VENDORS, NOW)
        DeletionSteps(outbox).run()
        first, second = sorted(outbox.look(deletions.listed))
        left = [orjson.loads(row.raw) for row in outbox.waiting("a", 0, 99)]
    assert sorted({each["userId"] for each in left if each["type"] == "track"}) == victims, "nora is one person"
    assert (first.ids, second.ids and second.ids.users) == (asked_for("mallory"), {"nora", "nora-1"})
    assert ([*first.vendors], [*second.vendors]) == (["a", "d", MERGED], ["a", "d"])
    assert first.vendors[MERGED] == [LOOK, TOO_MANY]
    assert dict(report_lines(first, {}, {}))[MERGED] == f"a person has to look: {TOO_MANY}"


def test_a_purge_leaves_delete_events_whose_deletion_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "MOST_A_DAY", 2)
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox.take_in([new(n, delete(n, f"u{n}")) for n in range(4)], [], NOW)
        assert begin_by_events(outbox, dict, NOW) == Begun(2, 2)
        assert outbox.purgeable(NOW + 9).events == 2
        assert outbox.purge(NOW + 9).events == 2
        assert begin_by_events(outbox, dict, NOW + 2 * beginning.DAY) == Begun(2)
        assert outbox.purge(NOW + 9).events == 2
