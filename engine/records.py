"""The data types that the whole engine shares: JSON, Place, Secret, Report, PlannedRequest, Plan, Outcome.

They are named tuples rather than frozen dataclasses: two or three are made for every event, and a named tuple is
created four times faster and is just as immutable.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Self, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""The integers that JSON writers in use can write: orjson refuses others."""

Place: TypeAlias = tuple[str | int, ...]
"""The path to a value inside a document: the keys and indexes that lead to it."""

MASK = "***"


class Outcome(StrEnum):
    """How an event ended for one destination; every event has exactly one, with a reason."""

    PLANNED = "planned"
    DELIVERED = "delivered"
    IGNORED = "ignored"
    INVALID = "invalid"
    REJECTED = "rejected"
    WAITING = "waiting"
    HELD = "held"


class Secret(str):
    """A text that must not be shown: the real text for requests, a masked one for people.

    Sending (`encode`, JSON, joining) uses the real text; formatting and printing (`str()`, `repr()`, f-strings) get
    `masked`, such as `Token ***` for `Token abc`.
    """

    __slots__ = ("masked",)
    masked: str

    def __new__(cls, value: str, masked: str = MASK) -> Self:
        """Wrap `value`; people see `masked` instead."""
        self = super().__new__(cls, value)
        self.masked = masked
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[str, str]]:
        return Secret, (self.reveal(), self.masked)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return repr(self.masked)

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def reveal(self) -> str:
        """Return the real text. Only code that sends it may call this."""
        return str.__str__(self)


class Report(NamedTuple):
    """Something a person should know about one event: a value was left out, converted or overwritten.

    `code` is stable (`not-converted`), `place` is the path in the mapping (`calls.track[0].fields.price`)
    or in the event (`context`), `message` is one sentence.
    """

    code: str
    place: str
    message: str


class PlannedRequest(NamedTuple):
    """One HTTP request an event becomes.

    `url` is complete except for `query` (name -> text or list of texts); `body` is not encoded yet, None for no
    body. `step` is the step's number in the call, `item` the item's number in `for_each`; `batch` names the batch
    that may carry the request; `if_missing` is the request to send, with the same body, if the vendor answers 404.
    """

    request: str
    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str | list[str]]
    body: Json
    step: int = 0
    item: int | None = None
    batch: str | None = None
    if_missing: PlannedRequest | None = None


class Plan(NamedTuple):
    """What one event becomes for one connection: the outcome, its reason, the requests, and reports."""

    outcome: Outcome
    reason: str
    requests: tuple[PlannedRequest, ...] = ()
    reports: tuple[Report, ...] = ()


def masked(value: Json, secrets: Iterable[str] = ()) -> Json:
    """Copy `value` with every `Secret`, and every occurrence of one of `secrets`, masked."""
    if isinstance(value, Secret):
        return value.masked
    if isinstance(value, str):
        return _without(value, secrets)
    if isinstance(value, dict):
        return {_without(key, secrets): masked(member, secrets) for key, member in value.items()}
    if isinstance(value, list):
        return [masked(member, secrets) for member in value]
    return value


def _without(text: str, secrets: Iterable[str]) -> str:
    text = text.masked if isinstance(text, Secret) else text
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text
