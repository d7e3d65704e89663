"""Checks of secrets: a secret setting goes into headers only, unless `sent_in` says where else the vendor wants it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import PathError
from engine.language import paths
from engine.mapping.checking import Checking
from engine.mapping.model import Place
from engine.mapping.occurrences import Occurrence
from engine.mapping.problems import Problem

CONDITIONS = frozenset({"when", "unless", "where", "require", "flatten"})


def check_secrets(checking: Checking) -> Iterator[Problem]:
    """Find secret settings in URLs, in bodies and in examples."""
    for found in checking.occurrences.all:
        target = _target(found)
        if target is not None and found.word not in CONDITIONS:
            yield from _leaks(checking, found, target)
    for example in checking.mapping.examples:
        for name, value in example.settings.items():
            setting = checking.mapping.settings.get(name)
            if setting is not None and setting.secret and value != setting.example:
                place = (*example.place, "settings", name)
                message = f'"{name}" is secret; an example may only use the `example` of the setting.'
                yield checking.problem(place, "secret-in-example", message, "Leave it out: it is filled in by itself.")


def _target(found: Occurrence) -> str | None:
    """Where what a path gives is sent: url, body, or None for a header (or nowhere)."""
    place: Place = found.place
    if place[0] == "http":
        return "url" if place[1] == "base_url" else None
    if place[0] in ("requests", "batches"):
        word = place[2] if len(place) > 2 else ""
        return {"path": "url", "query": "url", "method": "url", "item": "body", "fields": "body"}.get(str(word))
    if place[0] == "calls":
        return "body"
    return None


def _leaks(checking: Checking, found: Occurrence, target: str) -> Iterator[Problem]:
    for name in sorted(_secrets(checking, found.path, frozenset())):
        setting = checking.mapping.settings[name]
        if setting.sent_in == target:
            continue
        where = "a URL, where proxies and logs see it" if target == "url" else "a body"
        message = f'The secret setting "{name}" would be sent in {where}.'
        advice = f"Send it in a header; if the vendor wants it there, say sent_in: {target} at the setting."
        yield checking.problem(found.place, f"secret-in-{target}", message, advice, column=found.column, key=found.key)


def _secrets(checking: Checking, path: str, seen: frozenset[str]) -> set[str]:
    try:
        roots = paths.parse(path).roots
    except PathError:
        return set()
    found: set[str] = set()
    for root in roots:
        if root.name == "settings":
            names = root.members[:1] or tuple(checking.mapping.settings)
            found |= {
                name for name in names if name in checking.mapping.settings and checking.mapping.settings[name].secret
            }
        elif root.name == "parts" and root.members and root.members[0] not in seen:
            found |= _of_part(checking, root.members[0], seen | {root.members[0]})
    return found


def _of_part(checking: Checking, name: str, seen: frozenset[str]) -> set[str]:
    from engine.mapping.occurrences import Scope, of_value

    value = checking.mapping.parts.get(name)
    if value is None:
        return set()
    inner = [found for found in of_value(value, Scope("part")) if found.word not in CONDITIONS]
    return {secret for found in inner for secret in _secrets(checking, found.path, seen)}
