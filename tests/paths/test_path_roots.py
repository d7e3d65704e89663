"""What is certain about a path before any event: roots with their columns, calls, whether it can fail."""

from __future__ import annotations

import pytest

from engine.language.paths import Root, parse

ROOTS = [
    ("traits", [("traits", (), 1)]),
    ("traits.address.city", [("traits", ("address", "city"), 1)]),
    ('  traits."first name"', [("traits", ("first name",), 3)]),
    ('"traits".email', [("traits", ("email",), 1)]),
    ("a || b.c || d", [("a", (), 1), ("b", ("c",), 6), ("d", (), 13)]),
    ("a && !b", [("a", (), 1), ("b", (), 7)]),
    ("a == b", [("a", (), 1), ("b", (), 6)]),
    ("a > b.c", [("a", (), 1), ("b", ("c",), 5)]),
    ("[a, [b.c]]", [("a", (), 2), ("b", ("c",), 6)]),
    ("{x: a, y: b.y}", [("a", (), 5), ("b", ("y",), 11)]),
    ("join(a, [b.c, 'd'])", [("a", (), 6), ("b", ("c",), 10)]),
    ("length(a.b).c", [("a", ("b",), 8)]),
    ("sort_by(a.b, &c.d)", [("a", ("b",), 9)]),
    ("map(&c, a)", [("a", (), 9)]),
    ("a.b[0].c", [("a", ("b",), 1)]),
    ("a.b[1:].c", [("a", ("b",), 1)]),
    ("a.b[*].c.d", [("a", ("b",), 1)]),
    ("a.b[].c", [("a", ("b",), 1)]),
    ("a.*.b", [("a", (), 1)]),
    ("a.b[?c == d && e.f].g", [("a", ("b",), 1)]),
    ("a[?b].c | d || e", [("a", (), 1)]),
    ("a | b", [("a", ("b",), 1)]),
    ("a | b.c | d", [("a", ("b", "c", "d"), 1)]),
    ("a | [b, c.d]", [("a", ("b",), 1), ("a", ("c", "d"), 1)]),
    ("a.{x: b, y: @}", [("a", (), 1), ("a", ("b",), 1)]),
    ("a.[`1`]", [("a", (), 1)]),
    ("a.length(b)", [("a", ("b",), 1)]),
    ("a.length(@)", [("a", (), 1)]),
    ("(a || b).c", [("a", (), 2), ("b", (), 7)]),
    ("(a.b).c", [("a", ("b", "c"), 2)]),
    ("@.a.b", [("a", ("b",), 3)]),
    ("@ | a", [("a", (), 5)]),
    ("a[?b] || b", [("a", (), 1), ("b", (), 10)]),
    ("a.b || a.b", [("a", ("b",), 1), ("a", ("b",), 8)]),
    ("'a' || `true`", []),
    ("a == 'b'", [("a", (), 1)]),
    ("null == a", [("null", (), 1), ("a", (), 9)]),
    ("{a: {b: c}}.a.b", [("c", (), 9)]),
]


@pytest.mark.parametrize(("text", "roots"), ROOTS)
def test_roots_with_their_members_and_columns(text: str, roots: list[tuple[str, tuple[str, ...], int]]) -> None:
    assert list(parse(text).roots) == [Root(*root) for root in roots]
    assert not parse(text).uses_current_root


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("@", 1),
        ("a || @", 6),
        ("[a, @.b, @]", 10),
        ("length(@)", 8),
        ("*", 1),
        ("*.a", 1),
        ("[0]", 1),
        ("[*].a", 1),
        ("[]", 1),
        ("[1:]", 1),
        ("a && [?b]", 6),
        ("a == *", 6),
        ("sort_by(@, &a)", 9),
        ("@ | @", 5),
        ("@ || @", 1),
    ],
)
def test_where_the_whole_scope_is_taken(text: str, column: int) -> None:
    path = parse(text)
    assert (path.uses_current_root, path.current_column) == (True, column)


@pytest.mark.parametrize("text", ["a[?@]", "a | @", "a.[@]", "map(&@, a)", "a[*].{x: @}", "@.a", "a[0]", "a.*"])
def test_a_current_value_elsewhere_is_not_the_scope(text: str) -> None:
    assert not parse(text).uses_current_root


@pytest.mark.parametrize(
    ("text", "calls", "can_fail"),
    [
        ("a.b[?c == 'd'].e | [0]", (), False),
        ("!a || b && c != d", (), False),
        ("a < b", (), False),
        ("a[?b >= `1`]", (), False),
        ("length(a)", ("length",), True),
        ("join('', [type(a), type(b)])", ("join", "type"), True),
        (
            "to_string(not_null(a, to_number(b), to_array(type(c))))",
            ("to_string", "not_null", "to_number", "to_array", "type"),
            False,
        ),
        ("map(&keys(@), a)", ("map", "keys"), True),
    ],
)
def test_calls_and_whether_evaluation_can_fail(text: str, calls: tuple[str, ...], can_fail: bool) -> None:
    path = parse(text)
    assert (path.calls, path.can_fail) == (calls, can_fail)


def test_a_path_is_read_once() -> None:
    assert parse("traits.email") is parse("traits.email")
    assert parse("traits.email") == parse("traits.email")
    assert hash(parse("traits.email")) != hash(parse("traits.phone"))
