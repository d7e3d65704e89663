"""Feeding without Spark: each event once, in order per user, at a rate, with a bound on what waits, killed anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from engine.backfill.feeding import MOST_WAITING, PACK, FeedHooks, FeedTarget, feed
from engine.backfill.work import FeedPosition, WorkFolder, WorkPlan
from engine.delivery.outbox.arrivals import stored_ids
from engine.delivery.outbox.base import NewEvent, OutboxFull, TakenIn
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.backfill.shards import planned, row, spread

TARGET = FeedTarget("web", ["shop"])
FOREVER = 1e9


class FakeTime:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.waited: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


def opened(path: Path) -> SqliteOutbox:
    return SqliteOutbox(path, window=FOREVER)


def hooks(outbox: SqliteOutbox, time: FakeTime | None = None, **others: Callable) -> FeedHooks:
    time = time or FakeTime()

    def stored(ids: Sequence[str]) -> set[str]:
        return outbox.look(lambda db: stored_ids(db, "web", ids))

    return FeedHooks(time.clock, time.wait, stored=stored, **others)


def ids(outbox: SqliteOutbox) -> list[str]:
    return [each.message_id for each in outbox.waiting("shop", 0, 100_000)]


def fed(
    outbox: SqliteOutbox, work: WorkFolder, plan: WorkPlan, rate: str = "", **given: Callable
) -> list[FeedPosition]:
    return list(feed(outbox, work, plan, TARGET, rate, hooks(outbox, **given)))


def test_all_shards_are_fed_in_the_order_of_time(tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(1000, 4))
    outbox = opened(tmp_path / "outbox.db")
    positions = fed(outbox, work, plan)
    assert ids(outbox) == [f"m{number}" for number in range(1000)]
    assert [each.fed for each in positions] == [200, 400, 600, 800, 1000]
    assert positions[-1] == work.position(plan) == FeedPosition((250, 250, 250, 250), new=1000)
    assert fed(outbox, work, plan) == []


def test_what_has_no_time_comes_last_and_in_its_order(tmp_path: Path) -> None:
    first = [row(1, at=20.0), row(2, at=None), row(3, at=None)]
    work, plan = planned(tmp_path / "work", [first, [row(4, user="v", at=30.0)]])
    outbox = opened(tmp_path / "outbox.db")
    fed(outbox, work, plan)
    assert ids(outbox) == ["m1", "m4", "m2", "m3"]


def test_a_large_event_travels_alone(tmp_path: Path) -> None:
    rows = [row(number, size=5_000_000 if number == 1 else 0) for number in range(3)]
    work, plan = planned(tmp_path / "work", [rows])
    outbox = opened(tmp_path / "outbox.db")
    assert [each.fed for each in fed(outbox, work, plan)] == [1, 2, 3]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_stopped_and_resumed(stop_after: int, tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(1000, 3))
    outbox = opened(tmp_path / "outbox.db")
    seen: list[FeedPosition] = []
    run = feed(outbox, work, plan, TARGET, "", hooks(outbox, stopped=lambda: len(seen) >= stop_after))
    for each in run:
        seen.append(each)  # noqa: PERF402  what stops it has to see each at once
    assert seen[-1].fed == stop_after * PACK == len(ids(outbox))
    fed(outbox, work, plan)
    assert ids(outbox) == [f"m{number}" for number in range(1000)]


class DyingFolder(WorkFolder):
    """Ends the process, as `kill -9` does, before or after a position is written."""

    at, before = 0, True

    def write_position(self, position: FeedPosition) -> None:
        if not self.before:
            super().write_position(position)
        if position.fed >= self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write_position(position)


def in_a_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("at", "before"), [(200, True), (400, False), (600, True)])
def test_killed_and_run_again(at: int, before: bool, tmp_path: Path) -> None:
    _, plan = planned(tmp_path / "work", spread(1000, 3))
    dying = DyingFolder(tmp_path / "work")
    dying.at, dying.before = at, before

    def dies() -> None:
        fed(opened(tmp_path / "outbox.db"), dying, plan)

    assert in_a_child(dies) == -signal.SIGKILL
    outbox, work = opened(tmp_path / "outbox.db"), WorkFolder(tmp_path / "work")
    assert len(ids(outbox)) == at
    last = fed(outbox, work, plan)[-1]
    assert ids(outbox) == [f"m{number}" for number in range(1000)]
    assert (last.fed, last.new, last.duplicates) == (1000, 1000, 0)
    assert outbox.counts() == {("shop", "waiting"): 1000}


def test_events_that_came_live_are_duplicates(tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(500, 2))
    outbox = opened(tmp_path / "outbox.db")
    live = row(300)
    outbox.take_in([NewEvent("web", "m300", "2026-01-01T00:00:00.000Z", live["raw"])], ["shop"], 1_799_999_999.0)
    last = fed(outbox, work, plan)[-1]
    assert (last.new, last.duplicates) == (499, 1)


def test_the_rate_is_kept(tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(500, 2))
    outbox, time = opened(tmp_path / "outbox.db"), FakeTime()
    positions = fed(outbox, work, plan, "50/s", time=time)
    assert {after.fed - before.fed for before, after in pairwise(positions)} == {50}
    assert 8.9 <= sum(time.waited) <= 9.1  # the first 50 at once, then 450 at 50 a second


class SlowDelivery(SqliteOutbox):
    """An outbox of which something else says how much waits."""

    waiting_now = 0

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        return self.waiting_now, None


def test_it_waits_while_too_much_is_unfinished(tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(400, 2))
    outbox, time = SlowDelivery(tmp_path / "outbox.db", window=FOREVER), FakeTime()
    outbox.waiting_now = MOST_WAITING - 199
    reported: list[tuple[str, int]] = []

    def waits(name: str, waiting: int) -> None:
        reported.append((name, waiting))
        if len(reported) == 3:
            outbox.waiting_now = MOST_WAITING - 200

    positions = feed(outbox, work, plan, TARGET, "", hooks(outbox, time, waits=waits))
    assert next(positions).fed == 200
    assert reported == [("shop", MOST_WAITING - 199)] * 3
    assert time.waited == [0.2] * 3


class FullOutbox(SqliteOutbox):
    """An outbox whose disk is full once it has some packs."""

    room = 2

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        if not self.room:
            raise OutboxFull("No space is left.")
        self.room -= 1
        return super().take_in(events, connections, now, again=again)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    work, plan = planned(tmp_path / "work", spread(1000, 2))
    outbox = FullOutbox(tmp_path / "outbox.db", window=FOREVER)
    with pytest.raises(OutboxFull):
        fed(outbox, work, plan)
    assert work.position(plan).fed == 400
    outbox.room = 100
    fed(outbox, work, plan)
    assert ids(outbox) == [f"m{number}" for number in range(1000)]
