"""Checks of the names of things: requests, batches and calls that are named and must exist, and circles of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.suggest import closest
from engine.mapping.checks.context import Checking, meant, quoted
from engine.mapping.problems import Problem
from engine.mapping.walk import parts_in
from engine.records import Place


def check_names(checking: Checking) -> Iterator[Problem]:
    """Find names of requests, batches and calls that do not exist, and parts and requests that go in a circle."""
    mapping = checking.mapping
    for steps in mapping.calls.values():
        for step in steps:
            yield from _request(checking, step.request, (*step.place, "request"))
    for call, named in mapping.shared.items():
        yield from _shared(checking, call, named)
    for name, request in mapping.requests.items():
        yield from _batch(checking, request.batch, ("requests", name, "batch"))
        yield from _request(checking, request.if_missing, ("requests", name, "if_missing"))
    yield from _request(checking, mapping.check, ("check",))
    yield from _circles(checking)


def _request(checking: Checking, name: str | None, place: Place) -> Iterator[Problem]:
    if name is not None and name not in checking.mapping.requests:
        yield unknown_request(checking, name, place)


def unknown_request(checking: Checking, name: str, place: Place, *, key: bool = False) -> Problem:
    """Say that there is no request of this name."""
    guess, advice = meant(name, checking.mapping.requests, "requests")
    message = f"There is no request {quoted(name)}."
    problem = checking.problem(place, "unknown-request", message, advice, key=key)
    return checking.unknown("requests", name, guess, problem)


def _batch(checking: Checking, name: str | None, place: Place) -> Iterator[Problem]:
    if name is None or name in checking.mapping.batches:
        return
    guess, advice = meant(name, checking.mapping.batches, "batches")
    problem = checking.problem(place, "unknown-batch", f"There is no batch {quoted(name)}.", advice)
    yield checking.unknown("batches", name, guess, problem)


def _shared(checking: Checking, call: str, named: str) -> Iterator[Problem]:
    mapping = checking.mapping
    if named in mapping.calls and named != call:
        return
    if named == call:
        message, advice = f"{call} cannot share its own steps.", "Write its steps here, or the name of another call."
    elif named in mapping.shared:
        message = f"{named} has no steps of its own either: it shares those of {mapping.shared[named]}."
        advice = f"Write {call}: {mapping.shared[named]}." if mapping.shared[named] in mapping.calls else ""
    else:
        guess = closest(named, [other for other in mapping.calls if other != call])
        message = f"This mapping has no steps for {named}, so {call} cannot share them."
        advice = f"Did you mean {guess}?" if guess else ""
    yield checking.problem(("calls", call), "unknown-call", message, advice)


def _circles(checking: Checking) -> Iterator[Problem]:
    parts = checking.mapping.parts
    for name, circle in _all_circles({name: parts_in(value) & set(parts) for name, value in parts.items()}):
        message = f"The parts go in a circle: {' uses '.join([*circle, circle[0]])}."
        advice = "Take the use of one by another out: a part is made from parts that are made before it."
        yield checking.problem(("parts", name), "part-circle", message, advice, key=True)
    requests = checking.mapping.requests
    targets = {name: {request.if_missing or ""} & set(requests) for name, request in requests.items()}
    for name, circle in _all_circles(targets):
        message = f"The requests go in a circle: {', if missing '.join([*circle, circle[0]])}."
        advice = "The last request of a chain has no if_missing."
        yield checking.problem(("requests", name, "if_missing"), "if-missing-circle", message, advice)


def _all_circles(uses: Mapping[str, set[str]]) -> Iterator[tuple[str, list[str]]]:
    """Return every circle once, at the name of it that is written first."""
    told: set[str] = set()
    for name in uses:
        circle = _circle(name, uses)
        if circle and not told & set(circle):
            told |= set(circle)
            yield name, circle


def _circle(start: str, uses: Mapping[str, set[str]]) -> list[str] | None:
    """Return the shortest way from a name back to itself."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        for name in sorted(uses[way[-1]]):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
