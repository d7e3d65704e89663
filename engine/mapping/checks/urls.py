"""Checks of addresses and bodies as other tools write them: `/users/{id}`, a host in a path, the header of a form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language import paths
from engine.language.template import Text
from engine.language.texts import visible
from engine.mapping import types
from engine.mapping.checks.context import CheckContext, quoted
from engine.mapping.checks.paths import name_problem
from engine.mapping.checks.values import ROOTS
from engine.mapping.model import Batch, Const, Request, TextOrValue
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence
from engine.records import Place

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
BRACES = re.compile(r"\{{1,2}([^{}/]*)\}{1,2}")
SEGMENT = re.compile(r"(?:(?<=/)|^)[:$](\w+(?:\.\w+)*)(?=$|[/?])")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def check_urls(context: CheckContext) -> Iterator[Problem]:
    """Find placeholders of other tools in paths, addresses in paths, and forms whose body is not one."""
    mapping = context.mapping
    nouns: list[Request | Batch] = [*mapping.requests.values(), *mapping.batches.values()]
    for request in nouns:
        text, place = request.path, (*request.place, "path")
        if isinstance(text, Text):
            yield from _address(context, text, place)
            yield from _placeholders(context, text, place)
    yield from _forms(context)


def _address(context: CheckContext, text: Text, place: Place) -> Iterator[Problem]:
    first = text.pieces[0] if text.pieces else ""
    if isinstance(first, str) and ADDRESS.match(first):
        message = "This path begins with an address, but it is added to the one in `base_url`."
        yield context.problem(place, "address-in-path", message, "Write what follows the host, e.g. /v1/events.")


def _placeholders(context: CheckContext, text: Text, place: Place) -> Iterator[Problem]:
    """Find `{id}`, `{{id}}`, and `:id` or `$id` as a whole segment where id is a name of the scope."""
    written = str(context.loaded.resolved.at(place))
    whole = "".join(piece if isinstance(piece, str) else "\0" * (len(piece.path) + 3) for piece in text.pieces)
    if len(whole) != len(written):  # `$${` is written with one more character than it has
        return
    for match in BRACES.finditer(whole):
        path = match.group(1).strip()
        known = _is_known(context, path, place)
        advice = (
            f"Write ${{{path}}}."
            if known
            else "Write ${...} with a path, e.g. ${userId}; for braces themselves, { const: ... }."
        )
        yield _placeholder(context, match, place, advice)
    for match in SEGMENT.finditer(whole):
        if _is_known(context, match.group(1), place):
            yield _placeholder(context, match, place, f"Write ${{{match.group(1)}}}.")


def _placeholder(context: CheckContext, match: re.Match[str], place: Place, advice: str) -> Problem:
    message = f"{visible(match.group())} is not filled in: values stand in ${{...}}."
    return context.problem(place, "path-placeholder", message, advice, column=match.start() + 1)


def _is_known(context: CheckContext, path: str, place: Place) -> bool:
    """Whether a text is a path of the scope."""
    chain = types.plain(path) if re.match(r"\w*", path).group() in ROOTS else ()  # type: ignore[union-attr]
    if not chain:
        return False
    found = Occurrence(place, path, 1, False, "${}", context.occurrences.scope_at(place))
    return name_problem(context, found, paths.Root(chain[0], chain[1:], 1)) is None


def _forms(context: CheckContext) -> Iterator[Problem]:
    """Find bodies that are announced as a form and sent as JSON."""
    mapping = context.mapping
    for request in mapping.requests.values():
        for name, text in request.headers:
            if _is_form(name, text) and (request.encode != "form" or "multipart" in _written(text)):
                yield _form(context, request, _written(text), (*request.place, "headers", name))
    for batch in mapping.batches.values():
        for name, text in batch.headers:
            if _is_form(name, text):
                message = "A batch is sent as JSON, not as a form."
                place = (*batch.place, "headers", name)
                yield context.problem(place, "form-content-type", message, "Remove this header.")
    for name, text in mapping.http.headers:
        other = next(_inheriting(context), None) if _is_form(name, text) else None
        if other is not None:
            yield _form(context, other, _written(text), ("http", "headers", name))


def _inheriting(context: CheckContext) -> Iterator[Request]:
    """Return the requests whose body is not sent as a form and that have no Content-Type of their own."""
    steps = (step for steps in context.mapping.calls.values() for step in steps)
    with_body = {step.request for step in steps if step.value is not None}
    for request in context.mapping.requests.values():
        own = any(name.lower() == "content-type" for name, _ in request.headers)
        if request.encode != "form" and not own and request.name in with_body:
            yield request


def _form(context: CheckContext, request: Request, written: str, place: Place) -> Problem:
    message = f"The body of {quoted(request.name)} is sent as {request.encode.upper()}, not as a form."
    advice = "Write `encode: form` in the request; the header is then set by itself."
    if "multipart" in written:
        message, advice = "Bodies are never sent as multipart/form-data.", "Remove this header, or use `encode: form`."
    return context.problem(place, "form-content-type", message, advice)


def _is_form(name: str, text: TextOrValue) -> bool:
    return name.lower() == "content-type" and any(form in _written(text) for form in FORMS)


def _written(text: TextOrValue) -> str:
    if isinstance(text, Text):
        return (text.literal or "").lower()
    return text.source.value.lower() if isinstance(text.source, Const) and isinstance(text.source.value, str) else ""
