"""Which events may go next, and in which batches.  Pure.

An event waits while an earlier unfinished one shares an id with it.  A batch holds events in their order and may
hold several of one person; two requests on their way never share an id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from engine.records import PlannedRequest


class BatchLimits(NamedTuple):
    """What a batch may hold; `max_wait` is how long one that is not full waits for more, in seconds."""

    max_items: int
    max_bytes: int | None = None
    max_wait: float = 0.0


class Next(NamedTuple):
    """What may be sent of an event now: one request, or all in a row that travel in the same batch.

    `more` says that others follow once these are accepted.
    """

    requests: list[PlannedRequest]
    more: bool


class Sendable(Protocol):
    """What is asked of an event here."""

    ids: frozenset[str]
    queued_at: float

    def next(self) -> Next:
        """Return what may be sent of it now."""
        ...


class Parcel(NamedTuple):
    """One request of one event."""

    job: Sendable
    request: PlannedRequest


class Shipment(NamedTuple):
    """What travels in one HTTP request: one parcel, or those of a batch."""

    batch: str | None
    parcels: list[Parcel]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickRules:
    """How to pick: the limits of each batch, an item's size in bytes, and whether a batch holds one event per id."""

    limits: Callable[[str], BatchLimits]
    size: Callable[[PlannedRequest], int]
    ordered_batches: bool = False


class Picked(NamedTuple):
    """What goes now, and when (at the latest) to look again for a batch that waits for more."""

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
        """Take as many of an event's requests as fit; gives how many."""
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
        """Return when it goes though it is not full; a time of queueing yet to come is a clock that was set back."""
        oldest = min(parcel.job.queued_at for parcel in self.parcels)
        return now if oldest > now else oldest + self.limits.max_wait


class _Picking:
    """One look at the queue; `blocked` are the ids that nothing further may have."""

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
        """Take an event if it may go; else its ids stay blocked for those behind it."""
        if self.blocked.isdisjoint(job.ids):
            following = job.next()
            name = following.requests[0].batch
            if name is None:
                self._alone(job, following.requests[0])
                return
            if self._into(name, job, following) and not following.more:
                return
        self.blocked |= job.ids

    def _alone(self, job: Sendable, request: PlannedRequest) -> None:
        if self.free > 0 and all(other.ids.isdisjoint(job.ids) for other in self.open.values()):
            self.ready.append(Shipment(None, [Parcel(job, request)]))
        self.blocked |= job.ids

    def _into(self, name: str, job: Sendable, following: Next) -> bool:
        """Put an event into the open batch of that name; true where all of it went in and the batch is still open."""
        current = self.open.get(name)
        for other in self.open.values():
            if (other is not current or self.rules.ordered_batches) and not other.ids.isdisjoint(job.ids):
                return False
        if current is None:
            if self.free <= 0:
                return False
            current = self.open[name] = _Open(name, self.rules.limits(name))
        taken = current.add(job, following.requests, self.rules.size)
        whole = taken == len(following.requests)
        if not whole or len(current.parcels) >= current.limits.max_items:
            self.close(current)
        return whole or (taken == 0 and self.blocked.isdisjoint(job.ids) and self._into(name, job, following))

    def close(self, batch: _Open) -> None:
        """Let a batch go; what shares an id with it waits."""
        del self.open[batch.name]
        self.ready.append(Shipment(batch.name, batch.parcels))
        self.blocked |= batch.ids


def pick(waiting: Iterable[Sendable], busy: Collection[str], slots: int, rules: PickRules, now: float) -> Picked:
    """Choose what goes next from the events that wait, in their order; `busy` are the ids on their way.

    At most `slots` shipments; a batch that is not full goes once its oldest event has waited `max_wait`.
    """
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
