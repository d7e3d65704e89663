"""What workers of many partitions report is reported once for their connection."""

from __future__ import annotations

from typing import Any

import pytest

from engine.delivery.observers import DeliveryObserver
from engine.records import Outcome
from engine.stream.delivery import slots_of
from engine.stream.observing import PartitionObserver, SharedObserver


class Noting(DeliveryObserver):
    """Notes what is reported."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, ...]] = []
        for name in ("held", "released", "warned", "paused", "resumed", "failed", "alarmed", "ended", "finished"):
            setattr(self, name, lambda *args, _name=name: self.noted.append((_name, *args)))


class Case:
    """Two partitions' observers, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.noting = Noting()
        self.shared = SharedObserver(self.noting, lambda: self.now)
        self.one, self.two = PartitionObserver(self.shared, 1), PartitionObserver(self.shared, 2)

    @property
    def noted(self) -> list[tuple[Any, ...]]:
        """Return what was reported since the last time."""
        noted, self.noting.noted = self.noting.noted, []
        return noted


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_hold_and_its_end_are_reported_once(case: Case) -> None:
    case.one.held("shop", "401", "Check it.")
    case.two.held("shop", "401 as well", "")
    assert case.noted == [("held", "shop", "401", "Check it.")]
    case.two.released("shop")
    case.one.released("shop")
    assert case.noted == [("released", "shop")]
    case.one.held("shop", "again", "")
    assert case.noted == [("held", "shop", "again", "")]


def test_a_pause_is_reported_again_only_if_it_is_much_longer(case: Case) -> None:
    case.one.paused("shop", "503", 10.0)
    case.now = 1.0
    case.two.paused("shop", "503", 10.0)
    case.two.paused("shop", "503", 17.9)
    assert case.noted == [("paused", "shop", "503", 10.0)]
    case.two.paused("shop", "503", 18.1)
    assert case.noted == [("paused", "shop", "503", 18.1)]
    case.one.resumed("shop", 3.0)
    case.two.resumed("shop", 4.0)
    assert case.noted == [("resumed", "shop", 3.0)]


def test_a_failure_of_all_workers_is_one_line_and_a_later_one_another(case: Case) -> None:
    case.one.failed("shop", "no server", 5.0)
    case.two.failed("shop", "no server", 5.0)
    case.two.failed("crm", "no server", 5.0)
    assert case.noted == [("failed", "shop", "no server", 5.0), ("failed", "crm", "no server", 5.0)]
    case.now = 5.0
    case.one.failed("shop", "no server", 10.0)
    case.two.failed("shop", "another reason", 5.0)
    assert case.noted == [("failed", "shop", "no server", 10.0), ("failed", "shop", "another reason", 5.0)]


def test_an_alarm_lasts_until_no_partition_has_one(case: Case) -> None:
    case.one.alarmed("shop", "many refusals", "data")
    case.two.alarmed("shop", "more refusals", "data")
    case.one.alarmed("shop", "", "")
    assert case.noted == [("alarmed", "shop", "many refusals", "data")]
    case.shared.left(2)
    assert case.noted == [("alarmed", "shop", "", "")]


def test_a_reload_reports_anew_and_what_counts_events_is_passed_on(case: Case) -> None:
    case.one.warned("shop", "no rate limit")
    case.two.warned("shop", "no rate limit")
    case.shared.forget("shop")
    case.one.warned("shop", "no rate limit")
    case.one.finished("shop", Outcome.DELIVERED, 0.5)
    case.one.ended("shop", 3)
    case.one.elsewhere("shop", 9.0)
    assert case.noted == [
        ("warned", "shop", "no rate limit"),
        ("warned", "shop", "no rate limit"),
        ("finished", "shop", Outcome.DELIVERED, 0.5),
    ]


@pytest.mark.parametrize(("partitions", "slots"), [(1, 8), (2, 4), (3, 2), (5, 1), (8, 1), (16, 1), (256, 1)])
def test_a_vendor_never_sees_partitions_times_slots(partitions: int, slots: int) -> None:
    assert slots_of(partitions) == slots
    assert slots * partitions <= max(8, partitions)
