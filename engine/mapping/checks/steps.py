"""Checks of steps: those that can never run, URLs that always lack a value, responses that cannot be saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping.checks.context import CheckContext, listed, quoted
from engine.mapping.checks.facts import absent, never_exists, never_holds
from engine.mapping.model import Request, Step
from engine.mapping.problems import Problem
from engine.mapping.walk import Use, paths_of
from engine.records import Place

ADVICE = "Use values that these calls have, or remove it."


def check_steps(context: CheckContext) -> Iterator[Problem]:
    """Find steps, and URLs of their requests, that can never work as written."""
    for step, uses in context.occurrences.steps():
        yield from _never_runs(context, step, uses)
        yield from _require(context, step, uses)
        yield from _saving(context, step)
    for request in context.mapping.requests.values():
        for text, word in ((request.path, "path"), (request.method, "method")):
            if isinstance(text, Text):
                yield from _url(context, request, text, (*request.place, word))


def _never_runs(context: CheckContext, step: Step, uses: tuple[Use, ...]) -> Iterator[Problem]:
    mapping, calls = context.mapping, listed([use.call for use in uses], "and")
    when, of = step.when, step.for_each
    if when is not None and _only_parts([when]) and all(never_holds(mapping, when, use) for use in uses):
        message = f"This step never runs: {calls} calls have none of the values that its `when` reads."
        yield context.problem((*step.place, "when"), "never-runs", message, ADVICE)
    elif of is not None and _only_parts(paths_of(of)) and all(absent(mapping, of, use) for use in uses):
        message = f"This step never sends anything: {calls} calls never have the list of its `for_each`."
        yield context.problem((*step.place, "for_each"), "never-runs", message, ADVICE)


def _only_parts(texts: Iterable[str]) -> bool:
    """Whether paths read only parts; paths.py reports fields that do not exist."""
    try:
        return all(root.name == "parts" for text in texts for root in paths.parse(text).roots)
    except PathError:
        return False


def _is_certain(step: Step) -> bool:
    """Whether a step runs for every event."""
    return step.when is None and step.unless is None and step.for_each is None


def _require(context: CheckContext, step: Step, uses: tuple[Use, ...]) -> Iterator[Problem]:
    for path, _ in step.require:
        calls = [use.call for use in uses if never_holds(context.mapping, path, use)]
        if calls and _is_certain(step) and (len(calls) < len(uses) or _only_parts([path])):
            message = (
                f"Every {listed(calls)} call would be invalid: it has none of the values that this condition reads."
            )
            yield context.problem((*step.place, "require", path), "always-invalid", message, ADVICE, key=True)


def _url(context: CheckContext, request: Request, text: Text, place: Place) -> Iterator[Problem]:
    """Find values of a URL that never exist in a call that needs them."""
    for hole in text.holes:
        uses = context.occurrences.uses[request.name]
        without = [use for use in uses if never_exists(context.mapping, hole.path, use)]
        lacking = [use for use in without if _is_certain(use.step)]
        if not lacking or len(without) == len(uses):
            continue  # no call has it: paths.py reports that
        calls = listed(list(dict.fromkeys(use.call for use in lacking)), "and")
        message = (
            f"{calls} calls that send {quoted(request.name)} never have {hole.path}: all of them would be invalid."
        )
        message = f"{message[0].upper()}{message[1:]}"
        advice = "Use another request for those calls."
        yield context.problem(place, "url-never-filled", message, advice, column=hole.column)


def _saving(context: CheckContext, step: Step) -> Iterator[Problem]:
    """Find responses that are read although a step gets several of them, or none of its own."""
    request = context.mapping.requests.get(step.request)
    if step.save:
        place: Place = (*step.place, "save")
        if step.for_each is not None:
            yield _several(context, place, "save", "save-in-loop")
        if request is not None and request.batch is not None:
            yield _batched(context, place, "save", "save-in-batch")
    other = context.mapping.requests.get(request.if_missing or "") if request is not None else None
    if request is None or other is None:
        return
    place = (*request.place, "if_missing")
    if step.for_each is not None:
        yield _several(context, place, "if_missing", "if-missing-in-loop")
    if request.batch is not None or other.path is None:
        yield _batched(context, place, "if_missing", "if-missing-in-batch")


def _several(context: CheckContext, place: Place, word: str, code: str) -> Problem:
    message = f"`{word}` needs a single response, but a step with `for_each` gets one per item."
    return context.problem(place, code, message, "Send the request in a step without `for_each`.", key=True)


def _batched(context: CheckContext, place: Place, word: str, code: str) -> Problem:
    message = f"`{word}` needs a response of its own, but a request with `batch` gets none."
    return context.problem(place, code, message, "Use a request without `batch`.", key=True)
