"""Warnings about paths that are valid but rarely meant."""

from __future__ import annotations

import pytest

from engine.language.paths import findings, parse

FALSY = "|| also skips false, '', [] and {}. To skip only absent values, "
ANY_LIST = FALSY + "write a list of values, [a, b], or a default."
NAME = "{0} is a field name here. Write `{0}` for the value."

FINDINGS = [
    (
        "traits.phone || context.traits.phone",
        "falsy-or",
        14,
        FALSY + "write the list [traits.phone, context.traits.phone].",
    ),
    ("a || b[0] || c", "falsy-or", 3, FALSY + "write the list [a, b[0], c]."),
    ("(a || b)", "falsy-or", 4, FALSY + "write the list [a, b]."),
    ("(a || b) || c", "falsy-or", 4, ANY_LIST),
    ("a || 'none'", "falsy-or", 3, ANY_LIST),
    ("length(a) || b", "falsy-or", 11, ANY_LIST),
    (
        "!a == 'y'",
        "precedence",
        1,
        "! binds tighter than ==: it negates only a. Write !(a == ...) to negate the comparison, or (!a) == ... to confirm.",
    ),
    (
        "b && !length(a) > `1`",
        "precedence",
        6,
        "! binds tighter than >: it negates only length(a). Write !(length(a) > ...) to negate the comparison, or (!length(a)) > ... to confirm.",
    ),
    (
        "a[?!b != c]",
        "precedence",
        4,
        "! binds tighter than !=: it negates only b. Write !(b != ...) to negate the comparison, or (!b) != ... to confirm.",
    ),
    (
        "a || b == 'c'",
        "precedence",
        1,
        "a || b == 'c' means a || (b == 'c'). Write the parentheses to confirm, or (a || b) == 'c'.",
    ),
    (
        "x && [a.b || c.d != `1`]",
        "precedence",
        7,
        "a.b || c.d != `1` means a.b || (c.d != `1`). Write the parentheses to confirm, or (a.b || c.d) != `1`.",
    ),
    (
        "event == 'a' || 'b'",
        "precedence",
        17,
        "'b' does not depend on the event. Write a complete comparison on each side of ||.",
    ),
    ("a == null", "null-name", 6, NAME.format("null")),
    ("a[?b == true]", "null-name", 9, NAME.format("true")),
    ("false", "null-name", 1, NAME.format("false")),
]


@pytest.mark.parametrize(("text", "code", "column", "message"), FINDINGS)
def test_what_is_warned_of(text: str, code: str, column: int, message: str) -> None:
    assert [(found.code, found.column, found.message) for found in findings(parse(text))] == [(code, column, message)]


SILENT = [
    "traits.email",
    "a == 'x' || b == 'y'",
    "a == 'x' || b",
    "!a || b",
    "a && b == 'c' && d",
    "(a || b) == 'c'",
    "a || (b == 'c')",
    "!(a == 'y')",
    "(!a) == `false`",
    "!a && b == 'c'",
    "!(a) || b",
    "length(a || b)",
    "a == `null`",
    "a.null",
    "{true: a}",
    '"null" == a',
    "a == 'true'",
    "settings.on && settings.mode == 'x' && anonymousId",
]


@pytest.mark.parametrize("text", SILENT)
def test_what_is_meant_as_written(text: str) -> None:
    assert findings(parse(text)) == []


def test_several_findings_stand_in_the_order_of_their_columns() -> None:
    found = findings(parse("a || b == null || !c == true"))
    assert [(finding.code, finding.column) for finding in found] == [
        ("precedence", 1),
        ("null-name", 11),
        ("precedence", 19),
        ("null-name", 25),
    ]
