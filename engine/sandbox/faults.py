"""Ordering that things go wrong: which request, how often, and what happens to it.

Pure and seeded: each order has its own random numbers and its own count of the requests it looked at, so the
same requests meet the same faults, whatever else is ordered.  `app` carries a decision out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Self

from engine.records import Json, JsonObject
from engine.sandbox.exchange import Answer
from engine.sandbox.fault_orders import ITEM_ERROR, FaultError, checked


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
        """Give the seconds to wait."""
        return self._chance.uniform(*self.seconds)

    def answer(self, failure: Callable[[int, int | None], Answer], now: float) -> Answer:
        """Make the answer of a `status` fault, in the vendor's own shape unless the order holds a body."""
        answer = failure(self.status, self.retry_after or None)
        if self.body is not None:
            answer = Answer(self.status, self.body.encode() if isinstance(self.body, str) else self.body)
        if not self.retry_after:
            return answer
        as_date = formatdate(now + self.retry_after, usegmt=True)
        return answer.with_headers({"retry-after": as_date if self.retry_after_as == "date" else str(self.retry_after)})

    def shown(self) -> JsonObject:
        """Give the order as JSON, with how often it looked and struck."""
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
        """Give the errors ordered for the next item of a batch."""
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
        """Give the orders; a copy, for another thread may add one meanwhile."""
        return [*self._faults.values()]

    def forget(self, number: int | None = None) -> bool:
        """Take back one order, or all; false if there is none of that number."""
        if number is None:
            self._faults.clear()
            return True
        return self._faults.pop(number, None) is not None


def _pattern(text: str) -> Callable[[str], Any]:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    try:
        found: Callable[[str], Any] = re2.compile(text, options).search
    except re2.error as error:
        words = error.args[0]
        said = words.decode() if isinstance(words, bytes) else words
        raise FaultError(f"path is no RE2 pattern: {said}") from error
    return found
