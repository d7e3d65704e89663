"""Checks for what nothing uses; and one problem for one slip, where several checks say the same of a misspelt name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.mapping.checks.context import UNUSED_CODES, Checking, Missing, quoted
from engine.mapping.problems import Problem, place_text
from engine.mapping.walk import roots_of
from engine.records import Place


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
        for root in roots_of(found.path):
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


SECTIONS = {"parts": "part", "settings": "setting", "requests": "request", "batches": "batch", "saved": "saved value"}


def without_echoes(checking: Checking, problems: Iterable[Problem]) -> list[Problem]:
    """Leave out what another problem says already."""
    kept = list(problems)
    for missing in _by_name(checking.missing):
        first = missing[0]
        unused = [problem for problem in kept if _is_unused(problem, first)]
        if not unused:
            continue
        kept = [problem for problem in kept if problem not in unused]
        said = {each.problem for each in missing}
        if len(said) == 1:
            kept = [_which_nothing_uses(problem, unused[0], first) if problem in said else problem for problem in kept]
        if first.name is not None and len(said) > 1 and all(problem.file == unused[0].file for problem in said):
            kept = [problem for problem in kept if problem not in said]
            kept.append(_at_definition(unused[0], first))
    own = checking.loaded.resolved.document.file
    kept = [problem for problem in kept if problem.code not in UNUSED_CODES or problem.file == own]
    unused_settings = {problem.path for problem in kept if problem.code == "unused-setting"}
    return [each for each in kept if each.code != "setting-without-example" or each.path not in unused_settings]


def _by_name(every: Iterable[Missing]) -> Iterator[list[Missing]]:
    groups: dict[tuple[str, str | None, str], list[Missing]] = {}
    for missing in every:
        if missing.guess is not None:
            groups.setdefault((missing.section, missing.name, missing.guess), []).append(missing)
    yield from groups.values()


def _is_unused(problem: Problem, missing: Missing) -> bool:
    """Whether a problem says that nothing uses the name that was meant."""
    if problem.code not in UNUSED_CODES:
        return False
    name = str(missing.guess)
    if missing.section == "saved":
        return problem.code == "unused-saved" and problem.path.endswith(f".save.{name}")
    return problem.path == place_text((missing.section, name))


def _which_nothing_uses(problem: Problem, unused: Problem, missing: Missing) -> Problem:
    """Name the line of the definition too: it may be the one that is misspelt."""
    if problem.file != unused.file:
        return problem
    guess = f"{missing.guess}?"
    advice = problem.advice.replace(guess, f"{missing.guess} (line {unused.line}), which nothing uses?", 1)
    return replace(problem, advice=advice)


def _at_definition(unused: Problem, missing: Missing) -> Problem:
    word, name = SECTIONS[missing.section], quoted(str(missing.name))
    message = f"The {word} {name} is used in several places, but here it is called {quoted(str(missing.guess))}."
    advice = f"Did you mean {missing.name}?"
    return replace(unused, code=missing.problem.code, message=message, advice=advice)
