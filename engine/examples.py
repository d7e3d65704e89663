"""Run a mapping's examples: what the vendor's documentation promises against what the mapping gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import orjson

from engine.language.texts import shown
from engine.mapping import schema
from engine.mapping.check import check
from engine.mapping.checking import UNUSED_CODES
from engine.mapping.load import Loaded
from engine.mapping.model import Example, Place
from engine.mapping.problems import Problem, path_text
from engine.plan import Destination
from engine.records import Json, JsonObject, Outcome, Plan, PlannedRequest

NOW = 1_709_640_000.0
"""The clock of examples that use `within`: 2024-03-05T12:00:00Z."""


def validate(loaded: Loaded) -> list[Problem]:
    """Give every problem of a mapping: the checks, and the examples where the mapping can run."""
    problems = check(loaded)
    if any(problem.level == "error" and problem.code not in UNUSED_CODES for problem in problems):
        return problems
    return sorted([*problems, *check_examples(Destination(loaded))])


def check_examples(destination: Destination) -> Iterator[Problem]:
    """Run every example and find those that do not give what they promise."""
    schemas = {
        name: schema.validator(request.body_schema)
        for name, request in destination.mapping.requests.items()
        if request.body_schema is not None
    }
    for example in destination.mapping.examples:
        plan = run(destination, example)
        yield from _compare(destination, example, plan)
        for request in plan.requests:
            fault = schemas[request.request](request.body) if request.request in schemas else None
            if fault is not None:
                message = f"What this example sends breaks the body_schema of {request.request}: {fault}"
                yield _problem(destination, example.place, "body-schema", message)


def run(destination: Destination, example: Example) -> Plan:
    """Plan an example's event; settings not given take their `example`."""
    settings = {**destination.example_settings(), **example.settings}
    return destination.connect(settings, {}).plan(example.event, now=NOW, replies=example.replies)


def _problem(destination: Destination, place: Place, code: str, message: str, advice: str = "") -> Problem:
    mark = destination.loaded.mark(place)
    return Problem(*mark, path_text(place), code, message, advice)


def _compare(destination: Destination, example: Example, plan: Plan) -> Iterator[Problem]:
    for place, message in _differences(example, plan):
        yield _problem(destination, place, "example-fails", message)


def _differences(example: Example, plan: Plan) -> Iterator[tuple[Place, str]]:
    expected = example.expect
    place: Place = (*example.place, "expect")
    if isinstance(expected, dict):
        wanted = cast("str", expected["invalid"])
        if plan.outcome is not Outcome.INVALID:
            yield place, f'This should be invalid ("{wanted}") and is {_outcome(plan)}.'
        elif plan.reason != wanted:
            yield (*place, "invalid"), f'This is invalid for another reason: "{plan.reason}".'
        return
    entries = cast("list[JsonObject]", expected)
    if plan.outcome is Outcome.INVALID:
        yield place, f"This is invalid: {plan.reason}."
        return
    names = [next(iter(entry)) for entry in entries]
    given = [request.request for request in plan.requests]
    if names != given:
        yield place, f"This gives {_listed(given) or _outcome(plan)}, not {_listed(names) or 'nothing'}."
        return
    for number, (entry, request) in enumerate(zip(entries, plan.requests, strict=True)):
        yield from _body_differences(entry, request, (*place, number, request.request))


def _body_differences(entry: JsonObject, request: PlannedRequest, place: Place) -> Iterator[tuple[Place, str]]:
    body = request.body
    for key, wanted in cast("JsonObject", entry[request.request] or {}).items():
        if not isinstance(body, dict):
            yield place, f"{request.request} has no body with keys."
            return
        if key not in body:
            yield (*place, key), f'The body of {request.request} has no "{key}"; it has {_listed(list(body))}.'
        elif not same(body[key], wanted):
            yield (*place, key), f'"{key}" is {_json(body[key])}, not {_json(wanted)}.'


def same(given: Json, wanted: Json) -> bool:
    """Compare whole: objects key for key, lists in order, numbers by value; a boolean is no number."""
    if isinstance(given, bool) or isinstance(wanted, bool):
        return given is wanted
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(same(given[key], wanted[key]) for key in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(same(*pair) for pair in zip(given, wanted, strict=True))
    return given == wanted


def _outcome(plan: Plan) -> str:
    return f"{plan.outcome} ({plan.reason})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _json(value: Json) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 200 else shown(text)
