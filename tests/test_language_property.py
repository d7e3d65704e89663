"""For any mapping, the compiled mapping and the oracle make the same of an event, whatever was optimized."""

from __future__ import annotations

import json
from functools import partial
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings

from engine.records import JsonObject, PlannedRequest
from tests import oracle
from tests.language.cases import DEFAULT_NOW
from tests.language.generate import Generated, generated
from tests.oracle import OraclePlan
from tests.runners import FEWER, compiled_plan
from tests.sendable import written

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
RECEIVED = "2024-01-02T03:04:06.000Z"


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(generated())
def test_compiler_and_oracle_agree(one: Generated) -> None:
    assert_same(one)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, database=None, suppress_health_check=QUIET)
@given(generated())
def test_compiler_and_oracle_agree_on_much_more(one: Generated) -> None:
    assert_same(one)


def assert_same(one: Generated) -> None:
    """Run all; JSON text tells `1`, `1.0` and `true` apart, and keeps the order of keys."""
    told = json.dumps(one._asdict(), ensure_ascii=False, indent=1)
    fewer = FEWER[len(told) % len(FEWER)]  # any of them, the same each time
    expected, optimized, plainer = (
        plan(one.mapping, one.settings, one.event, received_at=RECEIVED, now=DEFAULT_NOW, replies=one.replies)
        for plan in (oracle.plan, compiled_plan, partial(compiled_plan, optimizations=fewer))
    )
    assert shown(optimized) == shown(expected), told
    assert repr(plainer) == repr(optimized), f"with {sorted(fewer)}: {told}"  # the reasons too, and all orders
    assert_sendable(one, optimized)


def assert_sendable(one: Generated, plan: OraclePlan) -> None:
    """Hand every request to the real client: what it refuses has to be invalid when it is planned."""
    kinds = cast("dict[str, JsonObject]", one.mapping["requests"])
    for request in plan.requests:
        encode = cast("str", kinds[str(request["request"])].get("encode", "json"))
        assert written(PlannedRequest(**request), encode).count(b"\r\n\r\n"), request  # type: ignore[arg-type]


def shown(plan: OraclePlan) -> str:
    """Return what must be the same: everything but the wording of the reason and the order of headers and reports."""
    same = {
        "outcome": plan.outcome,
        "place": plan.place,
        "requests": [_sorted_headers(request) for request in plan.requests],
        "reports": sorted(plan.reports),
    }
    return json.dumps(same, ensure_ascii=False, indent=1)


def _sorted_headers(request: JsonObject) -> JsonObject:
    headers = request["headers"]
    assert isinstance(headers, dict)
    return {**request, "headers": dict(sorted(headers.items()))}
