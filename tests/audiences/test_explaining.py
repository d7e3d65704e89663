"""Why a user is in or out, and when time alone changes that."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.archive.queries import memory
from engine.audiences.definitions import load
from engine.audiences.explaining import MembershipReason, explain, find_user, next_change
from engine.audiences.rules import AllOf, AnyOf, Condition, Did, DidNot, HasTraits, NoneOf, Times
from tests.audiences.shop import NOON, identify, order, seconds

DAY = 86400.0
NOW = 100 * DAY
BOUGHT = Did("Bought", within=30 * DAY)
EVER = Did("Bought")
TWICE = Did("Bought", Times(">=", 2), within=30 * DAY)
RARELY = Did("Bought", Times("<", 2), within=30 * DAY)
QUIET = DidNot("Bought", within=10 * DAY)


@pytest.mark.parametrize(
    ("rule", "days", "changes"),
    [
        pytest.param(BOUGHT, [90, 95], 125, id="the newest one decides"),
        pytest.param(BOUGHT, [], None, id="nothing that could end"),
        pytest.param(EVER, [90], None, id="for ever"),
        pytest.param(TWICE, [80, 90, 95], 120, id="the second newest decides"),
        pytest.param(TWICE, [95], None, id="too few, and fewer later"),
        pytest.param(RARELY, [80, 90], 110, id="few enough once one is too old"),
        pytest.param(QUIET, [95], 105, id="enters when it is quiet"),
        pytest.param(NoneOf(BOUGHT), [75], 105, id="not"),
        pytest.param(AllOf((BOUGHT, QUIET)), [75], 105, id="all: one ends"),
        pytest.param(AllOf((BOUGHT, QUIET)), [95], 105, id="all: the other begins"),
        pytest.param(AnyOf((BOUGHT, EVER)), [95], None, id="any: the other stays"),
        pytest.param(AllOf((BOUGHT, HasTraits(()))), [95], 125, id="traits stay as they are"),
        pytest.param(BOUGHT, [70], 100, id="this very moment still counts"),
    ],
)
def test_next_change(rule: Condition, days: list[int], changes: int | None) -> None:
    def times(condition: Did | DidNot) -> list[float]:
        start = NOW - (condition.within or NOW)
        return [day * DAY for day in days if day * DAY >= start]

    found = next_change(rule, times, lambda _: True, NOW)
    assert found == (None if changes is None else changes * DAY)


def explained(definition: str, events: list[dict[str, object]], user: str, folder: Path) -> MembershipReason | None:
    file = folder / "audiences.yaml"
    file.write_text(definition)
    with memory(events, seconds(NOON)) as connection:
        found = find_user(connection, user)
        return None if found is None else explain(connection, load(file).entries[0], found, seconds(NOON))


EVENTS = [
    identify("ada", "2026-11-01T00:00:00Z", anonymousId="device", traits={"email": "Ada@x.example", "plan": "pro"}),
    *(order("ada", f"2026-11-{day:02}T00:00:00Z", messageId=f"m{day}") for day in range(2, 26)),
    order("bob", "2026-11-20T00:00:00Z"),
]
RULE = """
audiences:
  - name: Loyal
    all:
      - { did: Order Completed, times: ">= 3", within: 30d }
      - not: { traits: { plan: free } }
"""


@pytest.mark.parametrize(
    "user", ["ada@X.example", *(pytest.param(each, marks=pytest.mark.slow) for each in ("ada", "device"))]
)
def test_in(user: str, tmp_path: Path) -> None:
    found = explained(RULE, EVENTS, user, tmp_path)
    assert found is not None
    assert (found.user.person_id, found.is_in, found.changes_at) == ("ada", True, seconds("2026-12-23T00:00:00Z"))
    assert [(each.depth, each.text, each.holds, each.matching) for each in found.conditions] == [
        (0, "all of", True, None),
        (1, "did: Order Completed, times: >= 3, within: 30d", True, 24),
        (1, "not", True, None),
        (2, 'traits: {plan: "free"}', False, None),
    ]
    shown = found.conditions[1].events
    assert (len(shown), shown[0].message_id, shown[-1].message_id) == (20, "m25", "m6")


def test_out_and_unknown(tmp_path: Path) -> None:
    found = explained(RULE, EVENTS, "bob", tmp_path)
    assert found is not None
    assert (found.is_in, found.changes_at, found.conditions[1].matching) == (False, None, 1)
    assert explained(RULE, EVENTS, "'; DROP TABLE users; --", tmp_path) is None


def test_a_value_and_sql(tmp_path: Path) -> None:
    trait = "computed_traits: [{ name: Orders, count: true, did: Order Completed, within: 30d }]"
    found = explained(trait, EVENTS, "ada", tmp_path)
    assert found is not None
    assert (found.value, found.changes_at) == ("24", seconds("2026-12-02T00:00:00Z"))
    today = "audiences: [{ name: A, sql: SELECT 'ada' WHERE current_date = '2026-11-29' }]"
    sql = explained(today, EVENTS, "ada", tmp_path)
    assert sql is not None
    assert (sql.is_in, sql.conditions, sql.changes_at) == (True, (), None)
