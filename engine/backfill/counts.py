"""What a backfill would do, counted: each task counts its part, and the parts add up.  Pure.

Reasons may quote events, so their number is bounded: what is beyond it is counted under one name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.pacing import PERIODS, RATE
from engine.records import JsonObject, Outcome

MOST_REASONS = 200
"""Reasons of a connection, or of rows that are no events, that are counted one by one."""

OTHER = "other reasons"

MOST_EXAMPLES = 20
"""Rows that are no events, of which file and row are kept."""

BAD = (Outcome.INVALID, Outcome.REJECTED)


@dataclass
class ConnectionCounts:
    """What the events become for one connection: outcomes with reasons, requests, and items of batches by name."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    items: Counter[str] = field(default_factory=Counter)

    def add(self, other: ConnectionCounts) -> None:
        """Add the counts of another task."""
        self.outcomes += other.outcomes
        self.requests += other.requests
        self.items += other.items
        for reason, count in other.reasons.items():
            count_reason(self.reasons, reason, count)

    @property
    def bad(self) -> int:
        """How many events are invalid or rejected before anything is sent."""
        return sum(self.outcomes[each] for each in BAD)

    def sent(self, batches: Mapping[str, int]) -> int:
        """Return how many HTTP requests it takes with full batches; `batches` has how many items one may hold."""
        return self.requests + sum(-(-count // max(1, batches.get(name, 1))) for name, count in self.items.items())


@dataclass
class Counts:
    """What was found in the input; times are Unix seconds, sizes bytes.

    `events` are those that are fed, before duplicates are left out; `outside` those before `since` or behind `until`;
    `of_others` those of an archive that are of other sources.
    `largest` is the size of the largest event, `zoneless` how many times have no zone and count as UTC.
    """

    events: int = 0
    size: int = 0
    largest: int = 0
    outside: int = 0
    of_others: int = 0
    timeless: int = 0
    zoneless: int = 0
    first: float | None = None
    last: float | None = None
    unusable: Counter[str] = field(default_factory=Counter)
    examples: list[list[str]] = field(default_factory=list)
    connections: dict[str, ConnectionCounts] = field(default_factory=dict)
    users: int = 0
    duplicates: int = 0

    def unusable_row(self, place: str, reason: str, kind: str) -> None:
        """Count a row that is no event; `kind` is the reason without what it quotes."""
        count_reason(self.unusable, kind)
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append([place, reason])

    def event(self, size: int, at: float | None) -> None:
        """Count an event that is fed."""
        self.events += 1
        self.size += size
        self.largest = max(self.largest, size)
        if at is None:
            self.timeless += 1
        else:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)

    def add(self, other: Counts) -> None:
        """Add the counts of another task."""
        for name in ("events", "size", "outside", "of_others", "timeless", "zoneless", "users", "duplicates"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.largest = max(self.largest, other.largest)
        self.first = min((each for each in (self.first, other.first) if each is not None), default=None)
        self.last = max((each for each in (self.last, other.last) if each is not None), default=None)
        for reason, count in other.unusable.items():
            count_reason(self.unusable, reason, count)
        self.examples = sorted([*self.examples, *other.examples])[:MOST_EXAMPLES]
        for name, each in other.connections.items():
            self.connections.setdefault(name, ConnectionCounts()).add(each)

    @property
    def rows(self) -> int:
        """How many rows have something in them."""
        return self.events + self.outside + self.unusable.total()

    @property
    def to_feed(self) -> int:
        """How many events are fed."""
        return self.events - self.duplicates

    def bad_share(self) -> float:
        """Return which part of the rows is no event, or becomes nothing good for some connection."""
        worst = max((each.bad for each in self.connections.values()), default=0)
        return (self.unusable.total() + worst) / self.rows if self.rows else 0.0

    def as_json(self) -> JsonObject:
        """Return the counts as JSON."""
        return cast("JsonObject", orjson.loads(orjson.dumps(self)))


def counts_of(value: Mapping[str, Any]) -> Counts:
    """Return counts from their JSON; raises KeyError and TypeError for other JSON."""
    given = dict(value)
    given["unusable"] = Counter(given["unusable"])
    given["connections"] = {
        name: ConnectionCounts(
            Counter(each["outcomes"]), Counter(each["reasons"]), each["requests"], Counter(each["items"])
        )
        for name, each in given["connections"].items()
    }
    return Counts(**given)


def count_reason(reasons: Counter[str], reason: str, count: int = 1) -> None:
    """Count a reason, with a bound on how many different ones are kept."""
    known = reason in reasons or len(reasons) < MOST_REASONS
    reasons[reason if known else OTHER] += count


def hours_at(rate: str, units: int) -> float | None:
    """Return how long so much takes at a rate such as `100/s`, in hours; None without a rate."""
    found = RATE.fullmatch(rate)
    return None if found is None else units * PERIODS[found[2]] / int(found[1]) / 3600.0


def batch_sizes(configured: ConfiguredConnection) -> dict[str, int]:
    """Return how many items each batch of a connection may hold."""
    return {name: batch.max_items for name, batch in configured.mapping.batches.items()}
