"""Values from paths: a response in which a path of a mapping finds something, or in which a condition holds.

    write("body.user.id", 7, {})          {"body": {"user": {"id": 7}}}
    hold("item.status == 'ok'", {})       {"item": {"status": "ok"}}

JMESPath the other way round, for the paths that people write about responses: names, positions, lists of them,
comparisons with a literal, `!`, `&&`, `||` and a few functions. `CannotInvent` names what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from engine.language.paths import PathTypeError, evaluate, holds, parse
from engine.language.paths.syntax import Node
from engine.records import Json, JsonObject

MOST_POSITIONS = 100
"""The longest list that is made so that a position in it exists."""
CHAINS = frozenset({"subexpression", "index_expression", "pipe"})
OPPOSITES = {"eq": "ne", "ne": "eq", "lt": "gte", "gte": "lt", "gt": "lte", "lte": "gt"}
MIRRORED = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte"}
BESIDE = {"lt": -1, "lte": 0, "gt": 1, "gte": 0}
TEXT_TESTS = frozenset({"contains", "starts_with", "ends_with"})
TRANSPARENT = frozenset({"not_null", "to_string", "to_array", "to_number"})
"""Functions that find something where their first argument does."""


class CannotInvent(ValueError):  # noqa: N818  reads as what happens
    """A path that nothing is invented for; the text names it."""


def write(path: str, value: Json, scope: JsonObject) -> JsonObject:
    """Return a copy of a scope in which a path gives `value`; raises CannotInvent."""
    return cast("JsonObject", _named(path, lambda: _write(parse(path).tree, value, scope)))


def hold(path: str, scope: JsonObject, *, wanted: bool = True) -> JsonObject:
    """Return a copy of a scope in which a condition holds, or does not; raises CannotInvent."""
    return cast("JsonObject", _named(path, lambda: _hold(parse(path).tree, wanted, scope)))


def read(path: str, scope: JsonObject) -> Json:
    """Return what a path gives, None also where it cannot be evaluated."""
    return _read(parse(path).tree, scope)


def invented(path: str, number: int) -> Json:
    """Return a value for a path: a number where its last name is about an id or a count, else text of that name."""
    last = _last_name(parse(path).tree) or "value"
    if last.lower() in {"id", "count", "total", "version"} or last.lower().endswith("_id"):
        return number
    return f"{last}-{number}"


def _last_name(node: Node) -> str:
    """Return the last name on the way that `_write` goes."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        return str(node["value"])
    if kind in CHAINS or kind == "projection":
        return next((name for child in reversed(children) if (name := _last_name(child))), "")
    return _last_name(children[0]) if children else ""


def _named(path: str, find: Callable[[], Json]) -> Json:
    try:
        return find()
    except CannotInvent:
        raise CannotInvent(path) from None


def _read(node: Node, scope: Json) -> Json:
    try:
        return evaluate(node, scope)
    except PathTypeError:
        return None


def _write(node: Node, value: Json, scope: Json) -> Json:
    """Return a copy of `scope` in which a node gives `value`."""
    kind = node["type"]
    if kind in {"current", "identity"}:
        return value
    if kind == "field":
        return {**scope, node["value"]: value} if isinstance(scope, dict) else {node["value"]: value}
    if kind == "index":
        return _at(node["value"], value, scope)
    if kind in CHAINS:
        first, *rest = node["children"]
        inner = {"type": kind, "children": rest} if len(rest) > 1 else rest[0]
        return _write(first, _write(inner, value, _read(first, scope)), scope)
    if kind == "or_expression" or (kind == "function_expression" and node["value"] in TRANSPARENT):
        return _write(node["children"][0], value, scope)
    if kind == "projection":
        return _write_each(node, value, scope)
    raise CannotInvent


def _at(position: int, value: Json, scope: Json) -> Json:
    items = list(scope) if isinstance(scope, list) else []
    needed = position + 1 if position >= 0 else -position
    if needed > MOST_POSITIONS:
        raise CannotInvent
    items += [{} for _ in range(needed - len(items))]
    items[position] = value
    return items


def _write_each(node: Node, value: Json, scope: Json) -> Json:
    """Write a list into `left[*].right` or `left[].right`, an item each."""
    left, right = node["children"]
    items = value if isinstance(value, list) else [value]
    made: Json = [_write(right, item, None) for item in items]
    if left["type"] == "flatten":
        left = left["children"][0]
    return _write(left, made, scope)


def _hold(node: Node, wanted: bool, scope: Json) -> Json:
    """Return a copy of `scope` in which a node is true, or is not."""
    if holds(_read(node, scope)) == wanted:
        return scope
    found = _hold_made(node, wanted, scope)
    if holds(_read(node, found)) != wanted:
        raise CannotInvent
    return found


def _hold_made(node: Node, wanted: bool, scope: Json) -> Json:
    kind, children = node["type"], node["children"]
    if kind == "not_expression":
        return _hold(children[0], not wanted, scope)
    if kind in {"and_expression", "or_expression"}:
        if wanted != (kind == "and_expression"):
            return _hold(children[0], wanted, scope)
        for child in children:
            scope = _hold(child, wanted, scope)
        return scope
    if kind == "comparator":
        return _compare(node, wanted, scope)
    if kind == "function_expression" and node["value"] in TEXT_TESTS and children[1]["type"] == "literal":
        return _write(children[0], children[1]["value"] if wanted else "", scope)
    return _write(node, True if wanted else None, scope)


def _compare(node: Node, wanted: bool, scope: Json) -> Json:
    """Make a comparison with a literal true or false."""
    left, right = node["children"]
    operator = node["value"]
    if left["type"] == "literal":
        left, right, operator = right, left, MIRRORED.get(operator, operator)
    if right["type"] != "literal":
        raise CannotInvent
    operator = operator if wanted else OPPOSITES[operator]
    if left["type"] == "function_expression" and left["value"] == "length":
        return _write(left["children"][0], ["item"] * _count(_fitting(operator, right["value"])), scope)
    return _write(left, _fitting(operator, right["value"]), scope)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_POSITIONS:
        raise CannotInvent
    return int(value)


def _fitting(operator: str, literal: Json) -> Json:
    """Return a value for which `value OPERATOR literal` is true."""
    if operator == "eq":
        return literal
    if operator == "ne":
        return _other(literal)
    if isinstance(literal, bool) or not isinstance(literal, int | float):
        raise CannotInvent
    return literal + BESIDE[operator]


def _other(literal: Json) -> Json:
    if isinstance(literal, bool):
        return not literal
    if isinstance(literal, int | float):
        return literal + 1
    return f"not {literal}" if isinstance(literal, str) else "value"
