"""A JSON value as a tree that a page can fold, bounded: an event may have 10,000 keys, and a text a megabyte."""

from __future__ import annotations

from typing import NamedTuple

from engine.explaining.outputs import Route
from engine.language.texts import shown, text_of
from engine.mapping.problems import place_text
from engine.records import Json

MOST_NODES = 1500
"""Values of one tree that are shown."""
MOST_MEMBERS = 200
"""Members of one object or list that are shown."""
LONGEST_TEXT = 1000
"""Characters of a text that are shown, and of a key a fifth of them."""
DEEPEST = 30


class FoldedValue(NamedTuple):
    """A value of a tree. `kind` is object, list, text, number, word (true, false, null) or cut.

    `key` is its name or position, '' for the whole; `path` where it stands (`properties.items[0]`). `text` is what is
    shown of a value without members, `size` how many members or characters it has, `hidden` how many are not shown.
    """

    key: str
    path: str
    kind: str
    text: str = ""
    size: int = 0
    hidden: int = 0
    members: tuple[FoldedValue, ...] = ()


def fold(value: Json) -> FoldedValue:
    """Return the tree of a value."""
    return _Folder().fold(value, (), "")


def hides(tree: FoldedValue) -> bool:
    """Whether anything of a value is not shown."""
    return bool(tree.hidden) or any(map(hides, tree.members))


class _Folder:
    def __init__(self) -> None:
        self._left = MOST_NODES

    def fold(self, value: Json, route: Route, key: str) -> FoldedValue:
        self._left -= 1
        path = place_text(route)[:LONGEST_TEXT]
        if isinstance(value, dict | list):
            return self._container(value, route, key, path)
        if isinstance(value, str):
            hidden = max(0, len(value) - LONGEST_TEXT)
            return FoldedValue(key, path, "text", value[:LONGEST_TEXT], len(value), hidden)
        kind = "word" if value is None or isinstance(value, bool) else "number"
        return FoldedValue(key, path, kind, "null" if value is None else text_of(value) or shown(value))

    def _container(self, value: dict[str, Json] | list[Json], route: Route, key: str, path: str) -> FoldedValue:
        kind = "object" if isinstance(value, dict) else "list"
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        if len(route) >= DEEPEST:
            return FoldedValue(key, path, kind, "", len(members), len(members))
        found: list[FoldedValue] = []
        for name, member in members[:MOST_MEMBERS]:
            if self._left <= 0:
                break
            found.append(self.fold(member, (*route, name), _key(name)))
        return FoldedValue(key, path, kind, "", len(members), len(members) - len(found), tuple(found))


def _key(name: str | int) -> str:
    text = str(name)
    longest = LONGEST_TEXT // 5
    return text if len(text) <= longest else f"{text[:longest]}…"
