"""Checks of `<`, `<=`, `>` and `>=`, which compare numbers and give null for anything else.

Texts had an order in the library that many learned JMESPath with, so a date compared with a date looks right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.errors import PathError
from engine.language import paths
from engine.language.paths.syntax import Node, Token
from engine.language.paths.values import SIGNS
from engine.language.texts import read_number
from engine.language.times import read_time
from engine.mapping import types
from engine.mapping.checks.context import CheckContext
from engine.mapping.checks.types import kinds
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence
from engine.records import Json

AT_SCOPE = frozenset({"comparator", "or_expression", "and_expression", "not_expression", "function_expression"})
"""Nodes all of whose children see what the node sees, as those of `[a, b]` and `{a: b}` do; else the first does."""
MADE_HERE = frozenset({"literal", "function_expression", "comparator", "not_expression"})
"""Nodes whose type does not depend on what they see."""


class _Side(NamedTuple):
    """One side of a comparison; `at_scope`: its names are those of the path's scope."""

    node: Node
    at_scope: bool


def check_orders(context: CheckContext) -> Iterator[Problem]:
    """Find comparisons of what can never be a number."""
    for found in context.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError:
            continue
        if not path.orders:
            continue
        signs = iter([token for token in path.tokens if token.kind in SIGNS])
        for sign, sides in _comparisons(path.tree, signs, at_scope=True):
            yield from _never(context, found, sign, sides)


def _never(context: CheckContext, found: Occurrence, sign: Token, sides: list[_Side]) -> Iterator[Problem]:
    for name, side in zip(("left", "right"), sides, strict=True):
        given = _types(context, side)
        if "number" not in given:
            written = SIGNS[sign.kind]
            message = f"{written} compares numbers, but its {name} side is {kinds(given)}: this is always null."
            yield context.problem_in(
                found, sign.column, "never-ordered", message, _advice([each.node for each in sides])
            )
            return


def _types(context: CheckContext, side: _Side) -> frozenset[str]:
    is_certain = side.at_scope or side.node["type"] in MADE_HERE
    return types.of_tree(context.mapping, side.node) if is_certain else types.ANY


def _advice(nodes: list[Node]) -> str:
    texts: list[Json] = [node["value"] for node in nodes if node["type"] == "literal"]
    text = next((each for each in texts if isinstance(each, str)), None)
    if text is not None and read_number(text) is not None:
        return f"Write numbers in backquotes: `{text.strip()}`."
    if any(types.chain_of(node) == ("timestamp",) for node in nodes) or (text is not None and read_time(text)):
        return "Make a part of the time, { from: timestamp, as: unix }, and compare that with a number."
    return "Compare text with == or !=, or make a part of it, with `as: number`, and compare that."


def _comparisons(node: Node, signs: Iterator[Token], *, at_scope: bool) -> Iterator[tuple[Token, list[_Side]]]:
    """Yield the comparisons of a tree with their sign, in the order of the text."""
    children: list[Node] = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "filter_projection":  # the condition stands before what follows the filter
        children = [children[0], children[2], children[1]]
    inside = [at_scope and _sees_scope(node, number) for number in range(len(children))]
    sides = [_Side(child, seen) for child, seen in zip(children, inside, strict=True)]
    is_order = node["type"] == "comparator" and node["value"] in SIGNS
    for number, side in enumerate(sides):
        if is_order and number == 1:
            yield next(signs), sides
        yield from _comparisons(side.node, signs, at_scope=side.at_scope)


def _sees_scope(node: Node, child: int) -> bool:
    """Whether a child sees what its node sees."""
    if node["type"] in AT_SCOPE or node["type"].startswith("multi_select"):
        return True
    return child == 0 and node["type"] != "expref"
