"""Checks of conditions: comparisons that never change, and names after a pipe that are not read from the event.

They look at the tokens of a path and not at its tree, because only tokens have columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from engine.errors import PathError
from engine.language import paths
from engine.language.paths.syntax import CLOSING, NAMES, OPENING, Token
from engine.language.suggest import closest
from engine.mapping import types
from engine.mapping.checks.context import CheckContext, listed, quoted
from engine.mapping.checks.paths import calls_of, name_problem
from engine.mapping.checks.types import kinds
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence
from engine.records import Json

SIGNS = ("eq", "ne")
GOES_ON = ("lbracket", "filter", "flatten", "lparen", "pipe")
BACKQUOTES = "Write numbers, true and false in backquotes: `404`, `true`."


class Comparison(NamedTuple):
    """A plain name compared with a literal: `settings.region == 'eu'`."""

    root: paths.Root
    literal: Json
    column: int


def check_conditions(context: CheckContext) -> Iterator[Problem]:
    """Find comparisons with the same result for every event, and names after a pipe that look like fields."""
    for found in context.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError:
            continue
        yield from _after_pipe(context, found, path)
        for comparison in _comparisons(path):
            known = name_problem(context, found, comparison.root) is None
            reason = _reason(context, found, comparison) if known else None
            if reason is not None:
                message, advice = reason
                yield context.problem_in(found, comparison.column, "never-equal", message, advice)


def _after_pipe(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    """Find `a | [0] || userId`: a pipe binds loosest, so userId is looked up in the value before the pipe."""
    depth, piped = 0, False
    for token, following in pairwise(path.tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        piped = piped or (depth == 0 and token.kind == "pipe")
        if not piped or depth or token.kind != "or" or following.kind != "unquoted_identifier":
            continue
        name = str(following.value)
        if name_problem(context, found, paths.Root(name, ("x",), 1)) is None or name in ("parts", "settings", "saved"):
            message = f"After a pipe, {name} is looked up in the value before the pipe, not in the event."
            advice = f"Put parentheses around everything before ||: (... | ...) || {name}."
            yield context.problem_in(found, following.column, "precedence", message, advice, level="warning")


def _comparisons(path: paths.Path) -> Iterator[Comparison]:
    roots = {root.column: root for root in path.roots}
    for number, token in enumerate(path.tokens):
        if token.kind not in SIGNS:
            continue
        before, after = path.tokens[:number], path.tokens[number + 1 :]
        left, right = _left(before), _right(after)
        if left and after[0].kind == "literal" and left[0].column in roots:
            yield from _compared(roots[left[0].column], left, after[0])
        elif right and before and before[-1].kind == "literal" and right[0].column in roots:
            yield from _compared(roots[right[0].column], right, before[-1])


def _compared(root: paths.Root, chain: Sequence[Token], literal: Token) -> Iterator[Comparison]:
    """Return the comparison where the chain is the whole of what is compared."""
    if [token.value for token in chain if token.kind in NAMES] == [root.name, *root.members]:
        yield Comparison(root, literal.value, literal.column)


def _left(tokens: Sequence[Token]) -> list[Token]:
    """Return the names and dots at the end; none after `!`, which binds tighter than the comparison."""
    backwards = list(takewhile(_is_name, reversed(tokens)))
    negated = len(backwards) < len(tokens) and tokens[-1 - len(backwards)].kind == "not"
    return [] if negated else backwards[::-1]


def _right(tokens: Sequence[Token]) -> list[Token]:
    """Return the names and dots at the beginning; none if a bracket, a call or a pipe follows them."""
    chain = list(takewhile(_is_name, tokens))
    return [] if tokens[len(chain)].kind in GOES_ON else chain


def _is_name(token: Token) -> bool:
    return token.kind in (*NAMES, "dot")


def _reason(context: CheckContext, found: Occurrence, comparison: Comparison) -> tuple[str, str] | None:
    """Return why a comparison never changes, and what to do; None if it may change."""
    literal, root = comparison.literal, comparison.root
    if literal is None or (root.name == "settings" and len(root.members) != 1):
        return None
    name = ".".join((root.name, *root.members))
    choices = _choices(context, found, root)
    if choices and literal not in choices:
        guess = closest(literal, choices) if isinstance(literal, str) else None
        message = f"{name} is never {_shown(literal)}, only {listed([_shown(each) for each in choices])}."
        return message, f"Did you mean '{guess}'?" if guess else ""
    given = types.of_path(context.mapping, name) if _certain(root) else types.ANY
    if given & types.of_json(literal):
        return None
    return f"{name} is {kinds(given)}, so it is never equal to {_shown(literal)}.", _advice(given, literal)


def _certain(root: paths.Root) -> bool:
    return root.name == "settings" or (not root.members and root.name in types.ROOT_TYPES)


def _choices(context: CheckContext, found: Occurrence, root: paths.Root) -> list[str]:
    if root.name == "type" and not root.members and found.scope.kind in ("call", "request", "group", "part"):
        return list(calls_of(context, found))
    setting = context.mapping.settings.get(root.members[0]) if root.name == "settings" else None
    texts = [each for each in setting.choices if isinstance(each, str)] if setting is not None else []
    return texts if setting is not None and len(texts) == len(setting.choices) else []


def _advice(given: frozenset[str], literal: Json) -> str:
    if isinstance(literal, str) and given <= {"number", "boolean"}:
        return BACKQUOTES
    if "text" in given and not isinstance(literal, str | list | dict):
        return f"Write text in single quotes: '{_shown(literal)}'."
    return ""


def _shown(value: Json) -> str:
    from engine.language.texts import shown

    return quoted(value) if isinstance(value, str) else shown(value)
