"""Checks of steps: those that can never run, URLs that can never be filled, answers that nobody could keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping.checks.context import Checking, listed, quoted
from engine.mapping.checks.facts import absent, never_holds, never_there
from engine.mapping.model import Request, Step
from engine.mapping.problems import Problem
from engine.mapping.walk import Use, paths_of
from engine.records import Place

ADVICE = "Ask for what these calls have, or take it out."


def check_steps(checking: Checking) -> Iterator[Problem]:
    """Find steps that cannot do what they say."""
    for step, uses in checking.occurrences.steps():
        yield from _never_runs(checking, step, uses)
        yield from _require(checking, step, uses)
        yield from _saving(checking, step)
    for request in checking.mapping.requests.values():
        for text, word in ((request.path, "path"), (request.method, "method")):
            if isinstance(text, Text):
                yield from _url(checking, request, text, (*request.place, word))


def _never_runs(checking: Checking, step: Step, uses: tuple[Use, ...]) -> Iterator[Problem]:
    mapping, calls = checking.mapping, listed([use.call for use in uses], "and")
    when, of = step.when, step.for_each
    if when is not None and _only_parts([when]) and all(never_holds(mapping, when, use) for use in uses):
        message = f"This step never runs: nothing of what its `when` reads is there in {calls} calls."
        yield checking.problem((*step.place, "when"), "never-runs", message, ADVICE)
    elif of is not None and _only_parts(paths_of(of)) and all(absent(mapping, of, use) for use in uses):
        message = f"This step never sends anything: the list of its `for_each` is never there in {calls} calls."
        yield checking.problem((*step.place, "for_each"), "never-runs", message, ADVICE)


def _only_parts(texts: Iterable[str]) -> bool:
    """Whether paths read parts alone; a field that is not there by itself is told by check_paths.py."""
    try:
        return all(root.name == "parts" for text in texts for root in paths.parse(text).roots)
    except PathError:
        return False


def _is_certain(step: Step) -> bool:
    """Whether a step runs whatever the event."""
    return step.when is None and step.unless is None and step.for_each is None


def _require(checking: Checking, step: Step, uses: tuple[Use, ...]) -> Iterator[Problem]:
    for path, _ in step.require:
        calls = [use.call for use in uses if never_holds(checking.mapping, path, use)]
        if calls and _is_certain(step) and (len(calls) < len(uses) or _only_parts([path])):
            message = f"Every {listed(calls)} call would be invalid: nothing of what this condition reads is there."
            yield checking.problem((*step.place, "require", path), "always-invalid", message, ADVICE, key=True)


def _url(checking: Checking, request: Request, text: Text, place: Place) -> Iterator[Problem]:
    """Find values of a URL that are never there in a call which needs them."""
    for hole in text.holes:
        uses = checking.occurrences.uses[request.name]
        without = [use for use in uses if never_there(checking.mapping, hole.path, use)]
        lacking = [use for use in without if _is_certain(use.step)]
        if not lacking or len(without) == len(uses):
            continue  # not there anywhere: check_paths.py says so
        calls = listed(list(dict.fromkeys(use.call for use in lacking)), "and")
        message = f"{hole.path} is never there where {quoted(request.name)} is used in {calls} calls: "
        message += "they would all be invalid."
        advice = "Give those calls a request of their own."
        yield checking.problem(place, "url-never-filled", message, advice, column=hole.column)


def _saving(checking: Checking, step: Step) -> Iterator[Problem]:
    """Find answers that are to be read though there are several of them, or none of their own."""
    request = checking.mapping.requests.get(step.request)
    if step.save:
        place: Place = (*step.place, "save")
        if step.for_each is not None:
            yield _several(checking, place, "save", "save-in-loop")
        if request is not None and request.batch is not None:
            yield _batched(checking, place, "save", "save-in-batch")
    other = checking.mapping.requests.get(request.if_missing or "") if request is not None else None
    if request is None or other is None:
        return
    place = (*request.place, "if_missing")
    if step.for_each is not None:
        yield _several(checking, place, "if_missing", "if-missing-in-loop")
    if request.batch is not None or other.path is None:
        yield _batched(checking, place, "if_missing", "if-missing-in-batch")


def _several(checking: Checking, place: Place, word: str, code: str) -> Problem:
    message = f"`{word}` needs one answer, and a step with `for_each` has one for every item."
    return checking.problem(place, code, message, "Send the request in a step without for_each.", key=True)


def _batched(checking: Checking, place: Place, word: str, code: str) -> Problem:
    message = f"`{word}` needs an answer of its own, and a request with `batch` has none."
    return checking.problem(place, code, message, "Send it alone: make a request without batch for it.", key=True)
