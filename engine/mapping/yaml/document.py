"""A YAML file as plain JSON, with the lines and columns of its values, and its problems.

The places are kept beside the value, in their own tree, and not inside it (no `str` with a line): the schema, the model
and the commands work on the value, and should see only JSON.
"""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from engine.mapping.problems import Mark, Problem
from engine.noun import Noun
from engine.records import Json, Place


class Spot(Protocol):
    """A place in a text, counted from 0, as in PyYAML's marks."""

    @property
    def line(self) -> int:
        """The line, from 0."""

    @property
    def column(self) -> int:
        """The column, from 0."""


class Point(NamedTuple):
    """A place in a text, counted from 0, made by us."""

    line: int
    column: int


START = Point(0, 0)


class YamlNode:
    """The places of one value, of its key, and of the values inside it."""

    __slots__ = ("inside", "key", "value")

    def __init__(self, key: Spot, value: Spot) -> None:
        self.key = key
        self.value = value
        self.inside: dict[str | int, YamlNode] = {}


class Document(Noun, kw_only=False):
    """A file's value, its places, and its problems.

    `readable` is False if the text is not YAML: `value` then has what precedes the error. `faulty` has the places whose
    value was refused and is null in `value`, so that they are reported only once.
    """

    file: str
    value: Json = None
    problems: tuple[Problem, ...] = ()
    readable: bool = True
    faulty: frozenset[Place] = frozenset()
    text: str = field(default="", repr=False)
    root: YamlNode = field(default_factory=lambda: YamlNode(START, START), repr=False)

    def mark(self, path: Place = ()) -> Mark:
        """Return the place of the value at `path`, or of the nearest value around it that is in the file."""
        return self._mark(self._nearest(path).value)

    def key_mark(self, path: Place) -> Mark:
        """Return the place of the key at `path`; for an entry of a list, the place of the entry."""
        return self._mark(self._nearest(path).key)

    def mark_inside(self, path: Place, text: str, column: int) -> Mark:
        """Return the place of character `column` (from 1) of `text`, the value at `path`.

        For a text that is not written literally (escapes, several lines), it is the place where the text begins.
        """
        return self._inside(self._nearest(path).value, text, column)

    def key_mark_inside(self, path: Place, column: int) -> Mark:
        """Return the place of character `column` (from 1) of the key at `path`, like `mark_inside`."""
        return self._inside(self._nearest(path).key, str(path[-1]), column)

    def holds(self, path: Place) -> bool:
        """Whether this file has a value at `path`."""
        node: YamlNode | None = self.root
        for key in path:
            node = node.inside.get(key) if node else None
        return node is not None

    def _nearest(self, path: Place) -> YamlNode:
        node = self.root
        for key in path:
            if key not in node.inside:
                break
            node = node.inside[key]
        return node

    def _mark(self, spot: Spot, further: int = 0) -> Mark:
        return Mark(self.file, spot.line + 1, spot.column + further + 1)

    def _inside(self, spot: Spot, text: str, column: int) -> Mark:
        line = _lines(self.text)[spot.line] if self.text else ""
        opening = 1 if line[spot.column : spot.column + 1] in ("'", '"') else 0
        literal = line.startswith(text, spot.column + opening)
        return self._mark(spot, opening + column - 1 if literal else 0)


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    return text.splitlines()


class OpenNode:
    """A list or a mapping that is being read; `key` is the key whose value comes next, which may be `kept` or not.

    `start` and `key_event` are PyYAML's events; only their marks and `flow_style` are used.
    """

    __slots__ = ("is_key", "is_list", "kept", "key", "key_event", "node", "start", "value")

    def __init__(self, start: Any, *, is_list: bool, is_key: bool) -> None:
        self.start = start
        self.is_list = is_list
        self.is_key = is_key
        self.value: Any = [] if is_list else {}
        self.node = YamlNode(start.start_mark, start.start_mark)
        self.key: str | None = None
        self.key_event: Any = None
        self.kept = True

    @property
    def wants_key(self) -> bool:
        """Whether the next event is a key."""
        return self.key_event is None and not self.is_list

    def place(self) -> Place:
        """Return the current place within this level."""
        if self.is_list:
            return (len(self.value),)
        return () if self.key is None else (self.key,)

    def expect_value(self, event: Any, key: str | None, *, kept: bool) -> None:
        """Remember a key until its value arrives."""
        self.key_event, self.key, self.kept = event, key, kept

    def keep(self, value: Json, node: YamlNode) -> None:
        """Store a finished value; the value of a refused key is dropped."""
        if self.is_list:
            self.node.inside[len(self.value)] = node
            self.value.append(value)
            return
        if self.kept and self.key is not None:
            node.key = self.key_event.start_mark
            self.node.inside[self.key] = node
            self.value[self.key] = value
        self.key_event = self.key = None
