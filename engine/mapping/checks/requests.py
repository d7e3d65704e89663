"""Checks of requests, their URLs and methods, batches, and the rules about answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import PathError
from engine.language import paths
from engine.language.template import Text
from engine.mapping.checks.context import Checking, listed, meant, quoted
from engine.mapping.model import Batch, Const, Instruction, Request, Response, TextOrValue
from engine.mapping.problems import Problem
from engine.mapping.settings import host_fault
from engine.mapping.walk import paths_of, reached_roots
from engine.records import Json, Place

Headers = tuple[tuple[str, TextOrValue], ...]

EVERY_STATUS = frozenset(range(100, 600))
OF_HTTP = frozenset({"connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"})
"""Headers that say how a request travels."""


def check_requests(checking: Checking) -> Iterator[Problem]:
    """Find headers that cannot be sent, rules that are never asked, batches that send nothing."""
    mapping = checking.mapping
    yield from check_urls(checking)
    yield from _headers(checking, mapping.http.headers, ("http", "headers"))
    if mapping.http.request_id is not None:
        yield from _request_id(checking, mapping.http.request_id)
    yield from _responses(checking, mapping.responses)
    for request in mapping.requests.values():
        yield from _headers(checking, request.headers, (*request.place, "headers"))
        yield from _responses(checking, request.responses)
    for batch in mapping.batches.values():
        yield from _headers(checking, batch.headers, (*batch.place, "headers"))
        yield from _batch(checking, batch)
    check = mapping.requests.get(mapping.check or "")
    if check is not None:
        yield from _check(checking, check)


def _headers(checking: Checking, headers: Headers, place: Place) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, text in headers:
        yield from _header(checking, text, (*place, name))
        if name.lower() in seen:
            message = f"{quoted(name)} and {quoted(seen[name.lower()])} are the same header: capitals do not count."
            yield checking.problem((*place, name), "same-target", message, "Take one of the two out.", key=True)
        seen[name.lower()] = name


def _request_id(checking: Checking, name: str) -> Iterator[Problem]:
    """Find a header that is the request id and something else, and an id that no request would carry."""
    mapping, place = checking.mapping, ("http", "request_id")
    tables: list[tuple[Place, Headers]] = [(("http",), mapping.http.headers)]
    tables += [(request.place, request.headers) for request in mapping.requests.values()]
    for at, headers in tables:
        for own in (own for own, _ in headers if own.lower() == name.lower()):
            message = f"{quoted(own)} is the header of `http.request_id` too: capitals do not count."
            yield checking.problem((*at, "headers", own), "same-target", message, "Take one of the two out.", key=True)
    basic = mapping.http.basic is not None and name.lower() == "authorization"
    if basic or name.lower() in OF_HTTP:
        message = f"{quoted(name)} is a header that requests have already."
        advice = "Write the one that the vendor names, for example Idempotency-Key."
        yield checking.problem(place, "same-target", message, advice)
    sent = {step.request for steps in mapping.calls.values() for step in steps}
    if sent and all(each in mapping.requests and mapping.requests[each].batch is not None for each in sent):
        message = "No request would carry this id: all of them travel in batches, and a batch has none."
        advice = "Take it out, or send a request alone. In a batch, messageId can be part of each item."
        yield checking.problem(place, "request-id-in-batches", message, advice, key=True)


def _header(checking: Checking, text: TextOrValue, place: Place) -> Iterator[Problem]:
    """Find literal characters that HTTP does not carry (RFC 9110, section 5.5)."""
    written = checking.loaded.resolved.at(place)
    if isinstance(text, Instruction):
        constant = text.source.value if isinstance(text.source, Const) else ""
        place, written = (*place, "const"), constant
    if not isinstance(written, str):
        return
    literal = written if isinstance(text, Instruction) else "".join(p for p in text.pieces if isinstance(p, str))
    bad = next((character for character in literal if not (character.isascii() and character.isprintable())), None)
    if bad is not None:
        message = f"A header cannot hold {quoted(bad)}: only printable ASCII characters travel safely."
        yield checking.problem(place, "bad-header", message, column=written.index(bad) + 1)


def _responses(checking: Checking, rules: tuple[Response, ...]) -> Iterator[Problem]:
    met: set[int] = set()
    for rule in rules:
        codes = _codes(rule)
        if codes <= met:
            message = "This rule is never asked: rules before it match all its answers."
            yield checking.problem(rule.place, "unreachable-response", message, "The first rule that matches wins.")
        if rule.when is None and rule.unless is None:
            met |= codes
        for word in ("hint", "error"):
            if rule.then == "accept" and getattr(rule, word):
                message = f"An accepted answer shows no {word}."
                place = (*rule.place, word)
                yield checking.problem(place, "useless-hint", message, "Take it out.", key=True, level="warning")


def _codes(rule: Response) -> frozenset[int]:
    """Return the status codes a rule is for."""
    if not rule.status:
        return EVERY_STATUS
    classes = [int(code[0]) for code in rule.status if isinstance(code, str)]
    return frozenset(code for code in EVERY_STATUS if code in rule.status or code // 100 in classes)


def _batch(checking: Checking, batch: Batch) -> Iterator[Problem]:
    if not batch.fields:
        return  # the body is the list of items itself
    for found in checking.occurrences.all:
        if found.scope.kind != "items" or found.place[:2] != batch.place:
            continue
        try:
            if any(root.name != "settings" for root in paths.parse(found.path).roots):
                return  # items, or a name that check_paths.py refuses
        except PathError:
            return
    message = "Nothing in the body of this batch takes `items`, so what travels in it would not be sent."
    advice = "For example fields: { events: items }."
    yield checking.problem((*batch.place, "fields"), "batch-without-items", message, advice, key=True)


def _check(checking: Checking, request: Request) -> Iterator[Problem]:
    """Find a `check` that needs an event: it proves the credentials, and nothing has happened then."""
    advice = "Name a request that needs settings only."
    if request.path is None:
        message = f"{quoted(request.name)} only travels in a batch: it has no path of its own."
        yield checking.problem(("check",), "check-needs-event", message, advice)
    for text in (request.path, request.method):
        needed = _of_event(checking, text) if text is not None else []
        if needed:
            message = f"`check` is sent without an event, and {quoted(request.name)} needs {listed(needed, 'and')}."
            yield checking.problem(("check",), "check-needs-event", message, advice)


def _of_event(checking: Checking, text: TextOrValue) -> list[str]:
    """Return what a text reads besides settings, through parts too."""
    roots = (root for path in paths_of(text) for root in reached_roots(checking.mapping, path))
    return sorted({root.name for root in roots} - {"parts", "settings"})


ADDRESS = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def check_urls(checking: Checking) -> Iterator[Problem]:
    """Find base URLs that are no address, paths that begin a query, and methods that HTTP does not have."""
    mapping = checking.mapping
    for place, text in _written(mapping.http.base_url, ("http", "base_url")):
        yield from _base_url(checking, place, text)
    for kind in (mapping.requests, mapping.batches):
        for request in kind.values():
            for place, text in _written(request.path, (*request.place, "path")):
                yield from _no_query(checking, place, text, "path")
            yield from _method(checking, request.method, (*request.place, "method"))


def _written(text: TextOrValue | None, place: Place) -> Iterator[tuple[Place, str]]:
    """Return the texts a URL part is written with; a value in it stands as `1`, an address at the start as one."""
    if isinstance(text, Text):
        holes = ["1" if number else "https://x" for number in range(len(text.pieces))]
        yield (
            place,
            "".join(piece if isinstance(piece, str) else hole for piece, hole in zip(text.pieces, holes, strict=True)),
        )
    elif isinstance(text, Instruction):
        found: list[tuple[Place, Json]] = []
        if isinstance(text.source, Const):
            found.append(((*place, "const"), text.source.value))
        if isinstance(text.modifiers.map, dict):
            found += [((*place, "map", key), entry) for key, entry in text.modifiers.map.items()]
        if text.modifiers.default is not None:
            found.append(((*place, "default"), text.modifiers.default[0]))
        yield from ((inner, entry) for inner, entry in found if isinstance(entry, str))


def _base_url(checking: Checking, place: Place, text: str) -> Iterator[Problem]:
    if not ADDRESS.match(text):
        advice = "Begin it with https://." if not SCHEME.match(text) else ""
        message = "A base URL is an address with http:// or https:// and a host."
        yield checking.problem(place, "bad-base-url", message, advice)
        return
    if fault := host_fault(text):
        yield checking.problem(place, "bad-base-url", f"{fault[0].upper()}{fault[1:]}.")
        return
    yield from _no_query(checking, place, text, "base URL")


def _no_query(checking: Checking, place: Place, text: str, what: str) -> Iterator[Problem]:
    for character, advice in (
        ("#", "A fragment is never sent: take it out."),
        ("?", "Write what follows it under `query`."),
    ):
        if character in text:
            message = f"A {what} holds no {quoted(character)}."
            yield checking.problem(place, "query-in-url", message, advice)
            return


def _method(checking: Checking, method: TextOrValue, place: Place) -> Iterator[Problem]:
    if not isinstance(method, Text) or method.literal is None or method.literal in METHODS:
        return
    message = f"HTTP has no method {quoted(method.literal)}."
    _, advice = meant(method.literal, METHODS, "methods")
    yield checking.problem(place, "unknown-method", message, advice)
