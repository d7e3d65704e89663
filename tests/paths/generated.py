"""Random paths over the names a, b, saved, and random documents that have them.

`saved` is written in another way than other names, for its values may be markers.
"""

from __future__ import annotations

from hypothesis import strategies as st

SCALARS = st.sampled_from([None, True, False, 0, 1, 2, -1, 0.0, -0.0, 1.0, 2.5, "", "a", "b", "1", "é"])
NAMES = st.sampled_from(["a", "b", "saved", '"a"'])
KEYS = st.sampled_from(["a", "b", "saved"])
LITERALS = st.sampled_from(
    ["'a'", "''", "`1`", "`0`", "`1.0`", "`true`", "`false`", "`null`", "`[]`", "`{}`", "`[1, null]`", '`{"a": [1]}`']
)
INDEXES = st.sampled_from(["[0]", "[1]", "[-1]", "[-3]", "[7]"])
SLICES = st.sampled_from(["[:]", "[1:]", "[:-1]", "[::-1]", "[::2]", "[0:2]"])
PROJECTIONS = st.sampled_from(["[*]", "[]", ".*"])
OPERATORS = st.sampled_from(["||", "&&", "==", "!=", "<", "<=", ">", ">=", "|", "||", "&&", "=="])
TOTAL = ["to_array", "to_string", "type", "not_null"]
ONE_ARGUMENT = st.sampled_from(
    ["abs", "avg", "ceil", "floor", "keys", "length", "max", "merge", "min", "reverse", "sort", "sum", "values", *TOTAL]
)
TWO_ARGUMENTS = st.sampled_from(["contains", "starts_with", "ends_with", "join", "not_null", "merge"])
BY_EXPRESSION = st.sampled_from(["sort_by({0}, &{1})", "min_by({0}, &{1})", "max_by({0}, &{1})", "map(&{1}, {0})"])

values = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(KEYS, values, max_size=3)


@st.composite
def paths(draw: st.DrawFn, depth: int = 3, inside: bool = False) -> str:
    """Draw a path; `inside` a filter or after a pipe the current value may be named as well."""
    if depth == 0:
        return draw(NAMES if not inside else NAMES | st.just("@"))
    shapes = [_plain, _plain, _suffixed, _suffixed, _filtered, _combined, _combined, _negated]
    shape = draw(st.sampled_from([*shapes, _called, _called_twice, _called_by, _made_list, _made_object, _bracketed]))
    return shape(draw, depth, inside)


def _part(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return draw(paths(draw(st.integers(0, depth - 1)), inside))


def _plain(draw: st.DrawFn, depth: int, inside: bool) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(LITERALS)
    return ".".join(draw(st.lists(NAMES, min_size=1, max_size=3)))


def _suffixed(draw: st.DrawFn, depth: int, inside: bool) -> str:
    suffix = draw(INDEXES | SLICES | PROJECTIONS | NAMES.map(".{}".format))
    return _part(draw, depth, inside) + suffix


def _filtered(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return f"{_part(draw, depth, inside)}[?{_part(draw, depth, True)}]"


def _combined(draw: st.DrawFn, depth: int, inside: bool) -> str:
    operator = draw(OPERATORS)
    return f"{_part(draw, depth, inside)} {operator} {_part(draw, depth, inside or operator == '|')}"


def _negated(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return f"!({_part(draw, depth, inside)})"


def _called(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return f"{draw(ONE_ARGUMENT)}({_part(draw, depth, inside)})"


def _called_twice(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return f"{draw(TWO_ARGUMENTS)}({_part(draw, depth, inside)}, {_part(draw, depth, inside)})"


def _called_by(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return draw(BY_EXPRESSION).format(_part(draw, depth, inside), _part(draw, depth, True))


def _made_list(draw: st.DrawFn, depth: int, inside: bool) -> str:
    dot = draw(st.sampled_from(["", "a.", "b[*]."]))
    parts = [_part(draw, depth, inside or bool(dot)) for _ in range(draw(st.integers(1, 2)))]
    return f"{dot}[{', '.join(parts)}]"


def _made_object(draw: st.DrawFn, depth: int, inside: bool) -> str:
    dot = draw(st.sampled_from(["", "a.", "b[*]."]))
    keys = draw(st.lists(KEYS, min_size=1, max_size=2))
    return dot + "{" + ", ".join(f"{key}: {_part(draw, depth, inside or bool(dot))}" for key in keys) + "}"


def _bracketed(draw: st.DrawFn, depth: int, inside: bool) -> str:
    return f"({_part(draw, depth, inside)})"
