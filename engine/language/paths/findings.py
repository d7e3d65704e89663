"""Warnings about paths that are valid JMESPath but rarely what their author meant.

They are found in the tokens rather than in the tree: only the tokens show parentheses, and parentheses are how an
author confirms a precedence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.language.paths.syntax import CLOSING, COMPARISONS, NAMES, OPENING, Node, Token

_LITERALS = ("null", "true", "false")
_PLAIN = ("field", "subexpression", "index_expression")
_LOGIC = ("comparator", "not_expression", "and_expression")


class Finding(NamedTuple):
    """A warning: its code, what to do about it, and its column."""

    code: str
    message: str
    column: int


class _Operand(NamedTuple):
    """The tokens between two `||` (or other operators that bind as loosely), and where its text ends."""

    before: str
    tokens: list[Token]
    end: int


def find(text: str, tree: Node, tokens: Sequence[Token]) -> list[Finding]:
    """Return the warnings about a path in the order of their columns."""
    found = [
        *_falsy_or(text, tree, tokens),
        *_not_before_comparison(text, tokens),
        *(finding for group in _groups(tokens) for finding in _or_beside_comparison(text, group)),
        *_literal_names(tokens),
    ]
    return sorted(found, key=lambda finding: finding.column)


def _falsy_or(text: str, tree: Node, tokens: Sequence[Token]) -> Iterator[Finding]:
    """Find `a || b` as the whole path, unless comparisons show that it is a condition."""
    if tree["type"] != "or_expression":
        return
    operands = _chain(tree)
    if any(operand["type"] in _LOGIC for operand in operands):
        return
    group = next(group for group in _groups(tokens) if any(operand.before == "or" for operand in group))
    advice = "write a list of values, [a, b], or a default."
    if all(operand["type"] in _PLAIN for operand in operands) and len(group) == len(operands):
        advice = f"write the list [{', '.join(_text_of(text, operand) for operand in group)}]."
    message = f"|| also skips false, '', [] and {{}}. To skip only absent values, {advice}"
    column = next(token.column for token in tokens if token.kind == "or")
    yield Finding("falsy-or", message, column)


def _chain(tree: Node) -> list[Node]:
    operands: list[Node] = []
    while tree["type"] == "or_expression":
        tree, right = tree["children"]
        operands.insert(0, right)
    return [tree, *operands]


def _not_before_comparison(text: str, tokens: Sequence[Token]) -> Iterator[Finding]:
    """Find `!a == b`, which negates `a` alone."""
    for number, token in enumerate(tokens):
        if token.kind != "not":
            continue
        sign = _after_operand(tokens[number + 1 :])
        if sign.kind in COMPARISONS:
            operand = text[token.column : sign.column - 1].strip()
            symbol = COMPARISONS[sign.kind]
            message = (
                f"! binds tighter than {symbol}: it negates only {operand}. "
                f"Write !({operand} {symbol} ...) to negate the comparison, or (!{operand}) {symbol} ... to confirm."
            )
            yield Finding("precedence", message, token.column)


def _after_operand(tokens: Sequence[Token]) -> Token:
    depth = 0
    for token in tokens:
        if depth == 0 and (token.kind in (*COMPARISONS, "or", "and", "pipe", "comma") or token.kind in CLOSING):
            return token
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
    return tokens[-1]


def _or_beside_comparison(text: str, group: list[_Operand]) -> Iterator[Finding]:
    """Find `a || b == c` and `a == 'x' || 'y'`, where one side of `||` compares and the other does not."""
    for left, right in pairwise(group):
        if right.before != "or":
            continue
        first, second = _text_of(text, left), _text_of(text, right)
        if _is_plain(left) and _compares(right):
            sign = next(token.column - 1 for token in right.tokens if token.kind in COMPARISONS)
            middle, rest = text[right.tokens[0].column - 1 : sign].strip(), text[sign : right.end - 1].strip()
            reads = f"{first} || {second} means {first} || ({second})."
            advice = f"Write the parentheses to confirm, or ({first} || {middle}) {rest}."
            yield Finding("precedence", f"{reads} {advice}", left.tokens[0].column)
        elif _compares(left) and [token.kind for token in right.tokens] == ["literal"]:
            message = f"{second} does not depend on the event. Write a complete comparison on each side of ||."
            yield Finding("precedence", message, right.tokens[0].column)


def _groups(tokens: Sequence[Token]) -> Iterator[list[_Operand]]:
    """Return the operands between `||`, `&&` and `|`, one group for each bracket and each argument."""
    open_groups: list[list[_Operand]] = [[_Operand("", [], 0)]]
    for token in tokens:
        group = open_groups[-1]
        if token.kind in OPENING:
            group[-1].tokens.append(token)
            open_groups.append([_Operand("", [], 0)])
        elif token.kind in CLOSING or token.kind in ("comma", "pipe", "colon", "eof"):
            group[-1] = group[-1]._replace(end=token.column)
            yield open_groups.pop()
            if token.kind not in CLOSING:
                open_groups.append([_Operand("", [], 0)])
        elif token.kind in ("or", "and"):
            group[-1] = group[-1]._replace(end=token.column)
            group.append(_Operand(token.kind, [], 0))
        else:
            group[-1].tokens.append(token)


def _text_of(text: str, operand: _Operand) -> str:
    return text[operand.tokens[0].column - 1 : operand.end - 1].strip()


def _is_plain(operand: _Operand) -> bool:
    return all(token.kind in (*NAMES, "dot", "lbracket", "number") for token in operand.tokens)


def _compares(operand: _Operand) -> bool:
    return any(token.kind in COMPARISONS for token in operand.tokens) and operand.tokens[0].kind != "not"


def _literal_names(tokens: Sequence[Token]) -> Iterator[Finding]:
    """Find `null`, `true` and `false` written as names."""
    before, after = (tokens[-1], *tokens), (*tokens[1:], tokens[-1])
    for previous, token, following in zip(before, tokens, after, strict=False):
        if token.kind != "unquoted_identifier" or token.value not in _LITERALS:
            continue
        if previous.kind != "dot" and following.kind not in ("colon", "lparen"):
            message = f"{token.value} is a field name here. Write `{token.value}` for the value."
            yield Finding("null-name", message, token.column)
