"""Totals of a list: sum, product, min, max, average.

Items are read as `number` reads them.  Null items are skipped; any other item that is not a number fails the whole
total, because one that leaves out a price would be wrong without looking wrong.  Arithmetic is decimal: 0.1 + 0.2 is
0.3.  The sum of an empty list is 0; it has no product, min, max or average.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.language.functions.arguments import DECIMAL, exact, list_from, number_from, plain
from engine.language.functions.model import LIST, NUMBER, CannotConvert, Example, Function, Parameter
from engine.records import Json


def sum_of(missing: str) -> Callable[[Json], Json]:  # noqa: ARG001  the compiler looks at it
    return _sum


def _sum(value: Json) -> Json:
    return plain(_total(_numbers(value)))


def product(missing: str) -> Callable[[Json], Json]:  # noqa: ARG001  the compiler looks at it
    return _product


def _product(value: Json) -> Json:
    result = Decimal(1)
    for number in _at_least_one(value):
        result = DECIMAL.multiply(result, exact(number))
    return plain(result)


def average(value: Json) -> Json:
    numbers = _at_least_one(value)
    return plain(DECIMAL.divide(_total(numbers), Decimal(len(numbers))))


def smallest(value: Json) -> Json:
    return min(_at_least_one(value))


def largest(value: Json) -> Json:
    return max(_at_least_one(value))


def _numbers(value: Json) -> list[int | float]:
    numbers = []
    for index, item in enumerate(list_from(value)):
        if item is not None:
            try:
                numbers.append(number_from(item))
            except CannotConvert as error:
                raise CannotConvert(f"item {index}: {error}") from None
    return numbers


def _at_least_one(value: Json) -> list[int | float]:
    numbers = _numbers(value)
    if not numbers:
        raise CannotConvert("no items")
    return numbers


def _total(numbers: list[int | float]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = DECIMAL.add(total, exact(number))
    return total


_MISSING = (
    Parameter(
        name="missing",
        about=(
            "What an absent member of a written `list` does: `drop` leaves out the total, which would be wrong without"
            " it; `skip` takes the others."
        ),
        default="drop",
        choices=("drop", "skip"),
    ),
)
_NOT_A_LIST = Example(12, reason="a number is not a list")
_NO_ITEMS = Example([], reason="no items")

FUNCTIONS = (
    Function(
        name="sum",
        group="lists",
        about="The sum of the items. Null items of an event's list are skipped; for a written `list` see `missing`.",
        takes=LIST,
        gives=NUMBER,
        parameters=_MISSING,
        examples=(
            Example([1, 2, 3], 6),
            Example([0.1, 0.2], 0.3),
            Example(["19.99", None, 0.01], 20),
            Example([], 0),
            Example([1, "free"], reason="item 1: not a number"),
            Example([1, [2]], reason="item 1: a list is not a number"),
            Example([1e308, 1e308], reason="the number is too large"),
            _NOT_A_LIST,
        ),
        call=sum_of,
    ),
    Function(
        name="product",
        group="lists",
        about=(
            "The product of the items. Null items of an event's list are skipped; for a written `list` see `missing`:"
            " a price without a quantity is no total."
        ),
        takes=LIST,
        gives=NUMBER,
        parameters=_MISSING,
        examples=(
            Example([19.99, 3], 59.97),
            Example(["2", None, 4], 8),
            _NO_ITEMS,
            Example([2, True], reason="item 1: a boolean is not a number"),
        ),
        call=product,
    ),
    Function(
        name="min",
        group="lists",
        about="The smallest item, as a number.",
        takes=LIST,
        gives=NUMBER,
        examples=(Example([3, "1.5", None], 1.5), _NO_ITEMS, Example(["a"], reason="item 0: not a number")),
        call=smallest,
    ),
    Function(
        name="max",
        group="lists",
        about="The largest item, as a number.",
        takes=LIST,
        gives=NUMBER,
        examples=(Example([3, "10", None], 10), _NO_ITEMS, Example(["a"], reason="item 0: not a number")),
        call=largest,
    ),
    Function(
        name="average",
        group="lists",
        about="The sum divided by the number of items that are not null.",
        takes=LIST,
        gives=NUMBER,
        examples=(
            Example([1, 2], 1.5),
            Example([4, None, "5", 6], 5),
            Example([0.1, 0.2], 0.15),
            _NO_ITEMS,
            _NOT_A_LIST,
        ),
        call=average,
    ),
)
