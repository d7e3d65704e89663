"""Checks of requests: URLs, methods, headers, batches, and the rules for responses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import PathError
from engine.language import paths
from engine.language.header_names import OF_CLIENT, OF_HTTP
from engine.language.template import Hole, Text
from engine.mapping import types
from engine.mapping.checks.context import CheckContext, better, listed, plain_or_quoted, quoted, suggestion
from engine.mapping.model import Batch, Const, Instruction, Request, TextOrValue
from engine.mapping.problems import Problem
from engine.mapping.response_rules import Response
from engine.mapping.settings import host_fault
from engine.mapping.walk import paths_of, reads
from engine.records import Json, Place

Headers = tuple[tuple[str, TextOrValue], ...]

ADDRESS = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
IN_BATCH = {
    **dict.fromkeys(("path", "method"), "Write it in batches.{batch}, or remove it."),
    **dict.fromkeys(("headers", "headers_from", "signature"), "Write it in batches.{batch}, or remove it."),
    **dict.fromkeys(("query", "query_from"), "Write it in batches.{batch}, or remove it."),
    "encode": "Remove it: a batch is sent as JSON.",
}
"""Keys that a request in a batch cannot have, and what to do."""

EVERY_STATUS = frozenset(range(100, 600))
ACCEPTED = frozenset(range(200, 300))


def check_requests(context: CheckContext) -> Iterator[Problem]:
    """Find URLs and headers that cannot be sent, response rules that never apply, batches that send nothing."""
    mapping = context.mapping
    yield from _urls(context)
    yield from _headers(context, mapping.http.headers, ("http", "headers"))
    if mapping.http.request_id is not None:
        yield from _request_id(context, mapping.http.request_id)
    yield from _responses(context, mapping.responses)
    for request in mapping.requests.values():
        yield from _headers(context, request.headers, (*request.place, "headers"))
        yield from _responses(context, request.responses)
        if request.envelope is not None and request.batch is not None:
            yield _envelope(context, request)
        elif request.envelope is not None:
            yield from _envelope_body(context, request)
        yield from _ignored_in_batch(context, request)
    for batch in mapping.batches.values():
        yield from _headers(context, batch.headers, (*batch.place, "headers"))
        yield from _batch(context, batch)
    check = mapping.requests.get(mapping.check or "")
    if check is not None:
        yield from _check(context, check)


def _envelope(context: CheckContext, request: Request) -> Problem:
    message = "`envelope` and `batch` cannot be combined: what is sent is the body of the batch."
    advice = "Put what is around one item under `item`, and what is around all of them under the batch's `fields`."
    return context.problem((*request.place, "envelope"), "envelope-in-batch", message, advice, key=True)


def _headers(context: CheckContext, headers: Headers, place: Place) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, text in headers:
        yield from _header(context, text, (*place, name))
        yield from _of_client(context, name, (*place, name))
        if name.lower() in seen:
            message = f"{quoted(name)} and {quoted(seen[name.lower()])} are the same header: case does not matter."
            yield context.problem((*place, name), "same-target", message, "Remove one of the two.", key=True)
        seen[name.lower()] = name


def _of_client(context: CheckContext, name: str, place: Place) -> Iterator[Problem]:
    """Find headers that the HTTP client sets itself: another value would contradict what it sends."""
    compressed = name.lower() == "content-encoding" and context.mapping.http.compress is not None
    if compressed or name.lower() in OF_CLIENT:
        message = f"The header {quoted(name)} is set by the HTTP client."
        advice = "Remove it: `http.compress` sets it." if compressed else "Remove it."
        yield context.problem(place, "client-header", message, advice, key=True)


def _request_id(context: CheckContext, name: str) -> Iterator[Problem]:
    """Find headers that collide with the request ID, and an ID that no request would have."""
    mapping, place = context.mapping, ("http", "request_id")
    tables: list[tuple[Place, Headers]] = [(("http",), mapping.http.headers)]
    tables += [(request.place, request.headers) for request in mapping.requests.values()]
    for at, headers in tables:
        for own in (own for own, _ in headers if own.lower() == name.lower()):
            message = f"{quoted(own)} is also the header of `http.request_id`: case does not matter."
            yield context.problem((*at, "headers", own), "same-target", message, "Remove one of the two.", key=True)
    basic = mapping.http.basic is not None and name.lower() == "authorization"
    if basic or name.lower() in OF_HTTP:
        message = f"Requests already have a header {quoted(name)}."
        advice = "Write the header that the vendor documents, e.g. Idempotency-Key."
        yield context.problem(place, "same-target", message, advice)
    sent = {step.request for steps in mapping.calls.values() for step in steps}
    if sent and all(each in mapping.requests and mapping.requests[each].batch is not None for each in sent):
        message = "No request would have this ID: all of them are sent in batches, and batches have none."
        advice = "Remove it, or send a request on its own. In a batch, put messageId into each item."
        yield context.problem(place, "request-id-in-batches", message, advice, key=True)


def _header(context: CheckContext, text: TextOrValue, place: Place) -> Iterator[Problem]:
    """Find literal characters that HTTP does not carry (RFC 9110, section 5.5)."""
    written = context.loaded.resolved.at(place)
    if isinstance(text, Instruction):
        constant = text.source.value if isinstance(text.source, Const) else ""
        place, written = (*place, "const"), constant
    if not isinstance(written, str):
        return
    literal = written if isinstance(text, Instruction) else "".join(p for p in text.pieces if isinstance(p, str))
    bad = next((character for character in literal if not (character.isascii() and character.isprintable())), None)
    if bad is not None:
        message = f"A header cannot contain {quoted(bad)}: only printable ASCII characters are allowed."
        yield context.problem(place, "bad-header", message, column=written.index(bad) + 1)


def _responses(context: CheckContext, rules: tuple[Response, ...]) -> Iterator[Problem]:
    met: set[int] = set()
    for rule in rules:
        codes = _codes(rule)
        if codes <= met:
            message = "This rule never applies: earlier rules match all its responses."
            advice = "The first matching rule wins: move this one up or remove it."
            yield context.problem(rule.place, "unreachable-response", message, advice)
        if rule.when is None and rule.unless is None:
            met |= codes
        if rule.then is None and not rule.error and not rule.hint:
            message = "This rule does nothing: it has no `then`, `error` or `hint`."
            advice = "Add `then` to decide what the response means, or remove the rule."
            yield context.problem(rule.place, "useless-response", message, advice)
        for word in ("hint", "error"):
            if _accepts(rule) and getattr(rule, word):
                message = f"`{word}` is not shown for accepted responses."
                place = (*rule.place, word)
                yield context.problem(place, "useless-hint", message, "Remove it.", key=True, level="warning")


def _accepts(rule: Response) -> bool:
    """Whether all responses that a rule is for are accepted."""
    return rule.then == "accept" or (rule.then is None and _codes(rule) <= ACCEPTED)


def _codes(rule: Response) -> frozenset[int]:
    """Return the status codes a rule is for."""
    if not rule.status:
        return EVERY_STATUS
    codes, classes = set(rule.status), {int(code[0]) for code in rule.status if isinstance(code, str)}
    return frozenset(code for code in EVERY_STATUS if code in codes or code // 100 in classes)


def _batch(context: CheckContext, batch: Batch) -> Iterator[Problem]:
    if not batch.fields:
        return  # the body is the list of items itself
    for found in context.occurrences.all:
        if found.scope.kind != "items" or found.place[:2] != batch.place:
            continue
        try:
            if any(root.name != "settings" for root in paths.parse(found.path).roots):
                return  # items, or a name that paths.py refuses
        except PathError:
            return
    message = "The body of this batch does not use `items`, so none of its items would be sent."
    advice = "Add them, e.g. fields: { events: items }."
    yield context.problem((*batch.place, "fields"), "batch-without-items", message, advice, key=True)


def _envelope_body(context: CheckContext, request: Request) -> Iterator[Problem]:
    """Find an envelope that leaves out what the steps give."""
    for found in context.occurrences.all:
        if found.place[:3] != (*request.place, "envelope"):
            continue
        try:
            if any(root.name == "body" for root in paths.parse(found.path).roots):
                return
        except PathError:
            return  # another check says so
    steps = [step for steps in context.mapping.calls.values() for step in steps if step.request == request.name]
    if any(step.value is not None for step in steps):
        message = "This envelope does not use `body`, so what the steps give would not be sent."
        advice = "Add it, e.g. fields: { data: body }."
        yield context.problem((*request.place, "envelope"), "envelope-without-body", message, advice, key=True)


def _ignored_in_batch(context: CheckContext, request: Request) -> Iterator[Problem]:
    """Find keys about a request's own HTTP request, where it is sent in a batch and never alone."""
    for word in IN_BATCH if request.batch is not None else ():
        place = (*request.place, word)
        if context.loaded.resolved.at(place) is None:
            continue
        message = f"A request with `batch` is sent only in that batch, so its own `{word}` would be ignored."
        advice = IN_BATCH[word].format(batch=plain_or_quoted(str(request.batch)))
        if not context.owns(place) and context.owns((*request.place, "batch")):
            advice = f"It is inherited: remove it with `{word}: null`."
        yield context.problem(place, "ignored-in-batch", message, advice, key=True)


def _check(context: CheckContext, request: Request) -> Iterator[Problem]:
    """Find a `check` that needs an event: it tests the credentials, and there is no event then."""
    advice = "Name a request that needs only settings."
    if request.path is None:
        message = f"{quoted(request.name)} is sent only in batches: it has no path of its own."
        yield context.problem(("check",), "check-needs-event", message, advice)
    for text in (request.path, request.method):
        needed = _of_event(context, text) if text is not None else []
        if needed:
            message = f"`check` is sent without an event, but {quoted(request.name)} needs {listed(needed, 'and')}."
            yield context.problem(("check",), "check-needs-event", message, advice)


def _of_event(context: CheckContext, text: TextOrValue) -> list[str]:
    """Return what a text reads besides settings, through parts too."""
    roots = {root for path in paths_of(text) for root, _ in reads(context.mapping, path)}
    return sorted(roots - {"parts", "settings"})


def _urls(context: CheckContext) -> Iterator[Problem]:
    """Find base URLs that are not an address, paths with a query, and unknown methods."""
    mapping = context.mapping
    yield from _encoded_address(context)
    for place, text in written_texts(mapping.http.base_url, ("http", "base_url")):
        yield from _base_url(context, place, text)
    for kind in (mapping.requests, mapping.batches):
        for request in kind.values():
            for place, text in written_texts(request.path, (*request.place, "path")):
                yield from _no_query(context, place, text, "path")
            yield from _method(context, request.method, (*request.place, "method"))


def _encoded_address(context: CheckContext) -> Iterator[Problem]:
    """Find a base URL that begins with a setting of another type than url: percent-encoded, no address is left."""
    base_url = context.mapping.http.base_url
    if not isinstance(base_url, Text) or not base_url.pieces or not isinstance(base_url.pieces[0], Hole):
        return
    names = types.plain(base_url.pieces[0].path)
    setting = context.mapping.settings.get(names[1]) if len(names) == 2 and names[0] == "settings" else None
    is_scheme = len(base_url.pieces) > 1 and str(base_url.pieces[1]).startswith("://")
    if setting is None or setting.type == "url" or is_scheme:
        return
    message = f"A base URL cannot begin with a setting of type {setting.type}: its value is percent-encoded."
    advice = f"Give the setting {quoted(names[1])} the type url."
    yield context.problem(("http", "base_url"), "bad-base-url", message, advice)


def written_texts(text: TextOrValue | None, place: Place) -> Iterator[tuple[Place, str]]:
    """Return the texts of a URL part, with `https://x` for a value at its beginning and `1` for any other value."""
    if isinstance(text, Text):
        holes = ["1" if number else "https://x" for number in range(len(text.pieces))]
        filled = (piece if isinstance(piece, str) else hole for piece, hole in zip(text.pieces, holes, strict=True))
        yield place, "".join(filled)
    elif isinstance(text, Instruction):
        found: list[tuple[Place, Json]] = []
        if isinstance(text.source, Const):
            found.append(((*place, "const"), text.source.value))
        if isinstance(text.modifiers.map, dict) and not text.modifiers.reverse:
            found += [((*place, "map", key), entry) for key, entry in text.modifiers.map.items()]
        if text.modifiers.default is not None:
            found.append(((*place, "default"), text.modifiers.default[0]))
        yield from ((inner, entry) for inner, entry in found if isinstance(entry, str))


def _base_url(context: CheckContext, place: Place, text: str) -> Iterator[Problem]:
    if not ADDRESS.match(text):
        advice = "Start it with https://." if not SCHEME.match(text) else ""
        if (found := re.match(r"settings\.(\w+)(?=/|$)", text)) is not None:
            context.settings_in_texts.add(found.group(1))
            advice = f"For its value, write ${{{found.group()}}}."
        message = "A base URL starts with http:// or https://, followed by a host."
        yield context.problem(place, "bad-base-url", message, advice)
        return
    if fault := host_fault(text):
        yield context.problem(place, "bad-base-url", f"{fault[0].upper()}{fault[1:]}.")
        return
    yield from _no_query(context, place, text, "base URL")


def _no_query(context: CheckContext, place: Place, text: str, what: str) -> Iterator[Problem]:
    for character, advice in (
        ("#", "Fragments are never sent: remove it."),
        ("?", "Move the part after it to `query`."),
    ):
        if character in text:
            message = f"A {what} cannot contain {quoted(character)}."
            yield context.problem(place, "query-in-url", message, advice)
            return


def _method(context: CheckContext, method: TextOrValue, place: Place) -> Iterator[Problem]:
    if not isinstance(method, Text) or method.literal is None or method.literal in METHODS:
        return
    message = f"Unknown HTTP method {quoted(method.literal)}."
    guess, advice = suggestion(method.literal, METHODS, "methods")
    yield context.problem(place, "unknown-method", message, advice, fix=better(method.literal, guess))
