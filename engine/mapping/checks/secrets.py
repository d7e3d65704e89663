"""Checks of secrets: a secret setting is sent only in headers, unless its `sent_in` allows another place.

The result of a function on a secret counts as secret too: a vendor that accepts a hash of a key accepts it from anyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language.template import Text
from engine.mapping.checks.context import CheckContext, quoted
from engine.mapping.model import Const, Instruction, TextOrValue, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence, paths_of, reads
from engine.records import Place

CONDITIONS = frozenset({"when", "unless", "where", "require", "flatten"})
TARGETS = {
    **dict.fromkeys(("path", "query", "query_from", "method"), "url"),
    **dict.fromkeys(("envelope", "item", "fields", "group_by"), "body"),
}
WHERE = {
    "url": ("secret-in-url", "the URL, where proxies and logs can see it"),
    "body": ("secret-in-body", "the body"),
}
CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization"})
USER_IN_URL = re.compile(r"^https?://[^/?#@\s]+@")
SETTING = re.compile(r"settings\.\w+")
"""Text that is a path, which is another problem: a credential does not look like this."""
USE_SETTING = "Make it a setting with secret: true, and write ${settings.name} here."


def check_secrets(context: CheckContext) -> Iterator[Problem]:
    """Find secret settings in URLs and bodies, and secrets written in the file."""
    for found in context.occurrences.all:
        target = _target(found)
        if target is not None and found.word not in CONDITIONS:
            yield from _leaks(context, found, target)
    yield from _in_file(context)
    for example in context.mapping.examples:
        for name, value in example.settings.items():
            setting = context.mapping.settings.get(name)
            if setting is not None and setting.secret and value != setting.example:
                place = (*example.place, "settings", name)
                message = f"This file contains a value of the secret setting {quoted(name)}."
                advice = "Remove it: examples use the `example` of the setting."
                yield context.problem(place, "secret-in-example", message, advice)


def _target(found: Occurrence) -> str | None:
    """Return where the value of a path is sent: url, body, or None for a header or nowhere."""
    place: Place = found.place
    if place[0] == "http":
        of_tokens = place[1:3] == ("oauth2", "token_url")
        return "url" if place[1] in ("base_url", "query_from") or of_tokens else None
    if place[0] in ("requests", "batches"):
        return TARGETS.get(str(place[2])) if len(place) > 2 else None
    return "body" if place[0] == "calls" and "save" not in place[3:4] else None


def _leaks(context: CheckContext, found: Occurrence, target: str) -> Iterator[Problem]:
    for name in sorted(_secrets(context, found.path)):
        if context.mapping.settings[name].sent_in == target:
            continue
        code, where = WHERE[target]
        message = f"The secret setting {quoted(name)} would be sent in {where}."
        advice = f"Send it in a header. If the vendor requires it there, add `sent_in: {target}` to the setting."
        yield context.problem_in(found, 1, code, message, advice)


def _secrets(context: CheckContext, path: str) -> set[str]:
    """Return the secret settings that a path sends, directly or through parts."""
    found: set[str] = set()
    settings = context.mapping.settings
    for root, member in reads(context.mapping, path, CONDITIONS):
        if root == "settings":
            names = (member,) if member else tuple(settings)
            found |= {name for name in names if name in settings and settings[name].secret}
    return found


def _in_file(context: CheckContext) -> Iterator[Problem]:
    """Find credentials written into the file itself."""
    http = context.mapping.http
    for place, text in _headers(context):
        if str(place[-1]).lower() in CREDENTIAL_HEADERS and _is_literal(text):
            yield context.problem(place, "secret-in-file", "This file contains a credential.", USE_SETTING)
    if http.basic is not None and _is_constant_password(context, *http.basic):
        yield context.problem(("http", "basic", 1), "secret-in-file", "This file contains a password.", USE_SETTING)
    base_url = context.loaded.resolved.at(("http", "base_url"))
    if isinstance(base_url, str) and USER_IN_URL.match(base_url):
        message = "This URL contains a user name or password, which proxies and logs can see."
        yield context.problem(("http", "base_url"), "secret-in-url", message, "Use http.basic: [user, password].")


def _headers(context: CheckContext) -> Iterator[tuple[Place, TextOrValue]]:
    mapping = context.mapping
    tables: list[tuple[Place, tuple[tuple[str, TextOrValue], ...]]] = [(("http",), mapping.http.headers)]
    tables += [(request.place, request.headers) for request in mapping.requests.values()]
    tables += [(batch.place, batch.headers) for batch in mapping.batches.values()]
    for place, headers in tables:
        yield from (((*place, "headers", name), text) for name, text in headers)


def _is_constant_password(context: CheckContext, user: Value, password: Value) -> bool:
    """Whether a password is a constant, unless the user name is a secret: then vendors accept any password."""
    if not isinstance(password, Instruction) or not _is_literal(password):
        return False
    return not any(_secrets(context, path) for path in paths_of(user))


def _is_literal(text: TextOrValue) -> bool:
    """Whether a text is a constant; an empty password does not count."""
    if isinstance(text, Text):
        return bool(text.literal) and not SETTING.fullmatch(str(text.literal).strip())
    return isinstance(text.source, Const) and text.source.value not in (None, "")
