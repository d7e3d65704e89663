"""Texts that are no path: the message, whole, and the column."""

from __future__ import annotations

import pytest

from engine.errors import PathError
from engine.language.paths import parse, search
from tests.tables import each

TOO_DEEP = "The path is nested too deeply. Name a piece of it under parts and use that."
NOT_DOT = "! binds tighter than a dot: !a.b is (!a).b, which is always null. Write !(a.b)."
AND_ONLY = "& is only for the functions sort_by, min_by, max_by and map."
TOO_LARGE = "A number in this literal is too large: it must fit in 64 bits."

ERRORS = [
    ("", 1, "The path is empty."),
    (" \n", 1, "The path is empty."),
    ("x" * 10_001, 10_001, "The path has 10,001 characters; the limit is 10,000."),
    # Names.
    ("traits.first-name", 13, 'A name with - in it needs double quotes: "first-name".'),
    ("first-1", 6, 'A name with - in it needs double quotes: "first-1".'),
    ("traits.naïve", 10, 'A name with ï in it needs double quotes: "naïve".'),
    ("properties.Feed Type", 17, 'A name with a space in it needs double quotes: "Feed Type".'),
    ("list.0", 6, 'A dot must be followed by a name. Write [0] for a list item, or quote a name: "0".'),
    ("a..b", 3, 'A dot must be followed by a name, not ".".'),
    ("a.'b'", 3, 'A dot must be followed by a name, not "b".'),
    ("a.", 3, 'Something must follow ".".'),
    ('"a\\q"', 1, '"a\\q" is not a valid name: inside double quotes, write \\\\ for \\.'),
    ('a."\\ud800"', 3, "This text contains a lone surrogate, which JSON cannot represent."),
    # Signs.
    ("a = 'b'", 3, "Write == to compare."),
    ("a and b", 3, "Write && instead of and."),
    ("a or b", 3, "Write || instead of or."),
    ("not a", 5, "Write ! instead of not: !a."),
    ("a == ", 6, 'Something must follow "==".'),
    ("== a", 1, 'A path cannot start with "==".'),
    ("a ! b", 3, '"!" cannot follow "a".'),
    (
        "a + b",
        3,
        'A path does not calculate. Write { list: [a, b], as: sum }; for text, { text: "${a}${b}" }.',
    ),
    ("a % b", 3, "% has no meaning in a path."),
    ("$.a", 1, "A path has no $. Write a."),
    ("$a.b", 1, "A path has no $. Write a.b."),
    ("${a}", 1, "Write a path without ${ }, which is for values inside text."),
    (" {{ a.b }} ", 1, "A path stands without braces. Write a.b."),
    ("a ? b : c", 3, "A path has no ? and :. Write a choice: [{ from: b, when: a }, c]."),
    ("a ? b", 3, "A path has no ?. Write a choice whose entries have `when`."),
    ("a.x ?? b", 5, "A path has no ??. Write a list of values: [a.x, b]."),
    ("a == é", 6, "For text, use single quotes: 'é'."),
    ("a == b-c", 7, "For text, use single quotes: 'b-c'."),
    (
        "a - b",
        3,
        "A path does not calculate. Write { list: [a, { from: b, as: { multiply: -1 } }], as: sum }.",
    ),
    ("${a}", 1, "Write a path without ${ }, which is for values inside text."),
    ("!traits.email", 1, NOT_DOT),
    ("a && !b.c == 'd'", 6, NOT_DOT),
    ("a[?!b.c]", 4, NOT_DOT),
    ("!a[?b]", 1, NOT_DOT),
    ("(!a).b", 2, NOT_DOT),
    # Brackets.
    ("length(a", 9, "The ( in column 7 is never closed."),
    ("[a, b", 6, "The [ in column 1 is never closed."),
    ("a[?b == 'c'", 12, "The [? in column 2 is never closed."),
    ("{a: b", 6, "The { in column 1 is never closed."),
    ("a]", 2, '"]" cannot follow "a".'),
    ("a[b.c]", 3, "Brackets hold no paths. To look up a computed key, write { from: b.c, map: a }."),
    ("x && (a.b['c'])", 11, "Brackets hold no names. Write a.b.c."),
    ('a["b c"]', 3, 'Brackets hold no names. Write a."b c".'),
    ("[0][b]", 5, '[ ] after a value takes a number, * or ?condition, not "b".'),
    ("a == 3", 6, "Write numbers in backquotes: `3`."),
    ("a[?b > -1.5]", 8, "Write numbers in backquotes: `-1.5`."),
    ("5 < a", 1, "Write numbers in backquotes: `5`."),
    ("a == b c d && e", 8, "For text, use single quotes: 'b c d'."),
    ("!a && b in ['x', 'y']", 9, "A path has no in. Write contains(['x', 'y'], b)."),
    ('a.b in ["x"]', 5, "A path has no in. Write contains(['x'], a.b)."),
    ("a in b", 3, "A path has no in. Write contains(['a', 'b'], a)."),
    ("a <> b", 4, "Write != instead of <>."),
    ("a AND b", 3, "Write && instead of AND."),
    ("a is null", 3, "A path has no is. Write == `null` to find what is missing."),
    ("a like 'b%'", 3, "A path has no like. Write contains(event, 'text')."),
    ("a & b", 3, "Write && instead of &."),
    ("{a}", 1, "A path stands without braces. Write a."),
    ("a[::0]", 2, "The step of a slice cannot be 0."),
    ("a[1:2:3:4]", 8, '":" cannot follow "3".'),
    # Literals.
    ("'a", 1, "The quote ' is never closed."),
    ('a."b', 3, 'The quote " is never closed.'),
    ("a == `b", 6, "The quote ` is never closed."),
    ("a == 'b\\'", 6, "The quote ' is never closed."),
    ("a == `b c`", 6, "`b c` is not JSON. For text, write 'b c'."),
    ("`{a: 1}`", 1, "`{a: 1}` is not JSON."),
    ("``", 1, "`` is not JSON."),
    ("`NaN`", 1, "`NaN` is not JSON. For text, write 'NaN'."),
    ("`-Infinity`", 1, "`-Infinity` is not JSON. For text, write '-Infinity'."),
    ("`1e999`", 1, TOO_LARGE),
    ('`[{"a": 18446744073709551616}]`', 1, TOO_LARGE),
    ('`"\\ud800"`', 1, "This text contains a lone surrogate, which JSON cannot represent."),
    ("'a' b", 5, '"b" cannot follow "a".'),
    ("a[" + "9" * 5_000 + "]", 1, "A number in this path is too long."),
    # Functions.
    ("lenght(a)", 1, 'JMESPath has no function "lenght". Did you mean "length"?'),
    ("a || Join(b)", 6, 'JMESPath has no function "Join". Did you mean "join"?'),
    ("sha256(a)", 1, 'JMESPath has no function "sha256". Functions that convert a value go under `as`.'),
    ('"length"(a)', 1, "A function name is not quoted: write length(...)."),
    ("length()", 1, "length() takes 1 argument, not 0."),
    ("a.length(b, c)", 3, "length() takes 1 argument, not 2."),
    ("join(a)", 1, "join() takes 2 arguments, not 1."),
    ("not_null()", 1, "not_null() takes at least 1 argument, not 0."),
    ("sort_by(a, b)", 1, "sort_by() takes an expression as its second argument: sort_by(list, &name)."),
    ("map(a, b)", 1, "map() takes an expression as its first argument: map(&name, list)."),
    ("sort_by(&a, b)", 9, AND_ONLY),
    ("&a", 1, AND_ONLY),
    ("[a, &b]", 5, AND_ONLY),
    ("length(&a)", 8, AND_ONLY),
    ("@(a)", 1, 'A path cannot start with "@".'),
    # Depth.
    ("(" * 51 + "a" + ")" * 51, 51, TOO_DEEP),
    ("!" * 60 + "a", 51, TOO_DEEP),
    ("a" + "[*]" * 60, 150, TOO_DEEP),
    (" || ".join(["a"] * 101), 1, TOO_DEEP),
    ("`" + "[" * 5_000 + "`", 1, TOO_DEEP),
    ("`" + "[" * 60 + "]" * 60 + "`", 1, TOO_DEEP),
]


@each("text, column, message", ERRORS)
def test_what_is_wrong_and_where(text: str, column: int, message: str) -> None:
    with pytest.raises(PathError) as raised:
        parse(text)
    assert (str(raised.value), raised.value.column) == (message, column)
    with pytest.raises(PathError):
        search(text, {})
