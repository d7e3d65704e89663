"""Checks of slips that make valid paths and values, but never what their author meant.

A member of something that is text, a choice written with a pipe, a misspelled field of `context`, text in double quotes
inside a filter; `as` written after `map`, a date format of another tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.errors import PathError
from engine.events.spec import CONTEXT
from engine.language import paths
from engine.language.paths.syntax import COMPARISONS, NAMES, Token
from engine.language.suggest import one_slip_from
from engine.mapping import types
from engine.mapping.checks.advice import CONDITIONS
from engine.mapping.checks.context import CheckContext, quoted
from engine.mapping.checks.paths import member_column, name_problem
from engine.mapping.checks.types import kinds
from engine.mapping.model import Instruction
from engine.mapping.problems import Fix, Problem
from engine.mapping.walk import Occurrence
from engine.records import Json, Place

SURE = {**types.ROOT_TYPES, **dict.fromkeys(("messageId", "name", "category"), types.TEXT)}
"""The names whose type is sure, those included that may be absent."""
MAY_HOLD_ANY_NAME = frozenset({"context", "message", "options", "integrations", "item", "body"})
"""What a pipe may lead into: the names of the scope can be fields of these as well."""
BEGINS = ("filter", "and", "or", "lparen")
ENDS = ("rbracket", "and", "or", "rparen")
"""What can be before and after a comparison in a filter."""
DATE_LETTERS = {
    **dict.fromkeys(("YYYY", "yyyy"), "%Y"),
    **dict.fromkeys(("YY", "yy"), "%y"),
    **dict.fromkeys(("DD", "dd"), "%d"),
    **dict.fromkeys(("HH", "hh"), "%H"),
    "MM": "%m",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%L",
    "D": "%-d",
    "M": "%-m",
    "H": "%-H",
    "T": "T",
    "Z": "Z",
}
"""The letters of Moment.js, Java and others, and our directives."""
DATE_PARTS = re.compile(r"([A-Za-z])\1*")


def check_slips(context: CheckContext) -> Iterator[Problem]:
    """Find members of texts, choices by pipe, misspelled fields of context, quoted texts and modifiers in odd order."""
    for found in context.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError:
            continue
        yield from list(_pipe(context, found, path)) or _members(context, found, path)
        yield from _double_quotes(context, found, path)
    for value in context.values:
        if isinstance(value, Instruction):
            yield from _order(context, value)
            yield from _dates(context, value)


# Paths.


def _pipe(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    """Find `userId | anonymousId`: a pipe between two plain paths of the scope."""
    sides = _sides(path.tokens)
    if len(sides) < len("ab"):
        return
    left, (first, *rest) = [str(token.value) for token in sides[0] if token.kind in NAMES], sides[1]
    root = paths.Root(str(first.value), tuple(str(token.value) for token in rest if token.kind in NAMES), 1)
    if _is_another_value(left, root) and name_problem(context, found, root) is None:
        named = [part.strip() for part in found.path.split("|")]
        message = f"A pipe looks {first.value} up inside {named[0]}; it is not a choice."
        yield context.problem_in(found, first.column, "pipe-is-no-choice", message, _choice(found, named))


def _is_another_value(left: Sequence[str], root: paths.Root) -> bool:
    """Whether what follows a pipe is surely meant as a path of its own, and not as a field of what is before it."""
    if len(left) == 1 and left[0] in MAY_HOLD_ANY_NAME:
        return False
    if len(left) == 1 and "object" not in SURE.get(left[0], types.ANY):
        return True
    return left[0] not in ("parts", "saved") and (bool(root.members) or root.name != root.name.lower())


def _sides(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the plain paths that a path joins with pipes; nothing if it has anything else in it."""
    sides: list[list[Token]] = [[]]
    for token in tokens[:-1]:
        if token.kind == "pipe":
            sides.append([])
        elif token.kind in (*NAMES, "dot"):
            sides[-1].append(token)
        else:
            return []
    return sides if all(sides) else []


def _choice(found: Occurrence, named: Sequence[str]) -> str:
    if found.word in CONDITIONS:
        return f"If one of them is enough, write {' || '.join(named)}."
    choice = f"[{', '.join(named)}]"
    if found.word == "${}":
        return f"A choice is a list. Make it a part, {choice}, and insert the part: ${{parts.name}}."
    return f"A choice is a list: write {choice}."


def _members(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    for root in path.roots:
        if not root.members or name_problem(context, found, root) is not None:
            continue
        if root.name == "context":
            yield from _context_field(context, found, path, root)
        name, members = (root.name, root.members)
        if name == "parts" and len(members) > 1:
            name, members = f"parts.{members[0]}", members[1:]
        given = types.of_path(context.mapping, name) if name.startswith("parts.") else SURE.get(name, types.ANY)
        if "object" in given:
            continue
        message = f"{name} is {kinds(given)}, so it has no field {quoted(members[0])}."
        inner = paths.Root(members[0], members[1:], 1)
        meant = ".".join(members) if name_problem(context, found, inner) is None else name
        column = member_column(path, root, members[0])
        yield context.problem_in(found, column, "not-an-object", message, f"Write {meant}.")


def _context_field(context: CheckContext, found: Occurrence, path: paths.Path, root: paths.Root) -> Iterator[Problem]:
    """Find a field of `context` that Segment does not have, one slip away from one that it has."""
    first, *rest = root.members
    inner = CONTEXT.get(first, ())
    name, known, before = (rest[0], inner, f"context.{first}") if inner and rest else (first, tuple(CONTEXT), "context")
    guess = one_slip_from(name, known)
    if guess is not None:
        message = f"Segment's {before} has no field {quoted(name)}."
        column = member_column(path, root, name)
        advice = f"Did you mean {before}.{guess}?"
        fix = Fix(name, guess)
        yield context.problem_in(found, column, "unknown-context-field", message, advice, level="warning", fix=fix)


def _double_quotes(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    """Find `[?type == "newsletter"]`, either way around: in double quotes it is a field of the item."""
    roots = {root.column for root in path.roots}
    for number, sign in enumerate(path.tokens):
        if sign.kind not in COMPARISONS or number < len("[?a"):
            continue
        before, left, right, after = (path.tokens[number + step] for step in (-2, -1, 1, 2))
        if right.kind == "quoted_identifier" and left.kind != "literal" and after.kind in ENDS:
            token = right
        elif left.kind == "quoted_identifier" and right.kind == "unquoted_identifier" and before.kind in BEGINS:
            token = left
        else:
            continue
        if token.column not in roots:
            message = f'"{token.value}" in double quotes is a field of the item, not text.'
            advice = f"For text, use single quotes: '{token.value}'."
            yield context.problem_in(found, token.column, "double-quotes", message, advice, level="warning")


# Values.


def _order(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    written = context.loaded.resolved.at(value.place)
    if not isinstance(written, dict) or not value.modifiers.as_ or value.modifiers.map is None:
        return
    words = list(written)
    if words.index("map") < words.index("as"):
        message = "`as` is applied before `map`, although it is written after it."
        advice = "Write `as` first. To convert what the table gives, write { from: { from: ..., map: ... }, as: ... }."
        yield context.problem((*value.place, "as"), "as-after-map", message, advice, key=True, level="warning")


def _dates(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    raw = context.loaded.resolved.at((*value.place, "as"))
    for number, use in enumerate(value.modifiers.as_):
        place: Place = (*value.place, "as", number) if isinstance(raw, list) else (*value.place, "as")
        form = _date_format(use.written) if use.name == "date" else None
        if form is None or "%" in form:
            continue
        message = f"The format {quoted(form)} has no directives: every time would become this text."
        plain = re.sub(r"'([A-Z])'|\[([A-Z])\]", r"\1\2", form)
        known = all(part.group() in DATE_LETTERS for part in DATE_PARTS.finditer(plain))
        written = DATE_PARTS.sub(lambda part: DATE_LETTERS[part.group()], plain) if known else ""
        advice = f'Write "{written}".' if "%" in written else 'Write it with directives, e.g. "%Y-%m-%d".'
        at: Place = (*place, "date", "format") if isinstance(use.written, dict) else (*place, "date")
        yield context.problem(at, "date-format", message, advice)


def _date_format(written: Json) -> str | None:
    form = written.get("format") if isinstance(written, dict) else written
    return form if isinstance(form, str) else None
