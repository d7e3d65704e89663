"""Checks of URLs and methods as they are written: what no setting and no event can put right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.language.template import Text
from engine.mapping.addresses import host_fault
from engine.mapping.checking import Checking, meant, quoted
from engine.mapping.model import Const, Instruction, Place, TextOrValue
from engine.mapping.problems import Problem
from engine.records import Json

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
    """Give the texts a URL part is written with; a value in it stands as `1`, an address at the start as one."""
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
