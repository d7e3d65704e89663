"""Checks of the names of things: requests, batches, calls that are named and must exist; things nobody uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.errors import PathError
from engine.language import paths
from engine.mapping.checking import Checking
from engine.mapping.model import Place
from engine.mapping.occurrences import parts_in
from engine.mapping.problems import Problem
from engine.mapping.suggest import closest

UNUSED_CODES = frozenset({"unused-part", "unused-setting", "unused-request", "unused-batch", "unused-include"})
"""Problems of tidiness: they fail `validate-mappings`, but such a mapping can run."""


def check_names(checking: Checking) -> Iterator[Problem]:
    """Find names of requests, batches and calls that do not exist, and parts that go in a circle."""
    mapping = checking.mapping
    for call, steps in mapping.calls.items():
        for number, step in enumerate(steps):
            place: Place = ("calls", call, number, "request")
            yield from _known(checking, "request", step.request, mapping.requests, place)
    for call, named in mapping.shared.items():
        yield from _shared(checking, call, named)
    for name, request in mapping.requests.items():
        if request.batch is not None:
            yield from _known(checking, "batch", request.batch, mapping.batches, ("requests", name, "batch"))
        if request.if_missing is not None:
            yield from _known(
                checking, "request", request.if_missing, mapping.requests, ("requests", name, "if_missing")
            )
    if mapping.check is not None:
        yield from _known(checking, "request", mapping.check, mapping.requests, ("check",))
    yield from _circles(checking)


def _known(checking: Checking, word: str, name: str, names: Iterable[str], place: Place) -> Iterator[Problem]:
    known = list(names)
    if name in known:
        return
    guess = closest(name, known)
    advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known)}." if known else ""
    yield checking.problem(place, f"unknown-{word}", f'There is no {word} "{name}".', advice)


def _shared(checking: Checking, call: str, named: str) -> Iterator[Problem]:
    if named in checking.mapping.calls and named != call:
        return
    names = [other for other in checking.mapping.calls if other != call]
    guess = closest(named, names)
    message = f'"{named}" is no call with steps of its own, so {call} cannot share them.'
    yield checking.problem(("calls", call), "unknown-call", message, f"Did you mean {guess}?" if guess else "")


def _circles(checking: Checking) -> Iterator[Problem]:
    parts = checking.mapping.parts
    uses = {name: parts_in(value) & set(parts) for name, value in parts.items()}
    told: set[str] = set()
    for name in parts:
        circle = _circle(name, uses)
        if circle and not told & set(circle):
            told |= set(circle)
            message = f"The parts go in a circle: {' uses '.join([*circle, circle[0]])}."
            yield checking.problem(("parts", name), "part-circle", message, key=True)


def _circle(start: str, uses: dict[str, set[str]]) -> list[str] | None:
    """Give the shortest way from a part back to itself."""
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


def check_unused(checking: Checking) -> Iterator[Problem]:
    """Find parts, settings, requests, batches and includes that nothing uses; only those this file brings."""
    mapping = checking.mapping
    parts, settings = _used_members(checking, "parts"), _used_members(checking, "settings")
    requests = {step.request for steps in mapping.calls.values() for step in steps} | {mapping.check or ""}
    requests |= {request.if_missing or "" for request in mapping.requests.values()}
    batches = {request.batch for request in mapping.requests.values()}
    for word, section, names, used in (
        ("part", "parts", mapping.parts, parts),
        ("setting", "settings", mapping.settings, settings),
        ("request", "requests", mapping.requests, requests),
        ("batch", "batches", mapping.batches, batches),
    ):
        for name in names:
            if (
                name not in used
                and checking.loaded.resolved.owner((section, name)) is checking.loaded.resolved.document
            ):
                message = f'Nothing uses the {word} "{name}".'
                yield checking.problem((section, name), f"unused-{word}", message, "Use it or remove it.", key=True)
    yield from _unused_includes(checking, parts)


def _used_members(checking: Checking, root_name: str) -> set[str]:
    used: set[str] = set()
    for found in checking.occurrences.all:
        try:
            roots = paths.parse(found.path).roots
        except PathError:
            continue
        for root in roots:
            if root.name == root_name:
                used |= set(root.members[:1]) or set(checking.mapping.settings)
    return used


def _unused_includes(checking: Checking, parts: set[str]) -> Iterator[Problem]:
    resolved = checking.loaded.resolved
    names = resolved.value.get("include")
    if not isinstance(names, list) or resolved.owner(("include",)) is not resolved.document:
        return
    files = {resolved.owner(("parts", name)).file for name in parts if name in checking.mapping.parts}
    for number, name in enumerate(names):
        if not any(file.endswith(f"parts/{name}.yaml") for file in files):
            message = f'Nothing uses a part of "{name}".'
            yield checking.problem(("include", number), "unused-include", message, "Remove it.")


def without_echoes(problems: list[Problem]) -> list[Problem]:
    """Leave out "nothing uses x" where another problem says that x is what somebody meant.

    A part that is misspelt where it stands is one mistake and should be one problem.
    """
    meant = {problem.advice for problem in problems if problem.code.startswith("unknown-")}

    def echoed(problem: Problem) -> bool:
        if problem.code not in UNUSED_CODES:
            return False
        name = problem.path.rpartition(".")[2]
        return any(advice.endswith((f".{name}?", f" {name}?")) for advice in meant)

    return [problem for problem in problems if not echoed(problem)]
