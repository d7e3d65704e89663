"""What an order of a fault may say, and reading it: every word checked, with what it takes.

A fault is a JSON object; only `kind` is needed:

    kind         latency | status | reset | half | wrong_json | items
    vendor       the name of one                         (all)
    method       POST                                    (all)
    path         an RE2 pattern, searched in the path    (all)
    rate         0.1: one in ten, by seeded chance       (1: every one)
    seed         of that chance                          (0)
    nth          [1, 4]: these matching requests, counted from 1, instead of `rate`
    every        3: each third matching request, instead of `rate`
    after        5: the first five matching requests are left alone
    count        10: ten times, then never again
    for_seconds  30: from the order on, then never again
    applied      true: the vendor takes the request all the same, only its answer is lost or replaced

and by kind: `seconds` (latency: 0.2 or [0.1, 0.5]); `status`, `retry_after` (seconds), `retry_after_as`
(seconds | date), `body` (status); `body` (wrong_json); `errors` (items: what a failing item says).  For
`items` everything counts items of batches instead of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.records import Json

Reader = Callable[[Json], Any]

KINDS = ("latency", "status", "reset", "half", "wrong_json", "items")
# Whether the vendor takes the request: a lost answer is the interesting case of half and wrong answers.
APPLIED = {"half": True, "wrong_json": True}
WRONG_JSON = '{"success": tru'
ITEM_ERROR = "the sandbox was told to refuse this item"


class FaultError(ValueError):
    """An order that cannot be understood; the text says which word and what it takes."""


def checked(order: Json) -> dict[str, Any]:
    """Give the fields of a `Fault`; raises `FaultError`."""
    if not isinstance(order, dict):
        raise FaultError("a fault is a JSON object with at least `kind`")
    unknown = [name for name in order if name not in READERS]
    if unknown:
        raise FaultError(f"a fault has no {unknown[0]}; it has {', '.join(sorted(READERS))}")
    fields = {name: _read(name, value) for name, value in order.items() if value is not None}
    kind = fields.get("kind")
    if kind is None:
        raise FaultError(f"kind is missing; it is one of {', '.join(KINDS)}")
    fields.setdefault("applied", APPLIED.get(kind, False))
    if kind == "wrong_json":
        fields.setdefault("body", WRONG_JSON)
    return fields


def _read(name: str, value: Json) -> Any:
    takes, reader = READERS[name]
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise FaultError(f"{name} takes {takes}, not {value!r}") from error


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _choice(*choices: str) -> Reader:
    def read(value: Json) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read


def _number(least: float, most: float) -> Reader:
    def read(value: Json) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError
        return float(value)

    return read


def _whole(least: int, most: int) -> Reader:
    def read(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return read


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _list_of(reader: Reader) -> Reader:
    def read(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise TypeError
        return tuple(reader(one) for one in value)

    return read


def _span(value: Json) -> tuple[float, float]:
    one = _number(0, DAY)
    if isinstance(value, list):
        low, high = value
        return one(low), one(high)
    return one(value), one(value)


DAY = 86_400
MANY = 10**9
COUNT = ("a whole number from 0", _whole(0, MANY))

READERS: dict[str, tuple[str, Reader]] = {
    "kind": (f"one of {', '.join(KINDS)}", _choice(*KINDS)),
    "vendor": ("a vendor's name", _text),
    "method": ("a method such as POST", _text),
    "path": ("an RE2 pattern", _text),
    "rate": ("a number from 0 to 1", _number(0, 1)),
    "seed": ("a whole number from 0", _whole(0, 2**63)),
    "nth": ("a list of whole numbers from 1", _list_of(_whole(1, MANY))),
    "every": ("a whole number from 1", _whole(1, MANY)),
    "after": COUNT,
    "count": COUNT,
    "for_seconds": ("seconds", _number(0, DAY)),
    "applied": ("true or false", _truth),
    "seconds": ("seconds, or a list of two", _span),
    "status": ("a status from 200 to 599", _whole(200, 599)),
    "retry_after": ("whole seconds", _whole(1, DAY)),
    "retry_after_as": ("seconds or date", _choice("seconds", "date")),
    "body": ("JSON, or a text sent as it is", lambda value: value),
    "errors": ("a list of texts", _list_of(_text)),
}
