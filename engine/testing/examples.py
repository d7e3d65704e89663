"""Run a mapping's examples and compare the requests with those that they expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import orjson

from engine.errors import SettingsError
from engine.events.normalizing import normalize
from engine.language.texts import shown
from engine.mapping.checks import MOST_PROBLEMS, check, limited
from engine.mapping.checks.context import UNUSED_CODES, plain_or_quoted, quoted, suggestion
from engine.mapping.example import MappingExample
from engine.mapping.load import Loaded
from engine.mapping.problems import Problem, place_text
from engine.plan import Connection, Destination
from engine.records import NO_SECRETS, Json, JsonObject, Outcome, Place, Plan, PlannedRequest, Secrets, masked
from engine.testing.meter import Meter

NOW = 1_709_640_000.0
"""The clock of examples that use `within`: 2024-03-05T12:00:00Z."""
LONGEST_JSON = 200
MOST_REPORTS = 2
MOST_DIFFERENCES = 100
"""Of one object: which key was probably meant is found out for each."""
INSIDE = ("calls.", "http.", "parts.", "requests.")
"""The beginnings of places in the mapping; other reports are about the event."""


class Difference(NamedTuple):
    """Where an example and the mapping's requests differ."""

    place: Place
    message: str
    advice: str = ""


class Tried(NamedTuple):
    """What became of an example: its plan, if it ran, and what is wrong."""

    plan: Plan | None
    problems: list[Problem]
    secrets: Secrets = NO_SECRETS
    """Of its settings; the plan holds them where they are sent."""


def validate(loaded: Loaded) -> list[Problem]:
    """Return every problem of a mapping: of the checks, and of its examples if it can run."""
    problems = check(loaded)
    if any(problem.level == "error" and problem.code not in UNUSED_CODES for problem in problems):
        return problems
    found = list(islice(check_examples(Destination(loaded)), MOST_PROBLEMS + 1))
    return sorted(limited(loaded, [*problems, *found]))


def check_examples(destination: Destination) -> Iterator[Problem]:
    """Run every example and find those whose requests are not as expected."""
    meter, connect = Meter(), connector(destination)
    for example in destination.mapping.examples:
        spent = meter.used_up
        yield from try_example(destination, example, meter, connect).problems
        if spent:
            return


def connector(destination: Destination) -> Callable[[MappingExample], Connection]:
    """Return what connects an example: settings not given take their `example`; raises SettingsError.

    Examples without settings of their own share a connection, which takes longer to make than their events to plan.
    """
    usual = cache(lambda: destination.connect(destination.example_settings(), {}))

    def connect(example: MappingExample) -> Connection:
        return destination.connect(settings_of(destination, example), {}) if example.settings else usual()

    return connect


def try_example(
    destination: Destination,
    example: MappingExample,
    meter: Meter,
    connect: Callable[[MappingExample], Connection] | None = None,
) -> Tried:
    """Run one example and compare its requests with those that it expects; `connect` is a `connector`."""
    if meter.used_up:
        advice = "Examples need only a few items of a list. Take events that are smaller, or leave some out."
        difference = Difference(example.place, f"This example did not run: {meter}.", advice)
        return Tried(None, [_problem(destination, "examples-too-long", difference)])
    try:
        connection = (connect or connector(destination))(example)
    except SettingsError as error:
        message = f"This example cannot run: {' '.join(error.problems)}"
        difference = Difference((*example.place, "settings"), message)
        return Tried(None, [_problem(destination, "setting-value", difference)])
    plan = run(connection, example, meter)
    problems = list(islice(_faults(destination, example, plan, meter), MOST_PROBLEMS + 1))
    return Tried(plan, problems, connection.secrets)


def _faults(destination: Destination, example: MappingExample, plan: Plan, meter: Meter) -> Iterator[Problem]:
    for difference in _differences(example, plan):
        yield _problem(destination, "example-fails", _with_reports(difference, plan))
    for difference in _schema_faults(destination, example, plan, meter):
        yield _problem(destination, "body-schema", difference)
    for difference in _unused_replies(example, plan):
        yield _problem(destination, "unused-reply", difference)


def too_much(path: Path) -> Problem:
    """Return the problem of a file that is too much for Python, so that the others are still checked."""
    message = "This file cannot be checked: it needs more memory than there is, or nests too much for Python."
    return Problem(path.as_posix(), 1, 1, "", "cannot-be-checked", message, "Split it, or use more parts.")


def settings_of(destination: Destination, example: MappingExample) -> JsonObject:
    """Return the settings of an example; those not given take their `example`."""
    return {**destination.example_settings(), **example.settings}


def run(connection: Connection, example: MappingExample, meter: Meter | None = None) -> Plan:
    """Plan an example's event on a connection with its settings. What that takes is added to `meter`."""
    with (meter or Meter()).measured(connection, example):
        # Without a clock to normalize by, an event of an example may have any time, today's or next year's.
        return connection.plan_normalized(normalize(example.event), now=NOW, replies=example.replies)


def _problem(destination: Destination, code: str, difference: Difference) -> Problem:
    mark = destination.loaded.mark(difference.place)
    return Problem(*mark, place_text(difference.place), code, difference.message, difference.advice)


def _with_reports(difference: Difference, plan: Plan) -> Difference:
    """Add what the plan reports: it is often the cause."""
    inside = [report for report in plan.reports if report.place.startswith(INSIDE)]
    reported = [f"Reported: {report.place}: {report.message}." for report in inside[:MOST_REPORTS]]
    return difference._replace(advice="\n".join(filter(None, [difference.advice, *reported])))


def _differences(example: MappingExample, plan: Plan) -> Iterator[Difference]:
    expected = example.expect
    place: Place = (*example.place, "expect")
    if isinstance(expected, dict):
        yield from _invalid_differences(cast("str", expected["invalid"]), plan, place)
        return
    entries = cast("list[JsonObject]", expected)
    if plan.outcome is Outcome.INVALID:
        advice = "If that is intended, write expect: { invalid: ... } with this reason."
        yield Difference(place, f"This event is invalid: {plan.reason}.", advice)
        return
    names = [next(iter(entry)) for entry in entries]
    given = [request.request for request in plan.requests]
    if names != given:
        produced = ", ".join(given) or f"no request ({plan.reason})"
        yield Difference(
            place, f"This event produces {produced}; the example expects {', '.join(names) or 'no request'}."
        )
        return
    for number, (entry, request) in enumerate(zip(entries, plan.requests, strict=True)):
        wanted = cast("JsonObject", entry[request.request] or {})
        yield from _body_differences(wanted, request, (*place, number, request.request))


def _invalid_differences(wanted: str, plan: Plan, place: Place) -> Iterator[Difference]:
    if plan.outcome is not Outcome.INVALID:
        yield Difference(place, f"This event should be invalid, but is {plan.outcome} ({plan.reason}).")
    elif plan.reason != wanted:
        yield Difference((*place, "invalid"), f"This event is invalid for another reason: {plan.reason}.")


def _body_differences(wanted: JsonObject, request: PlannedRequest, place: Place) -> Iterator[Difference]:
    body = request.body
    if wanted and not isinstance(body, dict):
        yield Difference(place, f"The body of {request.request} is {_json(body)}, so it has no keys.")
        return
    for key, value in wanted.items():
        yield from _member(cast("JsonObject", body), key, value, place, f"The body of {request.request}")


def _member(given: JsonObject, key: str, wanted: Json, place: Place, what: str) -> Iterator[Difference]:
    if key in given:
        yield from _inner(given[key], wanted, (*place, key))
        return
    _, advice = suggestion(key, given, "keys")
    yield Difference((*place, key), f"{what} has no {quoted(key)}.", advice if given else "It is empty.")


def _inner(given: Json, wanted: Json, place: Place) -> Iterator[Difference]:
    """Find the smallest places that differ, so that the line is the right one."""
    if same(given, wanted):
        return
    what = quoted(place[-1]) if isinstance(place[-1], str) else "This entry"
    if isinstance(given, dict) and isinstance(wanted, dict):
        every = (difference for key, value in wanted.items() for difference in _member(given, key, value, place, what))
        found = list(islice(every, MOST_DIFFERENCES))
        yield from found
        for key in given:
            suggested = f" {plain_or_quoted(key)}?"
            if key not in wanted and not any(difference.advice.endswith(suggested) for difference in found):
                advice = "Values are compared whole: add this key to the example."
                yield Difference(place, f"{what} also has {quoted(key)}: {_json(given[key])}.", advice)
    elif isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
        for number, pair in enumerate(zip(given, wanted, strict=True)):
            yield from _inner(*pair, (*place, number))
    else:
        yield Difference(place, f"{what} is {_json(given)}, not {_json(wanted)}.")


def same(given: Json, wanted: Json) -> bool:
    """Compare whole: objects key for key, lists in order, numbers by value; a boolean is no number."""
    if isinstance(given, bool) or isinstance(wanted, bool):
        return given is wanted
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(same(given[key], wanted[key]) for key in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(same(*pair) for pair in zip(given, wanted, strict=True))
    return given == wanted


def _schema_faults(destination: Destination, example: MappingExample, plan: Plan, meter: Meter) -> Iterator[Difference]:
    for number, request in enumerate(plan.requests):
        if destination.mapping.requests[request.request].body_schema is None or meter.used_up:
            continue
        fault = meter.checked(destination.mapping.requests[request.request], request.body)
        if fault is not None:
            place: Place = (*example.place, "expect", number) if isinstance(example.expect, list) else example.place
            message = f"The body of {request.request} does not match its body_schema: {fault}."
            yield Difference(place, message, "Correct the mapping, or the schema if the vendor accepts this body.")


def _unused_replies(example: MappingExample, plan: Plan) -> Iterator[Difference]:
    left = Counter(request.request for request in plan.requests)
    for number, reply in enumerate(example.replies):
        name = cast("str", reply["request"])
        left[name] -= 1
        if left[name] < 0 and plan.outcome is not Outcome.INVALID:
            message = f"Unused reply: {quoted(name)} is {_sent(plan, name)}."
            yield Difference((*example.place, "replies", number), message, "Remove it.")


def _sent(plan: Plan, name: str) -> str:
    count = sum(request.request == name for request in plan.requests)
    return {0: "never sent", 1: "sent once"}.get(count, f"sent {count} times")


def _json(value: Json) -> str:
    try:
        text = orjson.dumps(masked(value)).decode()
    except TypeError:  # half a character, an integer beyond 64 bits
        text = repr(value)
    return text if len(text) <= LONGEST_JSON else shown(value)
