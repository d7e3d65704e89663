"""What differs between two plans of each event, added up by request and field.  Pure; memory is bounded.

Requests are compared as vendors get them: what a mapping calls them, and the order of keys, is no difference.  Bodies
are compared as bytes first, because nearly all are the same, and are only walked where these differ.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple, cast

import orjson

from engine.differences.fields import FieldChangeKind, FieldDifference, field_differences, field_text
from engine.language.texts import compact_json, kind_of_reason, shortened, visible
from engine.records import Json, Outcome, Place, Plan, PlannedRequest, Secrets, masked

MOST_FIELDS = 1000
"""Fields that are counted apart; keys may come from events, so there may be any number of them."""

MOST_KEYS = 10_000
"""Places, each with its own numbers of list entries, of which is remembered what they are counted as."""

MOST_REASONS = 100
LONGEST_SAMPLE = 200
LONGEST_FIELD = 200
OTHERS = "(others)"
"""Where what is over a bound is counted."""

ORDER = "(all)"
"""Stands for the request where the order of requests changed."""


class DiffVerdict(StrEnum):
    """What a change does to a vendor that reads these requests."""

    SAME = "no difference"
    ADDITIVE = "additive"
    """Nothing is there but new fields and new requests."""
    BREAKING = "breaking"


class FieldKey(NamedTuple):
    """What is counted as one; `field` is `body.lines[].sku`, `headers.Authorization`, `query.token` or `url`."""

    request: str
    field: str
    change: FieldChangeKind


class Sample(NamedTuple):
    """One case of a difference: JSON texts of at most `LONGEST_SAMPLE` characters, None for absent, and the event."""

    old: str | None
    new: str | None
    event: str


class OutcomeKey(NamedTuple):
    """How events ended and end now; `reason` is without the values in it."""

    old: Outcome
    new: Outcome
    reason: str


class OutcomeChange(NamedTuple):
    """Events whose outcome changed for the same reason; `reason` and `event` are of the first."""

    old: Outcome
    new: Outcome
    reason: str
    events: int
    event: str

    @property
    def is_breaking(self) -> bool:
        """Whether events are no longer sent, or are set aside in another way."""
        return self.new is not Outcome.PLANNED


class FieldChange(NamedTuple):
    """A difference of a field in a number of requests."""

    request: str
    field: str
    change: FieldChangeKind
    requests: int
    sample: Sample


class RequestCount(NamedTuple):
    """How many requests of one name there were, and are; `missing` and `added` are those without a counterpart."""

    request: str
    old: int
    new: int
    removed: int
    added: int


class Differences:
    """Adds up what differs; `secrets` are masked in all that is kept."""

    def __init__(self, secrets: Secrets) -> None:
        self.events = 0
        self.differing = 0
        """Events that become something else."""
        self._secrets = secrets
        self._fields: Counter[FieldKey] = Counter()
        self._keys: dict[tuple[str, Place, FieldChangeKind], FieldKey] = {}
        self._samples: dict[FieldKey, Sample] = {}
        self._outcomes: Counter[OutcomeKey] = Counter()
        self._reasons: dict[OutcomeKey, tuple[str, str]] = {}
        self._counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def add(self, old: Plan, new: Plan, event: str) -> None:
        """Compare the two plans of an event; `event` says which it is, such as `events.ndjson:3`."""
        self.events += 1
        before, after = _with_alternatives(old.requests), _with_alternatives(new.requests)
        for side, requests in enumerate((before, after)):
            for request in requests:
                self._counts[request.request][side] += 1
        differs = old.outcome is not new.outcome
        if differs:
            self._add_outcome(old, new, event)
        if not _are_same(before, after):
            differs |= self._add_requests(before, after, event)
        self.differing += differs

    def _add_outcome(self, old: Plan, new: Plan, event: str) -> None:
        reasons = [self._secrets.mask(plan.reason) for plan in (old, new) if plan.outcome is not Outcome.PLANNED]
        reason = " -> ".join(dict.fromkeys(reasons))
        key = OutcomeKey(old.outcome, new.outcome, kind_of_reason(reason))
        if key not in self._outcomes and len(self._outcomes) >= MOST_REASONS:
            key, reason = key._replace(reason=OTHERS), OTHERS
        self._outcomes[key] += 1
        self._reasons.setdefault(key, (reason, event))

    def _add_requests(self, old: Sequence[PlannedRequest], new: Sequence[PlannedRequest], event: str) -> bool:
        pairs, removed, added = _paired(old, new)
        for number, requests in ((2, removed), (3, added)):
            for request in requests:
                self._counts[request.request][number] += 1
        differs = bool(removed or added)
        for before, after in pairs:
            if _is_same(before, after):
                continue
            name = before.request if before.request == after.request else f"{before.request} -> {after.request}"
            found: dict[FieldKey, FieldDifference] = {}
            for each in _request_differences(before, after):
                found.setdefault(self._key(name, each), each)
            for key, each in found.items():
                self._add_field(key, each, event)
            differs |= bool(found)
        if not (removed or added) and (moved := _moved(new, pairs)):
            self._add_field(FieldKey(ORDER, "order", FieldChangeKind.CHANGED), moved, event)
            differs = True
        return differs

    def _key(self, request: str, difference: FieldDifference) -> FieldKey:
        """Return what a difference is counted as; remembered, because masking takes longer than finding it."""
        known = (request, difference.place, difference.change)
        key = self._keys.get(known)
        if key is None:
            text = visible(self._secrets.mask(field_text(difference.place)))
            key = FieldKey(request, shortened(text, LONGEST_FIELD), difference.change)
            if len(self._keys) < MOST_KEYS:
                self._keys[known] = key
        return key

    def _add_field(self, key: FieldKey, difference: FieldDifference, event: str) -> None:
        if key not in self._fields and len(self._fields) >= MOST_FIELDS:
            key = FieldKey(OTHERS, OTHERS, key.change)
        self._fields[key] += 1
        if key not in self._samples:
            old = None if difference.change is FieldChangeKind.ADDED else self._sample(difference.old)
            new = None if difference.change is FieldChangeKind.REMOVED else self._sample(difference.new)
            self._samples[key] = Sample(old, new, event)

    def _sample(self, value: Json) -> str:
        try:
            text = compact_json(masked(value, self._secrets))
        except ValueError:
            text = "(not JSON)"
        return shortened(visible(text), LONGEST_SAMPLE)

    def fields(self) -> list[FieldChange]:
        """Return what differs in requests that there were and are: by request, what breaks first, then by number."""
        found = [FieldChange(*key, count, self._samples[key]) for key, count in self._fields.items()]
        order = list(FieldChangeKind)
        return sorted(found, key=lambda each: (each.request, order.index(each.change), -each.requests, each.field))

    def outcomes(self) -> list[OutcomeChange]:
        """Return the outcomes that changed, what breaks first, then by number."""
        found = [
            OutcomeChange(key.old, key.new, self._reasons[key][0], count, self._reasons[key][1])
            for key, count in self._outcomes.items()
        ]
        return sorted(found, key=lambda each: (not each.is_breaking, -each.events, each.reason))

    def requests(self) -> list[RequestCount]:
        """Return how many requests there were and are, by name."""
        return [RequestCount(name, *counts) for name, counts in sorted(self._counts.items())]

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare: a request in one of the versions, or an outcome that changed."""
        return bool(self._counts or self._outcomes)

    @property
    def verdict(self) -> DiffVerdict:
        """What the differences mean."""
        breaks = (
            any(key.change is not FieldChangeKind.ADDED for key in self._fields)
            or any(counts[2] for counts in self._counts.values())
            or any(key.new is not Outcome.PLANNED for key in self._outcomes)
        )
        if breaks:
            return DiffVerdict.BREAKING
        return DiffVerdict.ADDITIVE if self.differing else DiffVerdict.SAME


def _with_alternatives(requests: Sequence[PlannedRequest]) -> Sequence[PlannedRequest]:
    """Return the requests, each followed by the one that is sent where the vendor does not know what it is about."""
    if all(request.if_missing is None for request in requests):
        return requests
    found: list[PlannedRequest] = []
    for request in requests:
        found.append(request)
        if request.if_missing is not None:  # with the same body
            name = f"{request.if_missing.request} (if_missing)"
            found.append(request.if_missing._replace(request=name, body=None))
    return found


def _are_same(old: Sequence[PlannedRequest], new: Sequence[PlannedRequest]) -> bool:
    """Whether requests are certainly the same, found out quickly."""
    return len(old) == len(new) and all(map(_is_same, old, new))


def _is_same(old: PlannedRequest, new: PlannedRequest) -> bool:
    return (
        old.request == new.request
        and old.url == new.url
        and old.method == new.method
        and old.batch == new.batch
        and (old.headers is new.headers or old.headers == new.headers)
        and (old.query is new.query or old.query == new.query)
        and _is_same_body(old.body, new.body)
    )


def _is_same_body(old: Json, new: Json) -> bool:
    """Compare bytes: for Python, `true` equals 1."""
    try:
        return old is new or orjson.dumps(old) == orjson.dumps(new)
    except TypeError:  # what only Python's own writer takes; walking says what differs
        return False


Pairs = list[tuple[PlannedRequest, PlannedRequest]]


def _paired(
    old: Sequence[PlannedRequest], new: Sequence[PlannedRequest]
) -> tuple[Pairs, Sequence[PlannedRequest], Sequence[PlannedRequest]]:
    """Pair requests of the same name in their order, then those left to the same address; return also what is left."""
    if [request.request for request in old] == [request.request for request in new]:
        return list(zip(old, new, strict=True)), (), ()
    by_name, old, new = _matched(old, new, lambda request: request.request)
    by_address, old, new = _matched(old, new, lambda request: (request.method, request.url))
    return by_name + by_address, old, new


def _matched(
    old: Sequence[PlannedRequest], new: Sequence[PlannedRequest], key: Callable[[PlannedRequest], Hashable]
) -> tuple[Pairs, list[PlannedRequest], list[PlannedRequest]]:
    waiting: defaultdict[Hashable, deque[PlannedRequest]] = defaultdict(deque)
    for request in new:
        waiting[key(request)].append(request)
    pairs: Pairs = []
    left = []
    for request in old:
        found = waiting[key(request)]
        if found:
            pairs.append((request, found.popleft()))
        else:
            left.append(request)
    unmatched = {id(request) for requests in waiting.values() for request in requests}
    return pairs, left, [request for request in new if id(request) in unmatched]


def _moved(new: Sequence[PlannedRequest], pairs: Pairs) -> FieldDifference | None:
    """Return that the requests go in another order, or None."""
    numbers = {id(request): number for number, request in enumerate(new)}
    order = [numbers[id(after)] for _, after in pairs]
    if order == sorted(order):
        return None
    old = [cast("Json", before.request) for before, _ in pairs]
    return FieldDifference(("order",), FieldChangeKind.CHANGED, old, [request.request for request in new])


def _request_differences(old: PlannedRequest, new: PlannedRequest) -> Iterator[FieldDifference]:
    for name in ("method", "url", "batch"):
        yield from field_differences(getattr(old, name), getattr(new, name), (name,))
    if old.headers != new.headers:
        yield from field_differences(_by_lower_case(old.headers, new.headers), cast("Json", new.headers), ("headers",))
    if old.query != new.query:
        yield from field_differences(cast("Json", old.query), cast("Json", new.query), ("query",))
    yield from field_differences(old.body, new.body, ("body",))


def _by_lower_case(old: dict[str, str], new: dict[str, str]) -> Json:
    """Return the old headers under the names that the new ones have: upper and lower case do not count in them."""
    names = {name.lower(): name for name in new}
    return {names.get(name.lower(), name): value for name, value in old.items()}
