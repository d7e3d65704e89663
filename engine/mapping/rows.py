"""What a path reads of a setting's rows, before any event: rows, one row, or a field, and names that no row has.

A path may filter rows, take one of them, or go into rows inside rows; a loop makes each row its `item`.  Whatever is
not understood here is unknown, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from engine.errors import PathError
from engine.language import paths
from engine.language.paths.syntax import Node
from engine.mapping.model import Mapping, PathValue, Value
from engine.mapping.setting import Setting


class Rows(NamedTuple):
    """A list of rows of a setting, or of a field with rows."""

    setting: Setting


class Row(NamedTuple):
    """One row."""

    setting: Setting


class Field(NamedTuple):
    """The value of a field; `many`: a list of the values of several rows."""

    setting: Setting
    many: bool


class WholeSettings(NamedTuple):
    """The settings as a whole."""


Shape: TypeAlias = Rows | Row | Field | WholeSettings | None


class UnknownField(NamedTuple):
    """A name that the rows of a setting do not have."""

    name: str
    setting: Setting


def shape_of(mapping: Mapping, path: str, item: Shape = None) -> Shape:
    """Return what a path reads; `item` is what `item` is."""
    return _Reading(mapping, item).of(path)


def unknown_fields(mapping: Mapping, path: str, item: Shape = None) -> Iterator[UnknownField]:
    """Return the fields that a path reads of rows that do not have them, in order."""
    reading = _Reading(mapping, item)
    reading.of(path)
    yield from {(found.name, found.setting.name): found for found in reading.unknown}.values()


def item_of(mapping: Mapping, loops: Sequence[Value | None]) -> Shape:
    """Return what `item` is inside loops over values, the innermost last; None for one over an object."""
    shape: Shape = None
    for over in loops:
        found = shape_of(mapping, over.path, shape) if isinstance(over, PathValue) else None
        shape = Row(found.setting) if isinstance(found, Rows | Row) else None
    return shape


class _Reading:
    """One path while it is followed."""

    def __init__(self, mapping: Mapping, item: Shape) -> None:
        self.unknown: list[UnknownField] = []
        self._mapping = mapping
        self._item = item

    def of(self, path: str) -> Shape:
        try:
            tree = paths.parse(path).tree
        except PathError:
            return None
        return self._node(tree, None, at_root=True)

    def _node(self, node: Node, current: Shape, *, at_root: bool = False) -> Shape:
        kind = node["type"]
        if kind == "field":
            return self._root(node["value"]) if at_root else self._field(node["value"], current)
        if kind in ("subexpression", "pipe", "index_expression"):
            return self._in_turn(node["children"], current, at_root)
        if kind == "index":
            return _one(current)
        if kind in ("current", "identity", "slice"):
            return current
        if kind in ("projection", "filter_projection", "value_projection", "flatten"):
            return self._projection(node, current, at_root)
        return self._others(node, current, at_root)

    def _in_turn(self, children: Sequence[Node], current: Shape, at_root: bool) -> Shape:
        for number, child in enumerate(children):
            current = self._node(child, current, at_root=at_root and number == 0)
        return current

    def _projection(self, node: Node, current: Shape, at_root: bool) -> Shape:
        left = self._node(node["children"][0], current, at_root=at_root)
        if node["type"] == "flatten":
            return left
        each = _one(left)
        for condition in node["children"][2:]:
            self._node(condition, each)
        found = self._node(node["children"][1], each)
        if isinstance(found, Row | Rows):
            return Rows(found.setting)
        return found._replace(many=True) if isinstance(found, Field) else None

    def _others(self, node: Node, current: Shape, at_root: bool) -> Shape:
        """Go through the children of anything else; only those of a function's `&` see an entry of its list."""
        shapes = [
            self._node(child, current, at_root=at_root) for child in node["children"] if child["type"] != "expref"
        ]
        lists = [shape for shape in shapes if isinstance(shape, Rows)]
        for child in node["children"]:
            if child["type"] == "expref" and lists:
                self._node(child["children"][0], _one(lists[0]))
        if node["type"] == "function_expression":
            return lists[0] if node["value"] in ("sort_by", "reverse") and lists else None
        return shapes[0] if node["type"] == "or_expression" and shapes[0] == shapes[1] else None

    def _root(self, name: str) -> Shape:
        if name == "settings":
            return WholeSettings()
        return self._item if name == "item" else None

    def _field(self, name: str, current: Shape) -> Shape:
        if isinstance(current, WholeSettings):
            setting = self._mapping.settings.get(name)
            if setting is None:
                return None
            return Rows(setting) if setting.type == "rows" else Field(setting, many=False)
        if not isinstance(current, Row):
            return None
        field: Setting | None = current.setting.fields.get(name)
        if field is None:
            self.unknown.append(UnknownField(name, current.setting))
            return None
        return Rows(field) if field.type == "rows" else Field(field, many=False)


def _one(shape: Shape) -> Shape:
    if isinstance(shape, Rows):
        return Row(shape.setting)
    return shape._replace(many=False) if isinstance(shape, Field) and shape.many else None
