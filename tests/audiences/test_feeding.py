"""Feeding the outbox: each change once, never far ahead of what a server delivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.audiences.changes import COLUMNS, ComparedFiles, compare, write_columns
from engine.audiences.events import EventSeries
from engine.audiences.feeding import AHEAD, FeedingHooks, Targets, feed
from engine.delivery.outbox.sqlite import SqliteOutbox

SERIES = EventSeries("buyers", "audience", 1, 1_796_000_000.0, b"identity")
TARGETS = Targets({"crm": "CRM", "mail": "Mail"})
COUNT = "SELECT count(*), count(DISTINCT message_id), (SELECT count(*) FROM states) FROM events"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as made:
        yield made


def changes(folder: Path, count: int) -> Path:
    names: list[str | None] = [f"u{number:05}" for number in range(count)]
    none: list[str | None] = [None] * count
    columns = [names, names, none, none, [f"u:{name}" for name in names], ["true"] * count]
    write_columns(folder / "members", COLUMNS, columns)
    compare(
        ComparedFiles(folder / "members", None, None, folder / "changes", folder / "sent", folder),
        value_of_left="false",
        first_syncs=False,
    )
    return folder / "changes"


def counts(outbox: SqliteOutbox) -> tuple[int, int, int]:
    return outbox.look(lambda db: db.execute(COUNT).fetchone())


@pytest.mark.parametrize("noted", [0, pytest.param(500, marks=pytest.mark.slow)])
def test_a_pack_of_which_it_is_uncertain_is_not_fed_twice(noted: int, tmp_path: Path, outbox: SqliteOutbox) -> None:
    """The process ended behind the outbox's commit, before the state's; it starts again 30 days later."""
    path = changes(tmp_path, 1100)
    clock = 1_796_000_000.0
    steps = feed(outbox, SERIES, path, TARGETS, 0, FeedingHooks(lambda: clock, lambda _: None))
    assert [next(steps), next(steps)] == [500, 1000]
    outbox._db.execute("DELETE FROM states WHERE place % 2 = 0")  # some are purged, not all of any event
    clock += 30 * 86400
    assert [*feed(outbox, SERIES, path, TARGETS, noted + 500, FeedingHooks(lambda: clock, lambda _: None))][-1] == 1100
    assert counts(outbox)[:2] == (1100, 1100)


def test_it_waits_for_a_server_that_delivers(tmp_path: Path, outbox: SqliteOutbox) -> None:
    path = changes(tmp_path, AHEAD + 700)
    outbox.lease("mail", "a server", 0.0, 60.0)
    waits: list[int] = []

    def wait(_seconds: float) -> None:
        waits.append(counts(outbox)[0])
        outbox._db.execute("UPDATE states SET outcome = 'delivered' WHERE place <= ?", (1200 * len(waits),))

    assert [*feed(outbox, SERIES, path, TARGETS, 0, FeedingHooks(lambda: 1.0, wait))][-1] == AHEAD + 700
    assert waits == [AHEAD, AHEAD + 500]
    assert counts(outbox)[0] == AHEAD + 700


@pytest.mark.parametrize("held", [False, True])
def test_without_a_server_or_while_held_all_is_queued(held: bool, tmp_path: Path, outbox: SqliteOutbox) -> None:
    path = changes(tmp_path, AHEAD + 700)
    if held:
        outbox.lease("crm", "a server", 0.0, 60.0)
        outbox.hold("crm", "401", "check the key", 0.0)

    def never(_seconds: float) -> None:
        raise AssertionError("it waited")

    assert [*feed(outbox, SERIES, path, TARGETS, 0, FeedingHooks(lambda: 1.0, never))][-1] == AHEAD + 700


def test_other_events_do_not_count(tmp_path: Path, outbox: SqliteOutbox) -> None:
    other = changes(tmp_path, 500)
    [*feed(outbox, SERIES._replace(run=2), other, TARGETS, 0, FeedingHooks(lambda: 1.0, lambda _: None))]
    outbox._db.execute("UPDATE events SET source = 'web'")
    outbox.lease("crm", "a server", 0.0, 60.0)
    hooks = FeedingHooks(lambda: 1.0, lambda _: (_ for _ in ()).throw(AssertionError("it waited")))
    assert [*feed(outbox, SERIES, changes(tmp_path, AHEAD), TARGETS, 0, hooks)][-1] == AHEAD
