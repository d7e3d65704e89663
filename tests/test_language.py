"""The language's cases (tests/language/*.yaml), each through everything that can run a mapping."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

import pytest

from engine.records import Json, JsonObject
from tests import oracle
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING, DEFAULT_NOW, DEFAULT_TRACK, Case, load_cases
from tests.oracle import OraclePlan
from tests.runners import compiled_plan
from tests.tables import each

# --- Everything that runs a mapping, by name: each case goes through each. The compiler joins here. ---
RUNNERS: dict[str, Callable[..., OraclePlan]] = {
    "oracle": oracle.plan,
    "compiler": compiled_plan,
}


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
@each("case", load_cases, ids=lambda case: case.id)
def test_case(case: Case, runner: Callable[..., OraclePlan]) -> None:
    plan = runner(
        case.mapping,
        case.settings,
        case.event,
        received_at=case.received_at,
        now=case.now,
        replies=case.replies,
    )
    assert shown(_given(plan, case.expect)) == shown(_wanted(case))
    for text in cast("list[str]", case.expect.get("tells", [])):
        assert text in cast("str", plan.reason)
    if plan.place is not None:
        assert cast("str", plan.reason).endswith(f"({plan.place})"), "a reason from a mapping ends with its place"


def test_titles_are_unique() -> None:
    titles = [case.id for case in load_cases()]
    assert len(titles) == len(set(titles))


def shown(value: object) -> str:
    """Write for comparing: `1`, `1.0` and `true` differ, and the order of keys counts."""
    return json.dumps(value, ensure_ascii=False, indent=1)


def _wanted(case: Case) -> JsonObject:
    wanted: JsonObject = {word: value for word, value in case.expect.items() if word != "tells"}
    wanted["reports"] = cast("Json", sorted(case.reports))
    wanted["requests"] = [_sorted_headers(request) for request in cast("list[JsonObject]", case.expect["requests"])]
    return dict(sorted(wanted.items()))


def _given(plan: OraclePlan, named: JsonObject) -> JsonObject:
    """Return the part of a plan that the case names; the number of requests and all reports always count."""
    given: JsonObject = {"reports": [list(report) for report in sorted(plan.reports)]}
    wanted = cast("list[JsonObject]", named["requests"])
    keys = [list(request) for request in wanted] + [[] for _ in plan.requests[len(wanted) :]]
    pairs = zip(plan.requests, keys, strict=False)
    given["requests"] = [_sorted_headers({key: request[key] for key in names}) for request, names in pairs]
    given |= {word: cast("Json", getattr(plan, word)) for word in named if word not in {"requests", "tells"}}
    return dict(sorted(given.items()))


def _sorted_headers(request: JsonObject) -> JsonObject:
    """Headers have no order; all else has."""
    headers = request.get("headers")
    return {**request, "headers": dict(sorted(headers.items()))} if isinstance(headers, dict) else request


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
@pytest.mark.parametrize(("depth", "outcome"), [(90, "planned"), (120, "invalid"), (60_000, "invalid")])
def test_depth_of_an_event(runner: Callable[..., OraclePlan], depth: int, outcome: str) -> None:
    """Deeper than YAML files may be, so not in one: nested deeper than 100 is invalid."""
    deep: Json = 1
    for _ in range(depth):
        deep = [deep]
    mapping = {**DEFAULT_MAPPING, "calls": {"track": [{"request": "send", "from": "properties"}]}}
    event = {**DEFAULT_EVENT, **DEFAULT_TRACK, "properties": {"x": deep}}
    plan = runner(mapping, {}, event, received_at=None, now=DEFAULT_NOW, replies=[])
    assert plan.outcome == outcome


LOOPS: dict[str, tuple[JsonObject, str]] = {
    "each in each": (
        {"fields": {"a": {"each": "properties.one", "value": {"each": "properties.many", "value": "item"}}}},
        "calls.track[0].fields.a.value.each",
    ),
    "entries in a part": ({"from": "parts.all"}, "parts.all.entries"),
    "for_each, after the loop of its list": (
        {"for_each": {"each": "properties.one", "value": "item"}, "where": "parts.all", "from": "item"},
        "parts.all.entries",
    ),
    "for_each": (
        {"for_each": "properties.many", "where": "properties.one", "when": "parts.one"},
        "calls.track[0].for_each",
    ),
}


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
@pytest.mark.parametrize("name", LOOPS)
def test_all_loops_of_an_event_together_run_over_a_hundred_thousand_items(
    name: str, runner: Callable[..., OraclePlan]
) -> None:
    """Longer than YAML files should be, so not in one. The count is made before a loop runs, of all its items."""
    step, place = LOOPS[name]
    parts: JsonObject = {
        "all": {"entries": "properties.object", "value": "item"},
        "one": {"each": "properties.one", "value": "item"},
    }
    mapping = {**DEFAULT_MAPPING, "parts": parts, "calls": {"track": [{"request": "send", **step}]}}
    many: Json = [1] * 100_000
    properties: JsonObject = {"one": [1], "many": many, "object": dict.fromkeys(map(str, range(100_001)))}
    event = {**DEFAULT_EVENT, **DEFAULT_TRACK, "properties": properties}
    plan = runner(mapping, {}, event, received_at=None, now=DEFAULT_NOW, replies=[])
    assert (plan.outcome, plan.place) == ("invalid", place)
    assert str(plan.reason).startswith("loops reach 100,00")


@pytest.mark.parametrize(
    ("total", "why"),
    [("20", " (> compares two numbers; comparing text with a number gives null)"), (None, ""), (4, "")],
)
def test_an_event_that_is_ignored_says_where_a_comparison_could_not_be_made(total: Json, why: str) -> None:
    mapping: JsonObject = {
        **DEFAULT_MAPPING,
        "calls": {"track": [{"request": "send", "when": "properties.total > `5`"}]},
    }
    event: JsonObject = {**DEFAULT_EVENT, **DEFAULT_TRACK, "properties": {"total": total}}

    plan = compiled_plan(mapping, {}, event, received_at=None, now=DEFAULT_NOW, replies=[])

    assert plan.reason == f"nothing to send: calls.track[0]: when properties.total > `5` does not hold{why}"
