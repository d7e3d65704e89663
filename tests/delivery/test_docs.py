"""docs/delivery.md says what there is: outcomes, metrics, numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.delivery import worker
from engine.delivery.metrics import Metrics
from engine.delivery.outbox import base
from engine.delivery.sending import http, pacing, refusals, wire
from engine.delivery.sending.fair_queue import QueueLimits
from engine.records import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()


@pytest.mark.parametrize("outcome", [each.value for each in Outcome if each is not Outcome.PLANNED])
def test_every_outcome_is_explained(outcome) -> None:
    assert f"| `{outcome}` |" in PAGE


def test_every_metric_is_there() -> None:
    text = Metrics().text().decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE") and "_created" not in line]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_numbers_are_those_of_the_code() -> None:
    options = worker.Options()
    assert (options.lease, options.grace, options.patience, http.SLOTS) == (10, 10, 30, 8)
    assert (base.WINDOW, pacing.LONGEST_RETRY_AFTER, pacing.MANY_REFUSALS) == (24 * 3600, 3600, 20)
    assert (pacing.FAILURES_IN_A_ROW, pacing.USERS_WHO_FAIL, pacing.BRAKED) == (8, 3, 1)
    assert (refusals.LOOKED_AT, refusals.RAISED_AT, refusals.ENDED_BELOW) == (100, 20, 10)
    assert options.queue == QueueLimits(2000, 16 * 2**20, 100_000, 64)
    assert pacing.Retry().give_up_after == 24 * 3600
    assert (wire.LONGEST_RESPONSE, wire.LONGEST_HEADERS, wire.MOST_CHUNKS) == (4 * 2**20, 100 * 2**10, 16_384)
