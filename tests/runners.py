"""The compiler as something to compare: the same signature as the oracle's `plan`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from engine.compiler.build import build
from engine.compiler.optimizations import ALL, Optimization
from engine.events.normalizing import normalize
from engine.mapping.checks import check
from engine.mapping.checks.context import UNUSED_CODES
from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader
from engine.plan import Connection, Destination
from engine.plan import load as load_destination
from engine.records import Json, JsonObject, Outcome, Plan, Secret
from tests.oracle import OraclePlan


@cache
def exponea() -> Connection:
    """Return the shipped mapping with its example settings, made when a test asks for it."""
    target = load_destination("exponea")
    return target.connect(target.example_settings())


def compiled_plan(
    mapping: JsonObject,
    settings: JsonObject,
    event: Json,
    *,
    received_at: str | None,
    now: float,
    replies: Sequence[JsonObject] = (),
    optimizations: frozenset[Optimization] = ALL,
) -> OraclePlan:
    """Plan one event with the compiled mapping."""
    target = destination(json.dumps(mapping, ensure_ascii=False), optimizations)
    connection = Connection(target, _with_secrets(target, settings))
    plan = connection.plan_normalized(normalize(event, received_at=received_at, now=now), now=now, replies=replies)
    return comparable(plan)


def comparable(plan: Plan) -> OraclePlan:
    """Return a plan in the form of the oracle's."""
    place = _place(plan.reason) if plan.outcome is Outcome.INVALID else None
    requests = [
        {name: getattr(request, name) for name in ("request", "method", "url", "headers", "query", "body")}
        | ({"batch": request.batch, "group": request.group} if request.batch is not None else {})
        for request in plan.requests
    ]
    reports = [(report.code, report.place) for report in plan.reports]
    return OraclePlan(plan.outcome.value, plan.reason, place, requests, reports)


def _with_secrets(target: Destination, settings: JsonObject) -> JsonObject:
    """Make the texts of secret settings what `connect` makes of them."""
    secret = {name for name, setting in target.mapping.settings.items() if setting.secret}
    return {name: Secret(text) if name in secret and isinstance(text, str) else text for name, text in settings.items()}


HARMLESS = UNUSED_CODES | {
    "always-invalid",
    "envelope-without-body",
    "function-type",
    "key-never-there",
    "map-never-matches",
    "must-never-holds",
    "never-equal",
    "never-ordered",
    "never-runs",
    "not-a-list",
    "not-a-time",
    "not-an-object",
    "not-text",
    "pointless-default",
    "pointless-required",
    "query-in-url",
    "request-id-in-batches",
    "same-alternative",
    "same-target",
    "template-unfilled",
    "unknown-part-key",
    "unknown-row-field",
    "unreachable-alternative",
    "url-never-filled",
}
"""Problems that are refused as useless although the language gives them a meaning, which the cases pin."""


@lru_cache(maxsize=2048)
def destination(text: str, optimizations: frozenset[Optimization] = ALL) -> Destination:
    """Load and compile a mapping written as JSON, which is YAML too; problems fail the test."""
    if optimizations != ALL:
        return compiled_with(destination(text).loaded, optimizations)
    loaded = load(text)
    problems = [p for p in check(loaded) if p.level == "error" and p.code not in HARMLESS]
    assert not problems, "\n".join(str(problem) for problem in problems)
    return Destination(loaded)


def compiled_with(loaded: Loaded, optimizations: frozenset[Optimization]) -> Destination:
    """Compile a mapping with some optimizations only."""
    made = Destination(loaded)
    made._compiled = build(loaded, optimizations)
    return made


FEWER: tuple[frozenset[Optimization], ...] = (frozenset(), *(ALL - {each} for each in Optimization))
"""Without any optimization, and without each of them."""


def load(text: str, name: str = "case") -> Loaded:
    """Load a mapping from its text."""
    return Library([]).of(reader.parse(text, f"{name}.yaml"), Path(f"{name}.yaml"))


def _place(reason: str) -> str | None:
    """A reason that comes from a mapping ends with its place in parentheses."""
    found = re.search(r".*\(((?:calls|parts|http|requests|batches)[.\[].*)\)$", reason, re.DOTALL)
    return found[1] if found else None
