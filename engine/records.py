"""The nouns that flow through the engine: JSON, Secret, Report, PlannedRequest, Plan, Outcome.

Plain tuples rather than frozen dataclasses: two or three are made for every event, and a named tuple
is made four times faster while being just as immutable.
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
    """A text that must not be shown: the real text for the wire, a masked one for people.

    It is the text for everything that sends (`encode`, JSON, joining); whatever formats or prints it
    (`str()`, `repr()`, f-strings) gets `masked`: `Token ***` for `Token abc`.
    """

    __slots__ = ("masked",)
    masked: str

    def __new__(cls, value: str, masked: str = MASK) -> Self:
        """Wrap `value`; `masked` is what people see in its place."""
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
        """Return the real text. Only what puts it on the wire may ask."""
        return str.__str__(self)


class Report(NamedTuple):
    """Something a person should know about one event: a value left out, converted or overwritten.

    `code` is stable (`not-converted`), `place` is the path in the mapping (`calls.track[0].fields.price`)
    or in the event (`context`), `message` is one sentence.
    """

    code: str
    place: str
    message: str


class PlannedRequest(NamedTuple):
    """One HTTP request an event becomes.

    `url` is complete but for `query` (name -> text or list of texts); `body` is what will be encoded, or
    None for no body. `step` is the step's number in the call, `item` the number within `for_each`;
    `batch` names the batch the request may travel in; `if_missing` is what is sent, with the same body, where
    the vendor answers 404.
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
    """What one event becomes for one connection: an outcome, why, the requests, and what was noticed."""

    outcome: Outcome
    reason: str
    requests: tuple[PlannedRequest, ...] = ()
    reports: tuple[Report, ...] = ()


def masked(value: Json, secrets: Iterable[str] = ()) -> Json:
    """Copy `value` with every `Secret`, and every text that contains one of `secrets`, masked."""
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
