"""The data types that the whole engine shares: JSON, Place, Secret, Secrets, Report, PlannedRequest, Plan, Outcome.

They are named tuples rather than frozen dataclasses: two or three are made for every event, and a named tuple is
created four times faster and is just as immutable.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, NoReturn, Self, TypeAlias, cast

from engine.secret_forms import LONGEST_FORM, search_pattern, whole_pattern, without_secrets

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1
"""The integers that JSON writers in use can write: orjson refuses others."""

Place: TypeAlias = tuple[str | int, ...]
"""The path to a value inside a document: the keys and indexes that lead to it."""

MASK = "***"

MOST_LEARNED = 4
"""Texts that `Secrets` learns: an access token and a refresh token, and those before them."""


def value_at(value: Json, place: Place) -> Json:
    """Return the value at a place inside another, None where there is none."""
    for key in place:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


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

    Encoding, JSON and joining use the real text; formatting and printing (`str()`, `repr()`, f-strings) get `masked`,
    such as `Token ***` for `Token abc`. So it stays inside the engine: a caller gets what `plain_request` returns.
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


def unmasked(value: Json) -> Json:
    """Copy JSON with the real text, as ordinary text, for every `Secret`."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {cast("str", unmasked(key)): unmasked(member) for key, member in value.items()}
    return [unmasked(member) for member in value] if isinstance(value, list) else value


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
    body. `step` is the step's number in the call, `item` the item's number in `for_each`. `batch` names the batch
    that carries the request: method, URL, headers and query are then those of the batch with this request alone.
    Only requests with the same `group` travel together. `if_missing` is the request to send, with the same body, if
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
    group: str | None = None


def plain_request(request: PlannedRequest, numbers: Secrets, *, show_secrets: bool, body: bool) -> PlannedRequest:
    """Copy a request with ordinary text for every `Secret`; its body only if `body` says that there may be some.

    `numbers` are the secrets that are numbers, which have no type like `Secret`: they are found wherever they stand.
    """

    def shown(value: Json) -> Json:
        return unmasked(value) if show_secrets else masked(value, numbers)

    missing = request.if_missing
    return PlannedRequest(
        request.request,
        str(shown(request.method)),
        str(shown(request.url)),
        cast("dict[str, str]", shown(cast("Json", request.headers))),
        cast("dict[str, str | list[str]]", shown(cast("Json", request.query))),
        shown(request.body) if body else request.body,
        request.step,
        request.item,
        request.batch,
        None if missing is None else plain_request(missing, numbers, show_secrets=show_secrets, body=body),
        None if request.group is None else str(shown(request.group)),
    )


class PlainTexts(dict[str, Any]):
    """Headers or a query of ordinary text that all requests of a connection share, so nobody may change them."""

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Make a copy, also one that goes to another process, an ordinary dict."""
        return dict, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("these belong to every request of the connection: change a copy, dict(request.headers)")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse


class PlainRequests:
    """`plain_request` for a connection's requests, in a fifth of its time; masking took as long as mapping.

    What depends on settings alone is made plain once (`settled`), and a request that consists of it is plain already.
    Where numbers have to be found, or secrets in bodies, nothing is done beforehand.
    """

    def __init__(self, numbers: Secrets, *, show_secrets: bool, body: bool) -> None:
        self._numbers, self._show_secrets, self._body = numbers, show_secrets, body
        self.searches = body or (any(numbers) and not show_secrets)
        self._show = str.__str__ if show_secrets else str

    def settled(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what settings alone decide as ordinary text: a whole address, or headers; pieces of URLs stay."""
        if len(values) == len(ADDRESS):
            return tuple(self._plain(value) for value in values)
        return tuple(self._plain(value) if type(value) is dict else value for value in values)

    def _plain(self, value: Any) -> Any:
        if type(value) is dict:
            return PlainTexts({self._show(key): self._plain(member) for key, member in value.items()})
        return [self._show(each) for each in value] if type(value) is list else self._show(value)

    def of(self, request: PlannedRequest) -> PlannedRequest:
        """Return a request of ordinary text."""
        headers, query = request[3], request[4]
        if (
            type(headers) is PlainTexts
            and (not query or type(query) is PlainTexts)
            and type(request[2]) is str
            and type(request[1]) is str
            and request[9] is None  # no request for what is missing
            and request[10] is None  # no group
            and not self.searches
        ):
            return request
        return plain_request(request, self._numbers, show_secrets=self._show_secrets, body=self._body)


ADDRESS = ("method", "url", "headers", "query")
"""What an address consists of, in this order."""


class Plan(NamedTuple):
    """What one event becomes for one connection: the outcome, its reason, the requests, and reports."""

    outcome: Outcome
    reason: str
    requests: tuple[PlannedRequest, ...] = ()
    reports: tuple[Report, ...] = ()


class Secrets:
    """The texts that must not be shown, found wherever they stand and in every form in which they may come back.

    The type `Secret` masks what a mapping makes of a setting; this finds the same text in events and in responses.
    Iterating returns the real texts.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = tuple(dict.fromkeys(str.__str__(text) for text in texts))
        self._learned: deque[str] = deque(maxlen=MOST_LEARNED)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._texts, *self._learned))

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._texts) + len(self._learned)}>"

    def learn(self, text: str) -> None:
        """Add a text that only became known while requests were sent, such as an access token; the last few count."""
        if text not in self._learned:
            self._learned.append(text)
            for found in ("_patterns", "_margin"):
                self.__dict__.pop(found, None)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        return search_pattern(tuple(self)), whole_pattern(tuple(self))

    def mask(self, text: str) -> str:
        """Mask every secret inside a text, and a text that is nothing but a short secret."""
        search, whole = self._patterns
        if whole is not None and whole.fullmatch(text):
            return MASK
        return text if search is None else without_secrets(text, search, MASK)

    def beginning(self, text: str, length: int) -> str:
        """Return at most `length` characters of a text, masked; no piece of a secret is left where it is cut."""
        head = text[: 2 * length + self._margin]
        shown = self.mask(head)
        return (shown if len(head) == len(text) else shown[: max(0, len(shown) - self._margin)])[:length]

    @cached_property
    def _margin(self) -> int:
        return LONGEST_FORM * max(map(len, self), default=0)


NO_SECRETS = Secrets()


def masked(value: Json, secrets: Secrets = NO_SECRETS) -> Json:
    """Copy `value` with every `Secret`, and every occurrence of one of `secrets`, masked."""
    if isinstance(value, str):
        return secrets.mask(value.masked if isinstance(value, Secret) else value)
    if isinstance(value, dict):
        return {cast("str", masked(key, secrets)): masked(member, secrets) for key, member in value.items()}
    if isinstance(value, list):
        return [masked(member, secrets) for member in value]
    if type(value) in (int, float) and secrets.mask(str(value)) == MASK:
        return MASK  # a number has no type that masks it
    return value
