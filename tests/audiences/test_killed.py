"""A first sync whose process is killed, anywhere, and run again: each member has exactly one event."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.audiences.state import AudienceState, Run
from tests.audiences.shop import Shop, order


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_child(work: Callable[[], object]) -> int:
    """Run something in a child that is a copy of this process; return the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class DyingState(AudienceState):
    """A state whose process dies before a write: of a run's `wanted` state, or of how far it was fed."""

    wanted = ""

    def note(self, run: Run) -> Run:
        if run.state == self.wanted:
            die()
        return super().note(run)

    def feeding(self, number: int, fed: int) -> None:
        if self.wanted == f"fed {fed}":
            die()  # the pack is in the outbox, and nobody knows
        super().feeding(number, fed)


POINTS = ["sending", "fed 500", "fed 1000", "fed 3000", "fed 5000", "fed 9500", "fed 10000", "done"]


@pytest.mark.parametrize(
    ("point", "members"),
    [("fed 500", 600), *(pytest.param(each, 10_000, marks=pytest.mark.slow) for each in POINTS)],
)
def test_killed_and_run_again(point: str, members: int, tmp_path: Path) -> None:
    with closing(Shop(tmp_path)) as shop:
        shop.happened(*(order(f"u{number:04}") for number in range(members)))

    def first_sync() -> None:
        DyingState.wanted = point
        shop = Shop(tmp_path, state=DyingState)
        shop.sync()

    assert in_a_child(first_sync) == -signal.SIGKILL
    with closing(Shop(tmp_path)) as shop:
        run = shop.sync()
        assert (run.state, run.size) == ("done", members)
        found = Counter((event["userId"], event["traits"]["buyers"]) for event in shop.fed())
        assert len(found) == members
        assert set(found.values()) == {1}
        assert shop.sync().total == 0
