"""Numbers: round, floor, ceil, abs, fixed, add, multiply.

Rounding is decimal, on the shortest text of the number: a price of 2.675 is 2.675, not 2.67499999999999982, and
rounds to 2.68.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from math import ceil, floor

from engine.language.functions.arguments import DECIMAL, exact, finite, number_from, plain, whole_or_float
from engine.language.functions.model import NUMBER, TEXT, Example, Function, Parameter
from engine.records import Json

_MOST_DIGITS = 20
_WIDE = Context(prec=400)  # the largest float has 309 digits before the point


def round_to(digits: int) -> Callable[[Json], Json]:
    def rounded(value: Json) -> Json:
        number = number_from(value)
        return number if isinstance(number, int) else whole_or_float(float(_rounded(number, digits)))

    return rounded


def fixed(digits: int) -> Callable[[Json], Json]:
    def written(value: Json) -> Json:
        number = _rounded(number_from(value), digits)
        return f"{number or abs(number):f}"

    return written


def round_down(value: Json) -> Json:
    return finite(floor(number_from(value)))


def round_up(value: Json) -> Json:
    return finite(ceil(number_from(value)))


def absolute(value: Json) -> Json:
    return finite(abs(number_from(value)))


def add(number: float) -> Callable[[Json], Json]:
    given = exact(number)
    return lambda value: plain(DECIMAL.add(exact(number_from(value)), given))


def multiply(number: float) -> Callable[[Json], Json]:
    given = exact(number)
    return lambda value: plain(DECIMAL.multiply(exact(number_from(value)), given))


def _rounded(number: float, digits: int) -> Decimal:
    """Round half away from zero, which decimal calls ROUND_HALF_UP."""
    return Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)


def _digits(about: str, default: Json = None) -> tuple[Parameter, ...]:
    return (Parameter(name="digits", about=about, kind="integer", default=default, at_most=_MOST_DIGITS),)


_NOT_A_NUMBER = Example("n/a", reason="not a number")

FUNCTIONS = (
    Function(
        name="round",
        group="numbers",
        about="The number rounded to that many decimals; halves are rounded away from zero.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        parameters=_digits("The number of decimals to keep.", default=0),
        examples=(
            Example(2.5, 3),
            Example(-2.5, -3),
            Example(2.675, 2.68, {"digits": 2}),
            Example("19.994", 19.99, {"digits": 2}),
            Example(20, 20, {"digits": 2}),
            Example(-0.4, 0),
            _NOT_A_NUMBER,
        ),
        call=round_to,
    ),
    Function(
        name="floor",
        group="numbers",
        about="The largest whole number that is not greater than the value.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        examples=(Example(2.9, 2), Example(-2.1, -3), Example("7", 7), _NOT_A_NUMBER),
        call=round_down,
    ),
    Function(
        name="ceil",
        group="numbers",
        about="The smallest whole number that is not less than the value.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        examples=(Example(2.1, 3), Example(-2.9, -2), Example("7.0", 7), _NOT_A_NUMBER),
        call=round_up,
    ),
    Function(
        name="abs",
        group="numbers",
        about="The absolute value of the number.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        examples=(Example(-19.99, 19.99), Example("-3", 3), Example(0, 0), _NOT_A_NUMBER),
        call=absolute,
    ),
    Function(
        name="fixed",
        group="numbers",
        about="The number as text with exactly that many decimals; halves are rounded away from zero.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        parameters=_digits("The number of decimals to write."),
        examples=(
            Example(20, "20.00", {"digits": 2}),
            Example(2.675, "2.68", {"digits": 2}),
            Example("1e3", "1000", {"digits": 0}),
            Example(-0.001, "0.00", {"digits": 2}),
            Example("free", parameters={"digits": 2}, reason="not a number"),
        ),
        call=fixed,
    ),
    Function(
        name="add",
        group="numbers",
        about="The number and a constant added, in decimal: 0.1 and 0.2 are 0.3.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        parameters=(Parameter(name="number", about="What is added; it may be negative.", kind="number"),),
        examples=(
            Example(2, 3, {"number": 1}),
            Example("0.1", 0.3, {"number": 0.2}),
            Example(10, 0, {"number": -10}),
            Example(1e308, parameters={"number": 1e308}, reason="the number is too large"),
            Example("n/a", parameters={"number": 1}, reason="not a number"),
        ),
        call=add,
    ),
    Function(
        name="multiply",
        group="numbers",
        about="The number multiplied by a constant, in decimal: a price in cents is `{ multiply: 100 }`.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        parameters=(Parameter(name="number", about="The factor.", kind="number"),),
        examples=(
            Example(19.99, 1999, {"number": 100}),
            Example("5", 0.5, {"number": 0.1}),
            Example(3, 0, {"number": 0}),
            Example(1e308, parameters={"number": 10}, reason="the number is too large"),
            Example([3], parameters={"number": 2}, reason="a list is not a number"),
        ),
        call=multiply,
    ),
)
