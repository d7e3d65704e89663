"""Syncs over a real archive into a real outbox: who gets which event, and who gets none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from engine.archive.connecting import QueryLimits
from engine.audiences.feeding import TURN, in_turns
from engine.audiences.state import AudienceState, AudienceStateError, SyncBusy
from tests.audiences.shop import INTEGRATIONS, ORDERS, Shop, identify, order, seconds

BOTH = "crm mail"
LATER = "2026-12-30T12:00:00Z"
LAST_MONTH = "SELECT person_id FROM events WHERE timestamp BETWEEN now() - INTERVAL 30 DAY AND now()"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(tmp_path)) as made:
        yield made


def test_the_story(shop: Shop) -> None:
    """A member enters once, leaves when time is up, and nobody else gets anything."""
    shop.happened(order("ada"), order("bob", "2026-12-20T12:00:00Z"), identify("eve"))
    first = shop.sync()
    assert (first.state, first.entered, first.size, first.without_id) == ("done", 1, 1, 0)
    assert shop.sent() == [f"ada buyers=true -> {BOTH}"]
    assert shop.sync().total == 0
    assert shop.sync(at="2026-12-21T12:00:00Z").unchanged == 1
    assert shop.sent() == [f"bob buyers=true -> {BOTH}"]
    last = shop.sync(at=LATER)
    assert (last.left, last.unchanged, last.size) == (1, 1, 1)
    assert shop.sent() == [f"ada buyers=false -> {BOTH}"]
    assert [each.size for each in shop.state.sizes("buyers")] == [1, 1, 2, 1]
    shop.happened(order("cy", "2026-12-01T12:00:00Z"))  # it arrives late
    assert shop.sync(at=LATER).entered == 1
    assert shop.sent() == [f"cy buyers=true -> {BOTH}"]


def test_the_clock_of_sql_is_the_moment_of_the_run(shop: Shop) -> None:
    shop.define(ORDERS.replace("did: Order Completed, within: 30d", f"sql: {json.dumps(LAST_MONTH)}"))
    shop.happened(order("ada"), order("bob", "2026-12-20T12:00:00Z"))
    shop.sync(at="2026-12-21T12:00:00Z")
    assert sorted(shop.sent()) == [f"ada buyers=true -> {BOTH}", f"bob buyers=true -> {BOTH}"]
    shop.sync(at=LATER)
    assert shop.sent() == [f"ada buyers=false -> {BOTH}"]


def test_users_that_are_merged(shop: Shop) -> None:
    shop.define(ORDERS.replace("did:", "id: [userId, anonymousId], did:"))
    shop.happened(order("ada"), {**order(""), "userId": None, "anonymousId": "device-1"})
    assert shop.sync().entered == 2
    assert sorted(shop.sent()) == [f"ada buyers=true -> {BOTH}", f"anonymous device-1 buyers=true -> {BOTH}"]
    shop.happened(
        {"type": "alias", "userId": "ada-2", "previousId": "ada", "timestamp": "2026-11-29T13:00:00Z"},
        identify("dee", anonymousId="device-1", timestamp="2026-11-29T13:00:00Z"),
    )
    run = shop.sync(at="2026-11-29T14:00:00Z")
    assert (run.entered, run.left, run.merged) == (2, 0, 2)
    assert sorted(shop.sent()) == [f"ada-2 buyers=true -> {BOTH}", f"dee buyers=true -> {BOTH}"]


def test_a_new_connection_and_one_that_is_gone(shop: Shop) -> None:
    shop.happened(order("ada"))
    shop.define(ORDERS.replace("[crm, mail]", "[crm]"))
    shop.sync()
    assert shop.sent() == ["ada buyers=true -> crm"]
    shop.happened(order("bob"))
    shop.define(ORDERS)
    run = shop.sync()
    assert (run.entered, run.unchanged, run.total, run.added) == (1, 1, 2, ("mail",))
    assert shop.sent() == [f"bob buyers=true -> {BOTH}", "ada buyers=true -> mail"]
    shop.sync(integrations={"mail": INTEGRATIONS["mail"]}, at=LATER)  # the other is disabled
    assert shop.sent() == ["ada buyers=false -> mail", "bob buyers=false -> mail"]


@pytest.mark.slow
def test_a_definition_that_changes_sends_the_difference(shop: Shop) -> None:
    shop.happened(order("ada", properties={"total": 5}), order("bob", properties={"total": 500}))
    shop.sync()
    shop.sent()
    shop.define(ORDERS.replace("within: 30d", "within: 30d, where: properties.total > 100"))
    run = shop.sync()
    assert (run.left, run.unchanged) == (1, 1)
    assert shop.sent() == [f"ada buyers=false -> {BOTH}"]


def test_computed_traits_send_only_values_that_changed(shop: Shop) -> None:
    shop.define("computed_traits: [{ name: Spent, connections: [crm], sum: properties.total, did: Order Completed }]")
    shop.happened(order("ada", properties={"total": 0.1}), order("bob", properties={"total": 7}))
    shop.sync("spent")
    assert shop.sent() == ["ada spent=0.1 -> crm", "bob spent=7 -> crm"]
    shop.happened(order("ada", properties={"total": 0.2}))
    run = shop.sync("spent")
    assert (run.changed, run.unchanged) == (1, 1)
    assert shop.sent() == ["ada spent=0.3 -> crm"]


def test_the_guard(shop: Shop) -> None:
    shop.happened(*(order(f"u{number:02}") for number in range(21)))
    assert shop.sync().state == "done"
    shop.sent()
    run = shop.sync(at=LATER)
    assert run.state == "guarded"
    assert run.message == (
        "0 would enter and 21 would leave: 100 % of 21, more than its guard of 50 %. Nothing was sent. If that is right: "
        "engine audiences sync buyers --yes"
    )
    assert shop.sent() == []
    assert shop.sync(at=LATER, yes=True).left == 21
    assert len(shop.sent()) == 21


def test_the_guard_lets_the_first_members_in_and_may_be_off(shop: Shop) -> None:
    """A new server syncs before anything is archived: nobody is in, so what follows is the first sync."""
    assert shop.sync().size == 0
    shop.happened(*(order(f"u{number:02}") for number in range(30)))
    assert shop.sync().entered == 30
    shop.define(ORDERS.replace("did:", "guard: 100%, did:"))
    shop.happened(*(order(f"v{number:02}") for number in range(60)))
    assert shop.sync().entered == 60  # 200 % of 30


def test_an_archive_from_a_backup_sends_what_changed_since(shop: Shop) -> None:
    """Its runs have numbers that later ones had before: what they send is new all the same."""
    shop.happened(order("ada"))
    shop.sync()
    shop.state.close()
    shutil.copytree(shop.archive, shop.folder / "backup")
    shop.state = AudienceState(shop.archive / "audiences")
    shop.happened(order("bob"))
    shop.sync(at="2026-11-29T13:00:00Z")
    shop.state.close()
    shutil.rmtree(shop.archive)
    shutil.copytree(shop.folder / "backup", shop.archive)
    shop.state = AudienceState(shop.archive / "audiences")
    shop.sent()
    shop.happened(order("cy"))
    assert shop.sync(at="2026-11-29T14:00:00Z").number == 2
    assert shop.sent() == [f"cy buyers=true -> {BOTH}"]


SLOW = pytest.mark.slow
LOST = [
    *(pytest.param(each, marks=SLOW) for each in (None, b"", b"text", bytes(2000))),
    b"PAR1" + bytes(2000) + b"PAR1",
]


@pytest.mark.parametrize("content", LOST)
def test_it_is_lost_who_was_sent(content: bytes | None, shop: Shop) -> None:
    shop.happened(order("ada"))
    shop.sync()
    sent = shop.state.sent_file("buyers")
    assert sent is not None
    if content is None:
        sent.unlink()
    else:
        sent.write_bytes(content)
    shop.happened(order("bob"))
    shop.sent()
    run = shop.sync()
    assert (run.state, shop.sent()) == ("failed", [])
    assert run.message.startswith(f"{sent}, which says who was sent, cannot be read (")
    assert run.message.endswith(
        "). Nothing was sent. Restore it from a backup, or send every member once more: engine audiences sync buyers --yes"
    )
    assert shop.sync(yes=True).entered == 2
    assert shop.sent() == [f"ada buyers=true -> {BOTH}", f"bob buyers=true -> {BOTH}"]
    assert shop.sync().total == 0


def test_nobody_leaves_because_a_file_of_the_archive_is_damaged(shop: Shop) -> None:
    shop.happened(order("ada"))
    shop.happened(*(order(f"u{number:02}") for number in range(3)))
    assert shop.sync().entered == 4
    [file] = [each for each in shop.archive.glob("events/*/*") if each.name.startswith("1-1-")]
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    shop.sent()
    run = shop.sync()
    assert (run.state, shop.sent()) == ("failed", [])
    assert run.message == (
        f"{file} is left out: it has {len(content) - 10:,} bytes instead of {len(content):,}. `engine archive check` "
        "says more. Without these events users would seem to have left, so nothing was computed or sent. Restore the "
        "files from a backup and run `engine archive check`, or give them up: engine archive check --forget"
    )
    file.write_bytes(content)
    assert shop.sync().unchanged == 4


@pytest.mark.slow
def test_a_definition_that_is_removed_sends_nothing_until_all_are_to_leave(shop: Shop) -> None:
    shop.happened(order("ada"))
    shop.sync()
    shop.sent()
    shop.define("audiences: [{ name: Others, did: Something }]")
    assert shop.sync("others").state == "done"
    assert shop.sent() == []
    assert shop.exit_all("buyers").left == 1
    assert shop.sent() == [f"ada buyers=false -> {BOTH}"]
    assert shop.exit_all("buyers").total == 0


@pytest.mark.slow
def test_a_preview_is_what_is_sent_then(shop: Shop) -> None:
    shop.happened(order("ada"), order("bob"))
    preview = shop.syncer().preview(shop.definitions["buyers"], seconds(LATER) - 86400 * 2)
    assert (preview.run.entered, preview.run.state, shop.state.runs("buyers")) == (2, "sending", [])
    shop.sync(at="2026-12-28T12:00:00Z")
    shown = [each.decode() for each in preview.events]
    assert shop.outbox.look(lambda db: [row[0].decode() for row in db.execute("SELECT raw FROM events")]) == shown
    assert not list(shop.state.directory.glob(".preview*"))


def test_a_query_that_fails_is_noted_and_the_next_run_is_whole(shop: Shop) -> None:
    shop.define("audiences: [{ name: Buyers, connections: [crm], sql: SELECT count(*) FROM range(1000000000000) }]")
    run = shop.sync(limits=QueryLimits(seconds=0.05))
    assert run.state == "failed"
    assert run.message == (
        "The query failed at 1:1: the query was ended after 0.05 seconds; ask for less, such as fewer days."
    )
    assert (shop.state.failures("buyers"), shop.sent()) == (1, [])
    shop.define(ORDERS)
    shop.happened(order("ada"))
    assert shop.sync().state == "done"
    assert (shop.state.failures("buyers"), len(shop.sent())) == (0, 1)
    assert sorted(path.name for path in (shop.state.directory / "buyers").iterdir()) == ["sent-2.parquet"]


@pytest.mark.slow
def test_stopped_and_continued(shop: Shop) -> None:
    shop.happened(*(order(f"u{number:04}") for number in range(600)))
    stops = iter([False, True])
    run = shop.sync(stopped=lambda: next(stops))
    assert (run.state, run.fed, run.total) == ("sending", 500, 600)
    run = shop.sync()
    assert (run.number, run.state, run.fed) == (1, "done", 600)
    assert len({event["userId"] for event in shop.fed()}) == 600
    assert shop.sync().total == 0


def test_a_scheduled_run_feeds_for_its_turn(shop: Shop) -> None:
    shop.happened(*(order(f"u{number:04}") for number in range(600)))
    times = iter([0.0, 0.0, 29.9, TURN])
    run = shop.sync(stopped=in_turns(lambda: False, lambda: next(times)))
    assert (run.state, run.fed) == ("done", 600)
    shop.define("audiences: [{ name: Again, connections: [crm], did: Order Completed }]")
    times = iter([0.0, 0.0, TURN])
    run = shop.sync("again", stopped=in_turns(lambda: False, lambda: next(times)))
    assert (run.state, run.fed) == ("sending", 500)


def test_two_syncs_at_once(shop: Shop) -> None:
    with shop.state.lock(), closing(AudienceState(shop.state.directory)) as other:
        with pytest.raises(SyncBusy) as caught, other.lock():
            pass
        assert str(caught.value) == (
            f"Another process is syncing audiences in {shop.state.directory}, such as engine serve. Nothing was "
            "computed or sent; try again when it is done."
        )
    with shop.state.lock():
        pass


def test_a_sync_waits_for_another_one(shop: Shop) -> None:
    with ExitStack() as first, closing(AudienceState(shop.state.directory)) as other:
        first.enter_context(shop.state.lock())
        with other.lock(60.0, lambda _seconds: first.close()):  # the first one ends while the second waits
            pass
    with shop.state.lock(), closing(AudienceState(shop.state.directory)) as other:
        stopped = other.lock(60.0, lambda _seconds: True)
        with pytest.raises(SyncBusy):
            stopped.__enter__()


def test_a_state_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    with pytest.raises(AudienceStateError) as caught:
        AudienceState(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'state.db'} is damaged (file is not a database). It was left unchanged. Without it the engine does "
        "not know who was sent: restore it from a backup, or move its folder away and sync again, which sends every "
        "member once more."
    )
    newer = tmp_path / "newer"
    with closing(AudienceState(newer)) as state:
        state._db.execute("PRAGMA user_version = 9")
    with pytest.raises(AudienceStateError) as caught:
        AudienceState(newer)
    assert str(caught.value) == (
        f"{newer / 'state.db'} was created by a newer version of the engine (schema 9; this one supports 1); update the "
        "engine."
    )
