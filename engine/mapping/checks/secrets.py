"""Checks of secrets: a secret setting goes into headers only, unless `sent_in` says where else the vendor wants it.

A hash of a secret is as good as the secret to whoever takes hashes, so what a function makes of it stays secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language.template import Text
from engine.mapping.checks.context import Checking, quoted
from engine.mapping.model import Const, Instruction, TextOrValue, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence, paths_of, reached_roots
from engine.records import Place

CONDITIONS = frozenset({"when", "unless", "where", "require", "flatten"})
TARGETS = {"path": "url", "query": "url", "method": "url", "item": "body", "fields": "body"}
WHERE = {
    "url": ("secret-in-url", "the URL, where proxies and logs see it"),
    "body": ("secret-in-body", "the body"),
}
CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization"})
USER_IN_URL = re.compile(r"^https?://[^/?#@\s]+@")
FILL_IN = "Make it a setting with secret: true, and write ${settings.name} here."


def check_secrets(checking: Checking) -> Iterator[Problem]:
    """Find secret settings in URLs and bodies, and secrets that stand in the file."""
    for found in checking.occurrences.all:
        target = _target(found)
        if target is not None and found.word not in CONDITIONS:
            yield from _leaks(checking, found, target)
    yield from _in_file(checking)
    for example in checking.mapping.examples:
        for name, value in example.settings.items():
            setting = checking.mapping.settings.get(name)
            if setting is not None and setting.secret and value != setting.example:
                place = (*example.place, "settings", name)
                message = (
                    f"{quoted(name)} is secret; in an example it can only be what the setting gives as its example."
                )
                yield checking.problem(place, "secret-in-example", message, "Take it out: it is filled in by itself.")


def _target(found: Occurrence) -> str | None:
    """Where what a path gives is sent: url, body, or None for a header (or nowhere)."""
    place: Place = found.place
    if place[0] == "http":
        return "url" if place[1] == "base_url" else None
    if place[0] in ("requests", "batches"):
        return TARGETS.get(str(place[2])) if len(place) > 2 else None
    return "body" if place[0] == "calls" and "save" not in place[3:4] else None


def _leaks(checking: Checking, found: Occurrence, target: str) -> Iterator[Problem]:
    for name in sorted(_secrets(checking, found.path)):
        if checking.mapping.settings[name].sent_in == target:
            continue
        code, where = WHERE[target]
        message = f"The secret setting {quoted(name)} would be sent in {where}."
        advice = f"Send it in a header; if the vendor wants it there, give the setting sent_in: {target}."
        yield checking.problem(found.place, code, message, advice, column=found.column, key=found.key)


def _secrets(checking: Checking, path: str) -> set[str]:
    """Return the secret settings that a path sends, directly or through parts."""
    found: set[str] = set()
    settings = checking.mapping.settings
    for root in reached_roots(checking.mapping, path, lambda found: found.word not in CONDITIONS):
        if root.name == "settings":
            names = root.members[:1] or tuple(settings)
            found |= {name for name in names if name in settings and settings[name].secret}
    return found


def _in_file(checking: Checking) -> Iterator[Problem]:
    """Find credentials written into the file itself."""
    http = checking.mapping.http
    named: list[tuple[Place, TextOrValue]] = [(("http", "headers", name), text) for name, text in http.headers]
    for request in checking.mapping.requests.values():
        named += [((*request.place, "headers", name), text) for name, text in request.headers]
    for batch in checking.mapping.batches.values():
        named += [((*batch.place, "headers", name), text) for name, text in batch.headers]
    for place, text in named:
        if str(place[-1]).lower() in CREDENTIAL_HEADERS and _is_literal(text):
            message = "A credential stands in this file, for all to read who read the file."
            yield checking.problem(place, "secret-in-file", message, FILL_IN)
    if http.basic is not None and _is_written_out(checking, *http.basic):
        message = "A password stands in this file, for all to read who read the file."
        yield checking.problem(("http", "basic", 1), "secret-in-file", message, FILL_IN)
    base_url = checking.loaded.resolved.at(("http", "base_url"))
    if isinstance(base_url, str) and USER_IN_URL.match(base_url):
        message = "A URL with a name or password in it shows them to proxies and logs."
        yield checking.problem(("http", "base_url"), "secret-in-url", message, "Use http.basic: [user, password].")


def _is_written_out(checking: Checking, user: Value, password: Value) -> bool:
    """Whether a password is a constant; beside a key for the user's name vendors want any word, which is no secret."""
    if not isinstance(password, Instruction) or not _is_literal(password):
        return False
    return not any(_secrets(checking, path) for path in paths_of(user))


def _is_literal(text: TextOrValue) -> bool:
    """Whether nothing of a text comes from settings; an empty password is none."""
    if isinstance(text, Text):
        return bool(text.literal)
    return isinstance(text.source, Const) and text.source.value not in (None, "")
