"""What was wrong in the last hour, as an operator who comes later asks."""

from __future__ import annotations

import pytest

from engine.delivery import troubles
from engine.delivery.troubles import FAILED, HELD, KEPT_SECONDS, MOST_KEPT, PAUSED, REFUSALS, RecentTroubles, Trouble

NOW = 1_800_000_000.0


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_what_was_wrong_stays_for_an_hour_after_it_ended(watch: Watch) -> None:
    found = RecentTroubles(watch)
    found.paused("shop", "503", 1.0)
    watch.now += 60
    found.paused("shop", "504", 60.0)
    watch.now += 60
    assert found.read() == (Trouble("shop", PAUSED, "504", NOW),)
    found.resumed("shop", 120.0)
    assert found.read() == (Trouble("shop", PAUSED, "504", NOW, NOW + 120),)
    watch.now += KEPT_SECONDS
    assert len(found.read()) == 1
    watch.now += 1
    assert found.read() == ()


def test_what_lasts_stays(watch: Watch) -> None:
    found = RecentTroubles(watch)
    found.paused("crm", "503", 1.0)
    watch.now += 1
    found.held("crm", "401", "Correct it.")
    found.held("crm", "401", "Correct it.")
    found.alarmed("shop", "20 of the last 100", "data")
    watch.now += KEPT_SECONDS + 1
    assert found.read() == (
        Trouble("crm", HELD, "401", NOW + 1),
        Trouble("shop", REFUSALS, "20 of the last 100", NOW + 1),
    )
    found.released("crm")
    found.alarmed("shop", "", "data")
    assert [each.ended_at for each in found.read()] == [watch.now] * 2
    found.removed("crm", 0)
    assert [each.connection for each in found.read()] == ["shop"]


def test_troubles_are_bounded(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "MOST_CONNECTIONS", 2)
    found = RecentTroubles(watch)
    found.alarmed("a", "many", "data")
    for number in range(MOST_KEPT + 5):
        watch.now += 1
        for name in ("a", "b", "c"):
            found.failed(name, f"reason {number}", 1.0)
    kept = found.read()
    assert {(each.connection, each.kind) for each in kept} == {("a", FAILED), ("b", FAILED), ("a", REFUSALS)}
    assert (len(kept), kept[-1].reason) == (2 * MOST_KEPT, "many")
