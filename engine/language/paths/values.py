"""What operators and functions of paths mean: markers, truth, order, `to_number`, and the words of type errors.

The library's interpreter in `evaluation` and the code that `compiler.paths` writes both call these, so the two
cannot differ.  Equality is Python's, but `true` is not 1: that is how the jmespath library compares.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import orjson

from engine.errors import WaybillError
from engine.language.texts import NUMBER, kind_of, whole
from engine.records import Json

MOST_JOINED = 1_000_000
"""Characters that `join` puts between texts at most."""

_KINDS = {
    "array": "a list",
    "string": "text",
    "object": "an object",
    "number": "a number",
    "boolean": "a boolean",
    "null": "null",
    "array-string": "a list of text values",
    "array-number": "a list of numbers",
}
# The library names the type of a list's item as Python does, and that of anything else as JMESPath does.
_ITEM_KINDS = {
    "list": "a list",
    "str": "text",
    "dict": "an object",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "NoneType": "null",
}


class PathTypeError(WaybillError):
    """A function got a value of a kind that it does not take; the text is one sentence."""


class PathTooLongError(PathTypeError):
    """The evaluation of a path takes too many steps."""


class Marker(str):
    """Stands in a dry run for a value that only a vendor's response contains: `<saved.user_key>`.

    It has `get` because that is the one method that the jmespath library needs to look up fields.
    """

    __slots__ = ()

    def get(self, key: str) -> Marker:
        """Return the marker of a field, such as `<saved.user_key.id>`."""
        return Marker(f"{self[:-1]}.{key}>")


def joined(between: str, entries: list[str]) -> str:
    """Join texts; the text between them counts for every entry, so a long one is refused where there are many."""
    if len(between) * len(entries) > MOST_JOINED:
        raise PathTypeError("join() would return a text that is too long.")
    return between.join(entries)


def size_of(*values: object) -> int:
    """Return how much a function has to look at: characters, entries and keys."""
    return sum(len(value) for value in values if isinstance(value, str | list | dict))


def equal(left: Json, right: Json) -> bool:
    """Compare as JMESPath does: `true` and 1 differ (inside lists and objects the library lets them be equal)."""
    return left == right and isinstance(left, bool) is isinstance(right, bool)


def holds(value: Json) -> bool:
    """Return JMESPath's truth: null, false, '', [] and {} do not hold; 0 does."""
    return bool(value) or (value == 0 and value is not False)


SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def ordered(sign: str, left: Json, right: Json) -> bool | None:
    """Evaluate `<`, `<=`, `>` or `>=`: null unless both sides are numbers (JMESPath specification, "Ordering")."""
    both = _is_number(left) and _is_number(right)
    return _ORDERS[sign](left, right) if both else None  # type: ignore[arg-type]


def not_ordered(sign: str, left: Json, right: Json) -> str | None:
    """Say why a comparison gave null; None where a side is null, because what is missing surprises nobody."""
    if left is None or right is None:
        return None
    return f"{sign} compares two numbers; comparing {kind_of(left)} with {kind_of(right)} gives null"


def _is_number(value: Json) -> bool:
    return type(value) is int or type(value) is float


def to_string(value: Json) -> str | None:
    """Return the digits of a whole number; None for anything else, which the library writes as JSON."""
    number = whole(value) if type(value) is float else None
    return None if number is None else str(number)


def to_number(value: Json) -> Json:
    """Evaluate `to_number`: a number as it is, text that is a number in JSON's grammar, null for anything else."""
    if _is_number(value):
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value):
        try:
            return orjson.loads(value)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError:  # too large for a float
            return None
    return None


def function_error(function: str, actual: str, expected: Sequence[str]) -> PathTypeError:
    """Word a type error of a function; `actual` and `expected` are the library's names of types."""
    if function.endswith("_by"):
        return PathTypeError(f"{function}() compares numbers or text, not {_KINDS.get(actual, actual)}.")
    takes = " or ".join(_KINDS.get(name, name) for name in expected)
    if actual in _ITEM_KINDS:
        return PathTypeError(f"{function}() takes {takes}; one item is {_ITEM_KINDS[actual]}.")
    return PathTypeError(f"{function}() takes {takes}, not {_KINDS.get(actual, actual)}.")
