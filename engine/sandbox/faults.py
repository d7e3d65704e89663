"""Ordering that things go wrong: which request, how often, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Self

from engine.language.regex import compile_pattern
from engine.records import Json, JsonObject
from engine.sandbox.http_messages import VendorResponse

Reader = Callable[[Json], Any]

KINDS = ("latency", "status", "reset", "half", "wrong_json", "items")
# Whether the vendor takes the request: a lost answer is the interesting case of half and wrong answers.
APPLIED = {"half": True, "wrong_json": True}
WRONG_JSON = '{"success": tru'
ITEM_ERROR = "the sandbox was told to refuse this item"


class FaultError(ValueError):
    """An order that cannot be understood; the text says which word and what it takes."""


def checked(order: Json) -> dict[str, Any]:
    """Return the fields of a `Fault`; raises `FaultError`."""
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


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order; what its fields mean is told in `fault_orders`."""

    kind: str
    vendor: str = ""
    method: str = ""
    path: str = ""
    rate: float = 1.0
    seed: int = 0
    nth: tuple[int, ...] = ()
    every: int = 0
    after: int = 0
    count: int = 0
    for_seconds: float = 0.0
    applied: bool = False
    seconds: tuple[float, float] = (0.0, 0.0)
    status: int = 503
    retry_after: int = 0
    retry_after_as: str = "seconds"
    body: Json = None
    errors: tuple[str, ...] = (ITEM_ERROR,)
    number: int = 0
    ordered_at: float = 0.0
    looked_at: int = 0
    struck: int = 0
    _chance: Random = field(default_factory=Random, repr=False)
    _found: Callable[[str], Any] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, order: Json, number: int, now: float) -> Self:
        """Read an order; raises `FaultError`."""
        fault = cls(**checked(order), number=number, ordered_at=now)
        fault._chance = Random(fault.seed)  # noqa: S311  repeatable on purpose
        if fault.path:
            fault._found = _pattern(fault.path)
        return fault

    def concerns(self, vendor: str, method: str, path: str, now: float) -> bool:
        """Whether a request is one of those the order is about."""
        if self.for_seconds and now > self.ordered_at + self.for_seconds:
            return False
        if (self.vendor and self.vendor != vendor) or (self.method and self.method != method):
            return False
        return self._found is None or bool(self._found(path))

    def strikes(self) -> bool:
        """Count one more request (or item) and say whether it is hit."""
        self.looked_at += 1
        place = self.looked_at - self.after
        if place <= 0 or (self.count and self.struck >= self.count):
            return False
        if self.nth:
            hit = place in self.nth
        elif self.every:
            hit = place % self.every == 0
        else:
            hit = self._chance.random() < self.rate
        self.struck += hit
        return hit

    def delay(self) -> float:
        """Return the seconds to wait."""
        return self._chance.uniform(*self.seconds)

    def answer(self, failure: Callable[[int, int | None], VendorResponse], now: float) -> VendorResponse:
        """Make the answer of a `status` fault, in the vendor's own shape unless the order holds a body."""
        answer = failure(self.status, self.retry_after or None)
        if self.body is not None:
            answer = VendorResponse(self.status, self.body.encode() if isinstance(self.body, str) else self.body)
        if not self.retry_after:
            return answer
        as_date = formatdate(now + self.retry_after, usegmt=True)
        return answer.with_headers({"retry-after": as_date if self.retry_after_as == "date" else str(self.retry_after)})

    def shown(self) -> JsonObject:
        """Return the order as JSON, with how often it looked and struck."""
        names = ("kind", "vendor", "method", "path", "rate", "seed", "every", "after", "count", "for_seconds")
        told: JsonObject = {name: getattr(self, name) for name in names}
        told |= {"nth": [*self.nth], "applied": self.applied}
        return {"id": self.number, **told, "looked_at": self.looked_at, "struck": self.struck}


@dataclass(slots=True, kw_only=True)
class Decision:
    """What happens to one request: a delay, at most one thing done to its answer, failing items."""

    delay: float = 0.0
    fault: Fault | None = None
    items: list[Fault] = field(default_factory=list)

    def item_error(self) -> list[str] | None:
        """Return the errors ordered for the next item of a batch."""
        for fault in self.items:
            if fault.strikes():
                return [*fault.errors]
        return None


class Faults:
    """The orders that stand, in the order they were given."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last = 0

    def order(self, orders: Json, now: float) -> list[Fault]:
        """Add an order or a list of them, all or none; raises `FaultError`."""
        given = orders if isinstance(orders, list) else [orders]
        made = [Fault.read(order, self._last + number, now) for number, order in enumerate(given, 1)]
        self._last += len(made)
        self._faults |= {fault.number: fault for fault in made}
        return made

    def decide(self, vendor: str, method: str, path: str, now: float) -> Decision:
        """Say what happens to a request; delays add up, of the rest the first that strikes wins."""
        decision = Decision()
        for fault in self.all():
            if not fault.concerns(vendor, method, path, now):
                continue
            if fault.kind == "items":
                decision.items.append(fault)
            elif fault.strikes():
                if fault.kind == "latency":
                    decision.delay += fault.delay()
                else:
                    decision.fault = decision.fault or fault
        return decision

    def all(self) -> list[Fault]:
        """Return the orders; a copy, for another thread may add one meanwhile."""
        return [*self._faults.values()]

    def forget(self, number: int | None = None) -> bool:
        """Take back one order, or all; false if there is none of that number."""
        if number is None:
            self._faults.clear()
            return True
        return self._faults.pop(number, None) is not None


def _pattern(text: str) -> Callable[[str], Any]:
    try:
        found: Callable[[str], Any] = compile_pattern(text).search
    except ValueError as error:
        raise FaultError(f"path is not a valid RE2 pattern: {error}") from None
    return found
