"""Which events may be sent next, and in which batches. Pure.

The rule is that an event waits while an earlier unfinished event shares an id with it; so two requests in flight never
share an id.  A batch holds events in their order and may hold several with one id.

`pick` walks the queue once, in order, and each event either joins a shipment or blocks its ids for all events behind
it: `blocked` starts with the ids in flight and only grows.  A request without a batch is a shipment at once.  A request
with a batch joins the open batch of that name; an open batch's ids are not blocked, since later events may still join
the *same* batch, but an event that would go anywhere else has to wait for it.  A batch closes (becomes a shipment and
blocks its ids) when it is full, and at the end of the walk if its oldest event has waited for `max_wait`.  An event of
which only a part fits goes partly: its ids stay blocked, and the rest follows after that part is accepted.  Open
batches count as slots, so there are never more shipments than `slots`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from engine.records import PlannedRequest


class BatchLimits(NamedTuple):
    """What a batch may hold; one that is not full waits `max_wait` seconds for more."""

    max_items: int
    max_bytes: int | None = None
    max_wait: float = 0.0


class Next(NamedTuple):
    """The requests of an event that may be sent now: one, or a run of several for the same batch.

    `more` is set if others follow after these are accepted.
    """

    requests: list[PlannedRequest]
    more: bool


class Sendable(Protocol):
    """What this module needs of an event: its ids, when it was queued, and its next requests."""

    ids: frozenset[str]
    queued_at: float

    def next(self) -> Next:
        """Return the requests that may be sent now."""
        ...


class Parcel(NamedTuple):
    """One request of one event: the unit that shipments carry."""

    job: Sendable
    request: PlannedRequest


class Shipment(NamedTuple):
    """The content of one HTTP request: a single parcel, or the parcels of a batch."""

    batch: str | None
    parcels: list[Parcel]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickRules:
    """The limits of each batch, the size of an item in bytes, and whether a batch holds at most one event per id."""

    limits: Callable[[str], BatchLimits]
    size: Callable[[PlannedRequest], int]
    ordered_batches: bool = False


class Picked(NamedTuple):
    """What to send now, and when at the latest to look again for a batch that waits for more."""

    shipments: list[Shipment]
    look_again_at: float | None


@dataclass(slots=True)
class _Open:
    """A batch that can still grow."""

    name: str
    limits: BatchLimits
    parcels: list[Parcel] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    bytes: int = 0

    def add(self, job: Sendable, requests: list[PlannedRequest], size: Callable[[PlannedRequest], int]) -> int:
        """Add as many of an event's requests as fit; return how many."""
        for number, request in enumerate(requests):
            if len(self.parcels) >= self.limits.max_items:
                return number
            if self.limits.max_bytes is not None:
                more = size(request)
                if self.parcels and self.bytes + more > self.limits.max_bytes:
                    return number
                self.bytes += more
            self.parcels.append(Parcel(job, request))
            self.ids |= job.ids
        return len(requests)

    def due(self, now: float) -> float:
        """Return when to send it although it is not full: at once if the clock was set back since it was queued."""
        oldest = min(parcel.job.queued_at for parcel in self.parcels)
        return now if oldest > now else oldest + self.limits.max_wait


class _Picking:
    """One walk along the queue; events behind it may have none of the `blocked` ids."""

    def __init__(self, busy: Collection[str], slots: int, rules: PickRules) -> None:
        self.blocked = set(busy)
        self.slots = slots
        self.rules = rules
        self.open: dict[str, _Open] = {}
        self.ready: list[Shipment] = []

    @property
    def free(self) -> int:
        return self.slots - len(self.ready) - len(self.open)

    def offer(self, job: Sendable) -> None:
        """Take an event if it may be sent; otherwise block its ids for the events behind it."""
        if self.blocked.isdisjoint(job.ids):
            upcoming = job.next()
            name = upcoming.requests[0].batch
            if name is None:
                self._alone(job, upcoming.requests[0])
                return
            if self._into(name, job, upcoming) and not upcoming.more:
                return
        self.blocked |= job.ids

    def _alone(self, job: Sendable, request: PlannedRequest) -> None:
        if self.free > 0 and all(other.ids.isdisjoint(job.ids) for other in self.open.values()):
            self.ready.append(Shipment(None, [Parcel(job, request)]))
        self.blocked |= job.ids

    def _into(self, name: str, job: Sendable, upcoming: Next) -> bool:
        """Put an event into the open batch of that name; True if all its requests went in.

        If none fits, the full batch is closed and the event starts a new one, unless the full one blocks it.
        """
        current = self.open.get(name)
        for other in self.open.values():
            if (other is not current or self.rules.ordered_batches) and not other.ids.isdisjoint(job.ids):
                return False
        if current is None:
            if self.free <= 0:
                return False
            current = self.open[name] = _Open(name, self.rules.limits(name))
        taken = current.add(job, upcoming.requests, self.rules.size)
        whole = taken == len(upcoming.requests)
        if not whole or len(current.parcels) >= current.limits.max_items:
            self.close(current)
        return whole or (taken == 0 and self.blocked.isdisjoint(job.ids) and self._into(name, job, upcoming))

    def close(self, batch: _Open) -> None:
        """Turn an open batch into a shipment and block its ids."""
        del self.open[batch.name]
        self.ready.append(Shipment(batch.name, batch.parcels))
        self.blocked |= batch.ids


def pick(waiting: Iterable[Sendable], busy: Collection[str], slots: int, rules: PickRules, now: float) -> Picked:
    """Choose at most `slots` shipments from the waiting events, in their order; `busy` are the ids in flight."""
    picking = _Picking(busy, slots, rules)
    for job in waiting:
        if picking.free <= 0 and not picking.open:
            break
        picking.offer(job)
    look_again_at: float | None = None
    for batch in list(picking.open.values()):
        due = batch.due(now)
        if due <= now:
            picking.close(batch)
        else:
            look_again_at = due if look_again_at is None else min(due, look_again_at)
    return Picked(picking.ready, look_again_at)
