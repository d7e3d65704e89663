"""Fault injection: which requests are hit, how often, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Self, cast

from engine.language.regex import compile_pattern
from engine.records import Json, JsonObject
from engine.sandbox.http_messages import VendorResponse

Reader = Callable[[Json], Any]

KINDS = ("latency", "status", "reset", "half", "wrong_json", "items")
# Whether the vendor processes the request by default: with half and wrong responses, a lost response is what to test.
APPLIED = {"half": True, "wrong_json": True}
WRONG_JSON = '{"success": tru'
ITEM_ERROR = "rejected by a sandbox fault"
SHAPE = {
    "latency": ("seconds",),
    "status": ("status", "retry_after", "retry_after_as", "body"),
    "wrong_json": ("body",),
    "items": ("errors",),
}
"""What a fault of a kind has besides which requests it hits."""


class FaultError(ValueError):
    """An invalid fault; the text names the key and what it takes."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault; docs/sandbox.md explains the fields."""

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
    injected_at: float = 0.0
    matched: int = 0
    hit: int = 0
    _chance: Random = field(default_factory=Random, repr=False)
    _search: Callable[[str], Any] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, given: Json, number: int, now: float) -> Self:
        """Read a fault; raises `FaultError`."""
        fault = cls(**_fields(given), number=number, injected_at=now)
        fault._chance = Random(fault.seed)  # noqa: S311  repeatable on purpose
        if fault.path:
            fault._search = _pattern(fault.path)
        return fault

    def concerns(self, vendor: str, method: str, path: str, now: float) -> bool:
        """Whether the fault is about a request."""
        if self.for_seconds and now > self.injected_at + self.for_seconds:
            return False
        if (self.vendor and self.vendor != vendor) or (self.method and self.method != method):
            return False
        return self._search is None or bool(self._search(path))

    def hits(self) -> bool:
        """Count one more request (or item) and return whether the fault hits it."""
        self.matched += 1
        place = self.matched - self.after
        if place <= 0 or (self.count and self.hit >= self.count):
            return False
        if self.nth:
            hit = place in self.nth
        elif self.every:
            hit = place % self.every == 0
        else:
            hit = self._chance.random() < self.rate
        self.hit += hit
        return hit

    def delay(self) -> float:
        """Return the seconds to wait."""
        return self._chance.uniform(*self.seconds)

    def response(self, failure: Callable[[int, int | None], VendorResponse], now: float) -> VendorResponse:
        """Return the response of a `status` fault, in the vendor's format unless the fault has a body."""
        response = failure(self.status, self.retry_after or None)
        if self.body is not None:
            response = VendorResponse(self.status, self.body.encode() if isinstance(self.body, str) else self.body)
        if not self.retry_after:
            return response
        as_date = formatdate(now + self.retry_after, usegmt=True)
        return response.with_headers(
            {"retry-after": as_date if self.retry_after_as == "date" else str(self.retry_after)}
        )

    def as_json(self) -> JsonObject:
        """Return the fault as JSON, with how many requests it matched and hit."""
        names = ("kind", "vendor", "method", "path", "rate", "seed", "every", "after", "count", "for_seconds")
        fields: JsonObject = {name: getattr(self, name) for name in names}
        fields |= {"nth": [*self.nth], "applied": self.applied}
        fields |= {name: _plain(getattr(self, name)) for name in SHAPE.get(self.kind, ())}
        return {"id": self.number, **fields, "matched": self.matched, "hit": self.hit}


@dataclass(slots=True, kw_only=True)
class Decision:
    """What happens to one request: a delay, at most one fault of its response, failing items."""

    delay: float = 0.0
    fault: Fault | None = None
    items: list[Fault] = field(default_factory=list)

    def item_error(self) -> list[str] | None:
        """Return the injected errors of the next item of a batch, or None."""
        for fault in self.items:
            if fault.hits():
                return [*fault.errors]
        return None


class Faults:
    """The active faults, oldest first; those of the `vendors` with these names, or of any if none are given."""

    def __init__(self, vendors: Collection[str] = ()) -> None:
        self.vendors = vendors
        self._faults: dict[int, Fault] = {}
        self._last = 0

    def inject(self, faults: Json, now: float) -> list[Fault]:
        """Add a fault or a list of faults, all or none; raises `FaultError`."""
        given = faults if isinstance(faults, list) else [faults]
        made = [Fault.read(fault, self._last + number, now) for number, fault in enumerate(given, 1)]
        for fault in made:
            if fault.vendor and self.vendors and fault.vendor not in self.vendors:
                raise FaultError(f"vendor must be one of {', '.join(self.vendors)}, not {fault.vendor!r}")
        self._last += len(made)
        self._faults |= {fault.number: fault for fault in made}
        return made

    def decide(self, vendor: str, method: str, path: str, now: float) -> Decision:
        """Return what happens to a request: delays add up; of the other faults the first that hits wins."""
        decision = Decision()
        for fault in self.all():
            if not fault.concerns(vendor, method, path, now):
                continue
            if fault.kind == "items":
                decision.items.append(fault)
            elif fault.hits():
                if fault.kind == "latency":
                    decision.delay += fault.delay()
                else:
                    decision.fault = decision.fault or fault
        return decision

    def all(self) -> list[Fault]:
        """Return the faults; a copy, since another thread may add one meanwhile."""
        return [*self._faults.values()]

    def remove(self, number: int | None = None) -> bool:
        """Remove one fault, or all; false for an unknown number."""
        if number is None:
            self._faults.clear()
            return True
        return self._faults.pop(number, None) is not None


def _fields(given: Json) -> dict[str, Any]:
    """Return the checked fields of a `Fault`; raises `FaultError`."""
    if not isinstance(given, dict):
        raise FaultError("a fault must be a JSON object with at least `kind`")
    unknown = [name for name in given if name not in READERS]
    if unknown:
        raise FaultError(f"unknown key {unknown[0]}; allowed: {', '.join(sorted(READERS))}")
    fields = {name: _read(name, value) for name, value in given.items() if value is not None}
    kind = fields.get("kind")
    if kind is None:
        raise FaultError(f"kind is missing; write one of {', '.join(KINDS)}")
    fields.setdefault("applied", APPLIED.get(kind, False))
    if kind == "wrong_json":
        fields.setdefault("body", WRONG_JSON)
    return fields


def _read(name: str, value: Json) -> Any:
    takes, reader = READERS[name]
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise FaultError(f"{name} must be {takes}, not {value!r}") from error


def _plain(value: Any) -> Json:
    """Return a field as JSON: a span of one length is a number."""
    if not isinstance(value, tuple):
        return cast("Json", value)
    return cast("Json", value[0] if len(set(value)) == 1 and isinstance(value[0], float) else [*value])


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
COUNT = ("a whole number, 0 or more", _whole(0, MANY))

READERS: dict[str, tuple[str, Reader]] = {
    "kind": (f"one of {', '.join(KINDS)}", _choice(*KINDS)),
    "vendor": ("a vendor's name", _text),
    "method": ("a method such as POST", _text),
    "path": ("an RE2 pattern", _text),
    "rate": ("a number from 0 to 1", _number(0, 1)),
    "seed": ("a whole number, 0 or more", _whole(0, 2**63)),
    "nth": ("a list of positive whole numbers", _list_of(_whole(1, MANY))),
    "every": ("a positive whole number", _whole(1, MANY)),
    "after": COUNT,
    "count": COUNT,
    "for_seconds": ("a number of seconds", _number(0, DAY)),
    "applied": ("true or false", _truth),
    "seconds": ("a number of seconds, or a list of two", _span),
    "status": ("a status from 200 to 599", _whole(200, 599)),
    "retry_after": ("a whole number of seconds", _whole(1, DAY)),
    "retry_after_as": ("seconds or date", _choice("seconds", "date")),
    "body": ("JSON, or text sent as it is", lambda value: value),
    "errors": ("a list of text", _list_of(_text)),
}


def _pattern(text: str) -> Callable[[str], Any]:
    try:
        found: Callable[[str], Any] = compile_pattern(text).search
    except ValueError as error:
        raise FaultError(f"path is not a valid RE2 pattern: {error}") from None
    return found
