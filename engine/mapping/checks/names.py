"""Checks of names: what is named but does not exist, goes in a circle, or is never used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from engine.language.suggest import closest
from engine.mapping.checks.context import UNUSED_CODES, CheckContext, UnknownName, better, quoted, suggestion
from engine.mapping.problems import Fix, Level, Problem, place_text
from engine.mapping.walk import parts_in, roots_of
from engine.records import Place

SECTIONS = {"parts": "part", "settings": "setting", "requests": "request", "batches": "batch", "saved": "saved value"}


def check_names(context: CheckContext) -> Iterator[Problem]:
    """Find unknown requests, batches and calls."""
    mapping = context.mapping
    for steps in mapping.calls.values():
        for step in steps:
            yield from _request(context, step.request, (*step.place, "request"))
    for call, named in mapping.shared.items():
        yield from _shared(context, call, named)
    for name, request in mapping.requests.items():
        yield from _batch(context, request.batch, ("requests", name, "batch"))
        yield from _request(context, request.if_missing, ("requests", name, "if_missing"))
    yield from _request(context, mapping.check, ("check",))


def _request(context: CheckContext, name: str | None, place: Place) -> Iterator[Problem]:
    if name is not None and name not in context.mapping.requests:
        yield unknown_request(context, name, place)


def unknown_request(context: CheckContext, name: str, place: Place, *, key: bool = False) -> Problem:
    """Make the problem that no request has this name."""
    guess, advice = suggestion(name, context.mapping.requests, "requests")
    message = f"Unknown request {quoted(name)}."
    problem = context.problem(place, "unknown-request", message, advice, key=key, fix=better(name, guess))
    return context.record_unknown("requests", name, guess, problem)


def _batch(context: CheckContext, name: str | None, place: Place) -> Iterator[Problem]:
    if name is None or name in context.mapping.batches:
        return
    guess, advice = suggestion(name, context.mapping.batches, "batches")
    problem = context.problem(place, "unknown-batch", f"Unknown batch {quoted(name)}.", advice, fix=better(name, guess))
    yield context.record_unknown("batches", name, guess, problem)


def _shared(context: CheckContext, call: str, named: str) -> Iterator[Problem]:
    mapping, guess = context.mapping, None
    if named in mapping.calls and named != call:
        return
    if named == call:
        message, advice = f"{call} cannot share its own steps.", "Write its steps here, or name another call."
    elif named in mapping.shared:
        message = f"{named} has no steps of its own: it shares those of {mapping.shared[named]}."
        advice = f"Write {call}: {mapping.shared[named]}." if mapping.shared[named] in mapping.calls else ""
    else:
        guess = closest(named, [other for other in mapping.calls if other != call])
        message = f"This mapping has no steps for {named}, so {call} cannot share them."
        advice = f"Did you mean {guess}?" if guess else ""
    yield context.problem(("calls", call), "unknown-call", message, advice, fix=better(named, guess))


def check_circles(context: CheckContext) -> Iterator[Problem]:
    """Find parts and requests that depend on themselves."""
    parts = context.mapping.parts
    for name, circle in _all_circles({name: parts_in(value) & set(parts) for name, value in parts.items()}):
        message = f"Circular parts: {' uses '.join([*circle, circle[0]])}."
        advice = "Remove one of these references: a part cannot depend on itself."
        yield context.problem(("parts", name), "part-circle", message, advice, key=True)
    requests = context.mapping.requests
    targets = {name: {request.if_missing or ""} & set(requests) for name, request in requests.items()}
    for name, circle in _all_circles(targets):
        message = f"Circular if_missing: {' -> '.join([*circle, circle[0]])}."
        advice = "Remove `if_missing` from one of them."
        yield context.problem(("requests", name, "if_missing"), "if-missing-circle", message, advice)


def _all_circles(uses: Mapping[str, set[str]]) -> Iterator[tuple[str, list[str]]]:
    """Return every circle once, at the first of its names in the file."""
    uses = _in_circles(uses)
    reported: set[str] = set()
    for name in uses:
        circle = _circle(name, uses) if name not in reported else None
        if circle and not reported & set(circle):
            reported |= set(circle)
            yield name, circle


def _in_circles(uses: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out, again and again, every name that uses none of the others, so that circles are looked for in few."""
    left = {name: set(used) for name, used in uses.items()}
    users: dict[str, list[str]] = {}
    for name, used in left.items():
        for each in used:
            users.setdefault(each, []).append(name)
    pending = [name for name, used in left.items() if not used]
    for name in pending:  # grows
        del left[name]
        for user in users.get(name, ()):
            left[user].discard(name)
            if not left[user]:
                pending.append(user)
    return left


def _circle(start: str, uses: Mapping[str, set[str]]) -> list[str] | None:
    """Return the shortest way from a name back to itself."""
    before = {start: ""}
    pending = [start]
    for last in pending:  # grows
        for name in sorted(uses[last]):
            if name == start:
                return _way(last, before)
            if name not in before:
                before[name] = last
                pending.append(name)
    return None


def _way(last: str, before: Mapping[str, str]) -> list[str]:
    way = [last]
    while before[way[-1]]:
        way.append(before[way[-1]])
    return way[::-1]


def check_unused(context: CheckContext) -> Iterator[Problem]:
    """Find unused parts, settings, requests, batches, saved values and includes."""
    mapping = context.mapping
    parts = _used(context, "parts", set(mapping.parts))
    settings = _used(context, "settings", set(mapping.settings))
    requests = {step.request for steps in mapping.calls.values() for step in steps} | {mapping.check or ""}
    requests |= {request.if_missing or "" for request in mapping.requests.values()}
    batches = {request.batch or "" for request in mapping.requests.values()}
    for name in set(mapping.parts) - parts:
        yield _unused(context, "unused-part", ("parts", name), "part", level="warning")
    for name in set(mapping.settings) - settings - context.settings_in_texts:
        yield _unused(context, "unused-setting", ("settings", name), "setting", level="warning")
    for name in set(mapping.requests) - requests:
        yield _unused(context, "unused-request", ("requests", name), "request")
    for name in set(mapping.batches) - batches:
        yield _unused(context, "unused-batch", ("batches", name), "batch")
    yield from _unused_saved(context)
    yield from _unused_includes(context, parts)


def _unused(context: CheckContext, code: str, place: Place, kind: str, *, level: Level = "error") -> Problem:
    message = f"The {kind} {quoted(str(place[-1]))} is never used."
    return context.problem(place, code, message, "Use it or remove it.", key=True, level=level)


def _used(context: CheckContext, root_name: str, every: set[str]) -> set[str]:
    used: set[str] = set()
    for found in context.occurrences.all:
        for root in roots_of(found.path):
            if root.name == root_name:
                used |= set(root.members[:1]) or every
    return used


def _unused_saved(context: CheckContext) -> Iterator[Problem]:
    steps = [step for steps in context.mapping.calls.values() for step in steps]
    used = _used(context, "saved", {name for step in steps for name in step.save})
    for step in steps:
        for name in step.save:
            if name not in used:
                yield _unused(context, "unused-saved", (*step.place, "save", name), "saved value")


def _unused_includes(context: CheckContext, parts: set[str]) -> Iterator[Problem]:
    resolved = context.loaded.resolved
    names = resolved.value.get("include")
    if not isinstance(names, list) or not context.owns(("include",)):
        return
    files = {resolved.owner(("parts", name)).file for name in parts if name in context.mapping.parts}
    for number, name in enumerate(names):
        if not any(file.endswith(f"parts/{name}.yaml") for file in files):
            message = f"No part of {quoted(str(name))} is used."
            yield context.problem(("include", number), "unused-include", message, "Remove it.")


def without_repeats(context: CheckContext, problems: Iterable[Problem]) -> list[Problem]:
    """Leave out problems that another one already reports."""
    kept = list(problems)
    for uses in _by_name(context.unknown_names):
        kept = _joined(kept, uses)
    own = context.loaded.resolved.document.file
    kept = [problem for problem in kept if problem.code not in UNUSED_CODES or problem.file == own]
    unused_settings = {problem.path for problem in kept if problem.code == "unused-setting"}
    return [each for each in kept if each.code != "setting-without-example" or each.path not in unused_settings]


def _joined(problems: list[Problem], uses: list[UnknownName]) -> list[Problem]:
    """Join uses of one unknown name with the problem that the name probably meant is unused.

    If the name is used once, the use is probably misspelled, so the problem stays there. If it is used several times,
    the definition probably is: then one problem at the definition replaces all others.
    """
    first = uses[0]
    unused = [problem for problem in problems if _is_unused(problem, first)]
    if not unused:
        return problems
    at_uses = {use.problem for use in uses}
    others = [problem for problem in problems if problem not in unused]
    if len(at_uses) == 1:
        return [_with_unused_line(each, unused[0], first) if each in at_uses else each for each in others]
    if first.name is None or any(problem.file != unused[0].file for problem in at_uses):
        return others
    return [*(problem for problem in others if problem not in at_uses), _at_definition(unused[0], first)]


def _by_name(every: Iterable[UnknownName]) -> Iterator[list[UnknownName]]:
    groups: dict[tuple[str, str | None, str], list[UnknownName]] = {}
    for use in every:
        if use.guess is not None:
            groups.setdefault((use.section, use.name, use.guess), []).append(use)
    yield from groups.values()


def _is_unused(problem: Problem, use: UnknownName) -> bool:
    """Whether a problem is that the name probably meant is unused."""
    if problem.code not in UNUSED_CODES:
        return False
    name = str(use.guess)
    if use.section == "saved":
        return problem.code == "unused-saved" and problem.path.endswith(f".save.{name}")
    return problem.path == place_text((use.section, name))


def _with_unused_line(problem: Problem, unused: Problem, use: UnknownName) -> Problem:
    """Add the line of the definition, which may be the misspelled one."""
    if problem.file != unused.file:
        return problem
    guess = f"{use.guess}?"
    advice = problem.advice.replace(guess, f"{use.guess} (line {unused.line}), which is otherwise unused?", 1)
    return replace(problem, advice=advice)


def _at_definition(unused: Problem, use: UnknownName) -> Problem:
    word, name = SECTIONS[use.section], quoted(str(use.name))
    message = f"The {word} {name} is used in several places but defined here as {quoted(str(use.guess))}."
    advice = f"Did you mean {use.name}?"
    return replace(
        unused,
        code=use.problem.code,
        message=message,
        advice=advice,
        level="error",
        fix=Fix(str(use.guess), str(use.name)),
    )
