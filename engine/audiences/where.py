"""`where`: a part of JMESPath, as mappings have it, that also runs as SQL.

Field chains, `== != < <= > >=`, `&& || !`, parentheses, literals, `contains starts_with ends_with`. Numbers, `true`,
`false` and `null` may stand without backquotes, which JMESPath wants: `properties.total > 100`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from engine.audiences.rules import Where
from engine.errors import PathError
from engine.language import paths
from engine.language.paths.syntax import COMPARISONS, Node
from engine.language.suggest import closest
from engine.records import Json

LONGEST = 2_000
MOST_NAMES = 20
FUNCTIONS = ("contains", "starts_with", "ends_with")
ROOTS = {
    "properties": "properties",
    "context": "context",
    "traits": "traits",
    "integrations": "integrations",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "messageId": "message_id",
    "groupId": "group_id",
    "channel": "channel",
    "name": "name",
    "category": "category",
}
"""What a condition on events reads, and the column of the view `events` that has it."""
JSON_ROOTS = ("properties", "context", "traits", "integrations")
ORDERS = ("lt", "lte", "gt", "gte")
HAS = "where reads fields, == != < <= > >=, && || !, ( ), literals, and contains, starts_with, ends_with"
_BARE = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|"""
    r"""(?<![\w.\["-])(?P<bare>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.(-])""",
    re.DOTALL,
)


def parse(text: str, roots: Sequence[str]) -> Where:
    """Read a condition over fields of `roots`; PathError says what is wrong and in which column of `text`."""
    if len(text) > LONGEST:
        raise PathError(f"This has {len(text):,} characters; the limit is {LONGEST:,}.", LONGEST + 1)
    path = _path(text)
    for name in path.calls:
        if name not in FUNCTIONS:
            guess = closest(name, FUNCTIONS)
            advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(FUNCTIONS)}."
            raise PathError(f"where has no function {name}(). {advice}", _column(text, name))
    _check_condition(path.tree, text, roots)
    return Where(text, path.tree)


def parse_field(text: str) -> tuple[str, ...]:
    """Read a field of an event, such as `properties.total`; PathError says what is wrong with it."""
    tree = _path(text).tree
    if tree["type"] not in ("field", "subexpression"):
        raise PathError("Name one field, such as properties.total.", 1)
    return _field(tree, text, tuple(ROOTS))


def names_of(tree: Node) -> tuple[str, ...]:
    """Return the names of a field chain, from its root."""
    if tree["type"] == "field":
        return (str(tree["value"]),)
    return tuple(name for child in tree["children"] for name in names_of(child))


def _path(text: str) -> paths.Path:
    """Parse a text as a path, with its bare literals in backquotes; columns of errors are those of `text`."""
    added: list[int] = []

    def quoted(found: re.Match[str]) -> str:
        if found["bare"] is None:
            return found[0]
        added.extend((found.start() + 2 * (len(added) // 2), found.end() + 1 + 2 * (len(added) // 2)))
        return f"`{found[0]}`"

    written = _BARE.sub(quoted, text)
    try:
        return paths.parse(written)
    except PathError as error:
        column = error.column - sum(place < error.column - 1 for place in added)
        raise PathError(str(error), max(1, column)) from None


def _check_condition(tree: Node, text: str, roots: Sequence[str]) -> None:
    kind, children = tree["type"], tree.get("children", ())
    if kind in ("and_expression", "or_expression", "not_expression"):
        for child in children:
            _check_condition(child, text, roots)
    elif kind == "comparator":
        _check_comparison(tree, text, roots)
    elif kind == "function_expression":
        _check_call(tree, text, roots)
    elif kind != "literal":
        _field(tree, text, roots)


def _check_comparison(tree: Node, text: str, roots: Sequence[str]) -> None:
    sign = COMPARISONS[tree["value"]]
    for side in tree["children"]:
        if side["type"] != "literal":
            _field(side, text, roots)
            continue
        value: Json = side["value"]
        if tree["value"] in ORDERS and not _is_number(value):
            raise PathError(f"{sign} compares numbers; {_kind(value)} never holds.", _column(text, sign))
        if isinstance(value, list | dict):
            raise PathError(f"{sign} compares with a text, a number, true, false or null.", _column(text, sign))


def _check_call(tree: Node, text: str, roots: Sequence[str]) -> None:
    name, (subject, search) = str(tree["value"]), tree["children"]
    if [subject["type"], search["type"]].count("literal") != 1:
        raise PathError(f"{name}() takes a field and a literal.", _column(text, name))
    for side in (subject, search):
        if side["type"] != "literal":
            _field(side, text, roots)
    literal: Json = (subject if subject["type"] == "literal" else search)["value"]
    if name != "contains" and not isinstance(literal, str):
        raise PathError(f"{name}() takes text, such as {name}(properties.sku, 'A-').", _column(text, name))
    if subject["type"] == "literal" and not isinstance(literal, list | str):
        raise PathError("contains() searches a list or a text.", _column(text, name))
    if _has_structure(literal, may_be_list=subject["type"] == "literal"):
        raise PathError("contains() compares entries with texts, numbers, true, false and null.", _column(text, name))


def _has_structure(literal: Json, *, may_be_list: bool) -> bool:
    entries = literal if isinstance(literal, list) and may_be_list else [literal]
    return any(isinstance(entry, list | dict) for entry in entries)


def _field(tree: Node, text: str, roots: Sequence[str]) -> tuple[str, ...]:
    if not _is_chain(tree):
        raise PathError(f"{HAS}. Write sql: for more.", 1)
    names = names_of(tree)
    if names[0] not in roots:
        _unknown_root(names, text, roots)
    if len(names) > MOST_NAMES or any(not name or re.search(r'["\\\x00]', name) for name in names):
        raise PathError(f"A field has up to {MOST_NAMES} names, without quotes and backslashes in them.", 1)
    if len(names) > 1 and names[0] not in JSON_ROOTS:
        raise PathError(f"{names[0]} is text and has no fields.", _column(text, names[0]))
    return names


def _is_chain(tree: Node) -> bool:
    if tree["type"] == "subexpression":
        return all(_is_chain(child) for child in tree["children"])
    return bool(tree["type"] == "field")


def _unknown_root(names: tuple[str, ...], text: str, roots: Sequence[str]) -> NoReturn:
    first, whole = names[0], ".".join(names)
    if (column := text.find(f'"{first}"') + 1) and len(names) == 1:
        literal = "'" + first.replace("'", "\\'") + "'"
        raise PathError(f'Double quotes are for names of fields; write {literal} for the text "{first}".', column)
    guess = closest(first, roots)
    advice = f"Did you mean {guess}?" if guess else f"Write {roots[0]}.{whole}."
    owner = "a user" if len(roots) == 1 else "an event"
    raise PathError(f"{first} is no field of {owner} here. {advice}", _column(text, first))


def _column(text: str, word: str) -> int:
    return text.find(word) + 1 or 1


def _is_number(value: Json) -> bool:
    return type(value) is int or type(value) is float


def _kind(value: Json) -> str:
    from engine.language.texts import kind_of

    return f"a comparison with {kind_of(value)}"
