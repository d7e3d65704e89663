"""Suppressed users: what is discarded, what passes, and how it ends."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from engine.deletion.beginning import begin_by_command
from engine.deletion.steps import DeletionSteps
from engine.delivery.outbox import deletions, looking
from engine.delivery.outbox.base import NewEvent, TakenIn
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import JsonObject
from tests.deletion.filled import DEVICE, EMAIL, NOW, USER, filled, new


@pytest.mark.parametrize(
    ("event", "suppressed"),
    [
        ({"userId": USER}, True),
        ({"anonymousId": DEVICE}, True),
        ({"anonymousId": "other", "traits": {"email": EMAIL.upper()}}, True),
        ({"type": "alias", "previousId": USER, "userId": "new"}, True),
        ({"userId": "bob-1", "anonymousId": DEVICE}, False),
        ({"userId": "bob-1", "traits": {"email": EMAIL}}, False),
        ({"userId": USER.upper()}, False),
        ({"userId": USER[:-1]}, False),
        ({"userId": "bob-1", "groupId": USER}, False),
        ({"type": "delete", "userId": USER}, False),
    ],
)
def test_whose_events_are_discarded(tmp_path: Path, event: JsonObject, suppressed: bool) -> None:
    with closing(filled(tmp_path / "o.db")) as outbox:
        begin_by_command(outbox, [USER], {}, NOW, suppress=True)
        DeletionSteps(outbox).run()
        given = new(77, event)
        for one in (given, given._replace(keys=None)):
            taken = outbox.take_in([one], ["z"], NOW, again=True)
            assert taken == (TakenIn(0, 0, {}, {"web": 1}) if suppressed else TakenIn(1))


def test_another_process_notices_at_once_and_counts_what_it_discards(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    with closing(SqliteOutbox(path)) as outbox, closing(SqliteOutbox(path)) as other:
        event = [new(1, {"userId": USER}), new(2, {"userId": "bob-1"})]
        assert other.take_in(event, ["a"], NOW).suppressed == {}
        begin_by_command(outbox, [USER], {}, NOW, suppress=True)
        DeletionSteps(outbox).run()
        assert other.take_in(event, ["a"], NOW) == TakenIn(0, 1, {"a": 1}, {"web": 1})
        [(_, source, came, discarded)] = other.look(lambda db: looking.slots_arrived(db, NOW, 60))
        assert (source, came, discarded) == ("web", 3, 1)
        assert outbox.change(lambda db: deletions.unsuppress(db, USER)) == 2
        assert outbox.change(lambda db: deletions.unsuppress(db, USER)) == 0
        assert other.take_in([new(3, {"userId": USER})], ["a"], NOW) == TakenIn(1)


def test_bytes_that_are_no_event_pass(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        begin_by_command(outbox, [USER], {}, NOW, suppress=True)
        DeletionSteps(outbox).run()
        assert outbox.take_in([NewEvent("web", "m", "", b"{"), NewEvent("web", "n", "", b"[]")], ["a"], NOW).new == 2
