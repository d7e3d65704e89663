"""Checks of steps, requests, responses and settings: what the schema cannot say about how they go together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping import schema
from engine.mapping.checking import Checking
from engine.mapping.model import Each, Entries, Place, Request, Setting, Step
from engine.mapping.occurrences import request_texts
from engine.mapping.problems import Problem
from engine.mapping.settings import schema_of
from engine.sources.segment import FIELDS

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_steps(checking: Checking) -> Iterator[Problem]:
    """Find steps that cannot do what they say."""
    mapping = checking.mapping
    for steps in mapping.calls.values():
        for step in steps:
            yield from _step(checking, step)
    for call, steps in mapping.calls.items():
        if steps and all(_never(checking, step, user) for step in steps for user in checking.occurrences.users(call)):
            message = f"No step of {call} can ever run: every `when` reads only what these calls do not have."
            yield checking.problem(("calls", call), "never-runs", message, key=True)
    for request in mapping.requests.values():
        yield from _request(checking, request)
    for batch in mapping.batches.values():
        if not any(found.path.startswith("items") for found in checking.occurrences.all if found.scope.kind == "items"):
            message = "No field of this batch holds `items`, so nothing would be sent."
            yield checking.problem(
                batch.place, "batch-without-items", message, "For example fields: { events: items }."
            )
    for name, setting in mapping.settings.items():
        yield from _setting(checking, setting, ("settings", name))


def _step(checking: Checking, step: Step) -> Iterator[Problem]:
    request = checking.mapping.requests.get(step.request)
    written = checking.loaded.resolved.at(step.place)
    source = step.value.source if step.value is not None else None
    if (
        isinstance(written, dict)
        and "where" in written
        and step.for_each is None
        and not isinstance(source, Each | Entries)
    ):
        message = "`where` chooses items, and this step has no `for_each`."
        yield checking.problem((*step.place, "where"), "where-without-loop", message, "Use when.", key=True)
    for place, word in _saving(checking, step, request):
        if step.for_each is not None:
            message = f"`{word}` inside `for_each` has several answers, and only one could be kept."
            yield checking.problem(place, f"{word.replace('_', '-')}-in-loop", message, key=True)
        if request is not None and request.batch is not None:
            message = f"`{word}` needs an answer of its own, and this request travels in a batch."
            yield checking.problem(place, f"{word.replace('_', '-')}-in-batch", message, key=True)


def _saving(checking: Checking, step: Step, request: Request | None) -> Iterator[tuple[Place, str]]:
    if step.save:
        yield (*step.place, "save"), "save"
    if request is not None and request.if_missing in checking.mapping.requests:
        yield (*request.place, "if_missing"), "if_missing"


def _never(checking: Checking, step: Step, call: str) -> bool:
    """Whether a step's `when` reads only fields the call does not have, so that it can never hold."""
    return step.when is not None and _empty(checking, step.when, call, frozenset())


def _empty(checking: Checking, path: str, call: str, seen: frozenset[str]) -> bool:
    try:
        parsed = paths.parse(path)
    except PathError:
        return False
    if not all(_absent(checking, root, call, seen) for root in parsed.roots):
        return False
    try:
        return paths.search(path, {}) in (None, False, "", [], {})
    except paths.PathTypeError:
        return True


def _absent(checking: Checking, root: paths.Root, call: str, seen: frozenset[str]) -> bool:
    if root.name == "parts" and root.members and root.members[0] not in seen:
        part = checking.mapping.parts.get(root.members[0])
        from engine.mapping.model import PathValue

        return isinstance(part, PathValue) and _empty(checking, part.path, call, seen | {root.members[0]})
    return root.name not in FIELDS[call] and any(root.name in fields for fields in FIELDS.values())


def _request(checking: Checking, request: Request) -> Iterator[Problem]:
    for text, place in request_texts(request):
        yield from _header(checking, text, place)
    for name, text in checking.mapping.http.headers if next(iter(checking.mapping.requests)) == request.name else ():
        yield from _header(checking, text, ("http", "headers", name))
    if request.body_schema is not None:
        fault = schema.check_schema(request.body_schema)
        if fault is not None:
            yield checking.problem((*request.place, "body_schema"), "bad-schema", fault)
    for number, rule in enumerate(request.responses):
        if rule.hint and rule.then == "accept":
            place = (*request.place, "responses", number, "hint")
            yield checking.problem(place, "useless-hint", "An accepted answer shows no hint.", level="warning")


def _header(checking: Checking, text: object, place: Place) -> Iterator[Problem]:
    if place[-2] != "headers":
        return
    if not HEADER_NAME.fullmatch(str(place[-1])):
        yield checking.problem(place, "bad-header", f'"{place[-1]}" cannot be the name of a header.', key=True)
    if isinstance(text, Text):
        written = "".join(piece for piece in text.pieces if isinstance(piece, str))
        if not (written.isascii() and written.isprintable()):
            message = "A header cannot hold control characters or characters beyond ASCII."
            yield checking.problem(place, "bad-header", message)


def _setting(checking: Checking, setting: Setting, place: Place) -> Iterator[Problem]:
    if setting.pattern is not None:
        fault = schema.check_schema({"pattern": setting.pattern})
        if fault is not None:
            yield checking.problem((*place, "pattern"), "bad-pattern", fault)
            return
    if setting.secret and setting.default is not None:
        message = "A secret setting cannot have a default: it would stand in the file."
        yield checking.problem((*place, "default"), "secret-default", message, "Use example.", key=True)
    validate = schema.validator(schema_of(setting))
    for word in ("default", "example"):
        value = getattr(setting, word)
        fault = validate(value) if value is not None else None
        if fault is not None:
            message = f"The {word} does not fit the setting: {fault}"
            yield checking.problem((*place, word), "setting-value", message)
