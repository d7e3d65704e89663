"""Checks for what nothing uses; check_echoes.py keeps only what this file brings.

A base and a shared file serve other mappings too, but a name that nobody uses may be the other half of a slip.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import PathError
from engine.language import paths
from engine.mapping.checking import Checking, quoted
from engine.mapping.model import Place
from engine.mapping.problems import Problem


def check_unused(checking: Checking) -> Iterator[Problem]:
    """Find parts, settings, requests, batches, saved values and includes that nothing uses."""
    mapping = checking.mapping
    parts = _used(checking, "parts", set(mapping.parts))
    settings = _used(checking, "settings", set(mapping.settings))
    requests = {step.request for steps in mapping.calls.values() for step in steps} | {mapping.check or ""}
    requests |= {request.if_missing or "" for request in mapping.requests.values()}
    batches = {request.batch or "" for request in mapping.requests.values()}
    for name in set(mapping.parts) - parts:
        yield _nothing_uses(checking, "unused-part", ("parts", name), "part")
    for name in set(mapping.settings) - settings:
        yield _nothing_uses(checking, "unused-setting", ("settings", name), "setting")
    for name in set(mapping.requests) - requests:
        yield _nothing_uses(checking, "unused-request", ("requests", name), "request")
    for name in set(mapping.batches) - batches:
        yield _nothing_uses(checking, "unused-batch", ("batches", name), "batch")
    yield from _unused_saved(checking)
    yield from _unused_includes(checking, parts)


def _nothing_uses(checking: Checking, code: str, place: Place, word: str) -> Problem:
    message = f"Nothing uses the {word} {quoted(str(place[-1]))}."
    return checking.problem(place, code, message, "Use it or take it out.", key=True)


def _used(checking: Checking, root_name: str, every: set[str]) -> set[str]:
    used: set[str] = set()
    for found in checking.occurrences.all:
        try:
            roots = paths.parse(found.path).roots
        except PathError:
            continue
        for root in roots:
            if root.name == root_name:
                used |= set(root.members[:1]) or every
    return used


def _unused_saved(checking: Checking) -> Iterator[Problem]:
    steps = [step for steps in checking.mapping.calls.values() for step in steps]
    used = _used(checking, "saved", {name for step in steps for name in step.save})
    for step in steps:
        for name in step.save:
            if name not in used:
                yield _nothing_uses(checking, "unused-saved", (*step.place, "save", name), "saved value")


def _unused_includes(checking: Checking, parts: set[str]) -> Iterator[Problem]:
    resolved = checking.loaded.resolved
    names = resolved.value.get("include")
    if not isinstance(names, list) or not checking.owns(("include",)):
        return
    files = {resolved.owner(("parts", name)).file for name in parts if name in checking.mapping.parts}
    for number, name in enumerate(names):
        if not any(file.endswith(f"parts/{name}.yaml") for file in files):
            message = f"Nothing uses a part of {quoted(str(name))}."
            yield checking.problem(("include", number), "unused-include", message, "Take it out.")
