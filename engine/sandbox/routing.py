"""Which function answers a path: patterns such as `/users/{id}/`, held as a tree of segments.

Not Starlette's router: it matches on the decoded path, where an id that holds a slash falls apart, and it
knows nothing of a vendor's own words for "no such page" and "not with this method".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from engine.sandbox.exchange import Answer

Handler = Callable[..., Answer]
Route = tuple[str, str, Handler]

_ANY = "{}"


class Found(NamedTuple):
    """The methods a path knows, and the values of its `{}` segments."""

    methods: dict[str, Handler]
    parameters: tuple[str, ...]


class Routes:
    """A table of (method, pattern, handler); a literal segment wins over a `{}`."""

    def __init__(self, table: Iterable[Route]) -> None:
        self._root: dict[str | None, Any] = {}
        for method, pattern, handler in table:
            node: dict[str | None, Any] = self._root
            for segment in pattern.lstrip("/").split("/"):
                node = node.setdefault(_ANY if segment.startswith("{") else segment, {})
            node.setdefault(None, {})[method] = handler

    def find(self, segments: tuple[str, ...]) -> Found | None:
        """Give what lives at this path, or None."""
        return _find(self._root, segments, ())


def _find(node: dict[Any, Any], segments: tuple[str, ...], parameters: tuple[str, ...]) -> Found | None:
    if not segments:
        methods = node.get(None)
        return Found(methods, parameters) if methods else None
    first, rest = segments[0], segments[1:]
    found = _find(node[first], rest, parameters) if first in node else None
    if found is None and first and _ANY in node:
        return _find(node[_ANY], rest, (*parameters, first))
    return found
