"""Since when a user is in or out: pure cases, and one user of an archive."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from engine.archive.connecting import QueryLimits
from engine.archive.queries import opened
from engine.audiences.lasting import AFTER, last_change, since
from engine.audiences.rules import AllOf, AnyOf, Did, DidNot, NoneOf, Times
from tests.audiences.shop import NOON, Shop, identify, order, seconds

ONCE, TWICE = Times(">=", 1), Times(">=", 2)


@pytest.mark.parametrize(
    ("rule", "times", "now", "expected"),
    [
        (Did("E", ONCE, 10.0), [50.0], 55.0, 50.0),
        (Did("E", ONCE, 10.0), [50.0, 45.0, 20.0], 55.0, 45.0),  # the first of those that follow without a gap
        (Did("E", ONCE, 10.0), [50.0], 70.0, 60.0 + AFTER),  # out, since it counts no more
        (Did("E", ONCE, 10.0), [], 70.0, None),
        (Did("E", ONCE), [50.0, 20.0], 70.0, 20.0),
        (Did("E", TWICE), [50.0, 20.0], 70.0, 50.0),
        (DidNot("E", 10.0), [50.0], 55.0, 50.0),
        (DidNot("E", 10.0), [50.0], 70.0, 60.0 + AFTER),
        (NoneOf(Did("E", ONCE, 10.0)), [50.0], 70.0, 60.0 + AFTER),
        (AllOf((Did("E", ONCE), Did("E", TWICE))), [50.0, 20.0], 70.0, 50.0),
        (AnyOf((Did("E", ONCE), Did("E", TWICE))), [50.0, 20.0], 70.0, 20.0),
        (Did("E", ONCE), [90.0], 70.0, None),  # it has not happened yet
    ],
)
def test_the_last_change(rule: object, times: list[float], now: float, expected: float | None) -> None:
    assert last_change(rule, lambda _leaf: times, now) == expected  # type: ignore[arg-type]


def test_a_user_of_an_archive(tmp_path: Path) -> None:
    definitions = """
audiences:
  - { name: Buyers, did: Order Completed, within: 30d }
  - { name: Pros, all: [{ did: Order Completed }, { traits: { plan: pro } }] }
  - { name: All, sql: SELECT person_id FROM users }
computed_traits:
  - { name: Orders, count: true, did: Order Completed, within: 30d }
"""
    with closing(Shop(tmp_path, definitions)) as shop:
        shop.happened(
            identify("ann", "2026-10-01T00:00:00Z", traits={"plan": "pro"}),
            order("ann", "2026-10-10T00:00:00Z"),
            order("ann", "2026-11-05T00:00:00Z"),
        )
        with opened(shop.archive, QueryLimits()) as connection:
            found = {key: since(connection, each, "ann", seconds(NOON)) for key, each in shop.definitions.items()}
    first, left = seconds("2026-10-10T00:00:00Z"), seconds("2026-11-09T00:00:00Z") + AFTER
    assert found == {"buyers": first, "pros": None, "all": None, "orders": left}
