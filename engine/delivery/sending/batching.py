"""Which events are sent next, and in which batches. Pure.

`pick` walks the heads of the queue in their turn (see `fair_queue`).  A request without a batch is a shipment at once.
A request with a batch joins the open batch of that name and group.  Once an event is in a batch with all its requests,
those that waited only for it may join the *same* batch, after the heads: so a batch may hold several events of one
user, and a user with many events takes no place from others.  A batch closes (becomes a shipment) when it is full, and
at the end of the walk if its oldest event has waited for `max_wait`.  An event of which only a part fits goes partly;
the rest follows after that part is accepted.  Batches that are to go count as slots, so there are never more shipments
than `slots`; those that wait for more do not, because with `group_by` there may be many of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from engine.delivery.sending.fair_queue import FairQueue, Next, Sendable
from engine.records import PlannedRequest

MOST_OPEN = 1000
"""Batches that wait for more at the same time, each for a group of its own; the oldest of more is sent first."""


class BatchLimits(NamedTuple):
    """What a batch may hold; one that is not full waits `max_wait` seconds for more."""

    max_items: int
    max_bytes: int | None = None
    max_wait: float = 0.0


class Parcel(NamedTuple):
    """One request of one event: the unit that shipments carry."""

    job: Sendable
    request: PlannedRequest


class Shipment(NamedTuple):
    """The content of one HTTP request: a single parcel, or the parcels of a batch."""

    batch: str | None
    parcels: list[Parcel]

    def jobs(self) -> list[Sendable]:
        """Return its events, each once, in their order."""
        return list(dict.fromkeys(parcel.job for parcel in self.parcels))


@dataclass(frozen=True, slots=True, kw_only=True)
class PickRules:
    """The limits of each batch, the size of an item in bytes, and whether a batch holds at most one event per id.

    `apart` returns the rules of an event that is apart from the others, if those are different ones.
    """

    limits: Callable[[str], BatchLimits]
    size: Callable[[PlannedRequest], int]
    ordered_batches: bool = False
    apart: Callable[[Sendable], PickRules] | None = None

    def of(self, job: Sendable) -> PickRules:
        """Return the rules that hold for an event."""
        return self.apart(job) if job.apart and self.apart is not None else self


class Picked(NamedTuple):
    """What to send now, and when at the latest to look again for a batch that waits for more."""

    shipments: list[Shipment]
    look_again_at: float | None


Key: TypeAlias = "tuple[str | None, str | None]"
"""The name of a batch and the text of its group."""


@dataclass(slots=True, eq=False)
class _Open:
    """A batch that can still grow; `whole` counts the events of an id that are in it with all their requests.

    `goes` if it is sent at the end of the walk at the latest: it is full, or has waited long enough.
    """

    key: Key
    limits: BatchLimits
    goes: bool = False
    parcels: list[Parcel] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    oldest: float = inf

    def add(self, job: Sendable, requests: list[PlannedRequest], size: Callable[[PlannedRequest], int]) -> int:
        """Add as many of an event's requests as fit; return how many."""
        parcels, (max_items, max_bytes, _) = self.parcels, self.limits
        for number, request in enumerate(requests):
            if len(parcels) >= max_items:
                return number
            if max_bytes is not None:
                more = size(request)
                if parcels and self.bytes + more > max_bytes:
                    return number
                self.bytes += more
            parcels.append(Parcel(job, request))
            self.oldest = min(self.oldest, job.queued_at)
        return len(requests)

    @property
    def full(self) -> bool:
        """Whether it holds as many items as it may."""
        return len(self.parcels) >= self.limits.max_items

    def due(self, now: float) -> float:
        """Return when to send it although it is not full: at once if the clock was set back since it was queued."""
        return now if self.oldest > now else self.oldest + self.limits.max_wait


class _Picking:
    """One walk along the heads of the queue."""

    def __init__(self, queue: FairQueue, slots: int, rules: PickRules, now: float, *, probing: bool) -> None:
        self.queue = queue
        self.slots = slots
        self.rules = rules
        self.now = now
        self.probing = probing
        self.open: dict[Key, _Open] = {}
        self.going = 0
        self.shipments: list[Shipment] = []
        self.behind: deque[tuple[_Open, Sendable]] = deque()

    @property
    def free(self) -> int:
        return self.slots - len(self.shipments) - self.going

    def offer(self, job: Sendable) -> None:
        """Take a head, if there is a slot or a batch for it."""
        upcoming = job.next()
        key = _key(upcoming)
        if key[0] is None or self.probing or _alone(job):
            if self.free > 0:
                self._alone(key, job, upcoming.requests)
            return
        batch = self.open.get(key) or self._opened(key)
        if batch is not None and not self._into(batch, job, upcoming):
            batch = self._opened(key)  # the one before is full
            if batch is not None:
                self._into(batch, job, upcoming)

    def _alone(self, key: Key, job: Sendable, requests: list[PlannedRequest]) -> None:
        name = key[0]
        if name is None:
            self.shipments.append(Shipment(None, [Parcel(job, requests[0])]))
            return
        rules = self.rules.of(job)
        batch = _Open(key, rules.limits(name))
        batch.add(job, requests, rules.size)
        self.shipments.append(Shipment(name, batch.parcels))

    def _opened(self, key: Key) -> _Open | None:
        """Open a batch if it could be sent; at most MOST_OPEN wait for more, so that the oldest one goes."""
        if self.free <= 0 or key in self.open:
            return None
        if len(self.open) >= MOST_OPEN:
            self.close(next(iter(self.open.values())))
            return self._opened(key)
        assert key[0] is not None
        batch = self.open[key] = _Open(key, self.rules.limits(key[0]))
        return batch

    def _into(self, batch: _Open, job: Sendable, upcoming: Next) -> bool:
        """Put an event into a batch; False if nothing of it fits."""
        taken = batch.add(job, upcoming.requests, self.rules.size)
        whole = taken == len(upcoming.requests)
        if whole and not upcoming.more and not self.rules.ordered_batches:
            self.behind.extend([(batch, each) for each in self.queue.unblocked_by(job, batch.whole)])
        if not whole or batch.full:
            self.close(batch)
        elif not batch.goes and batch.due(self.now) <= self.now:
            self._going(batch)
        return taken > 0

    def _going(self, batch: _Open) -> None:
        batch.goes = True
        self.going += 1

    def fill(self) -> None:
        """Fill the open batches with the events that waited only for what is in them."""
        added: set[int] = set()
        while self.behind:
            batch, job = self.behind.popleft()
            if self.open.get(batch.key) is not batch or job.place in added:
                continue
            upcoming = job.next()
            if _key(upcoming) == batch.key and not _alone(job):
                added.add(job.place)
                self._into(batch, job, upcoming)

    def close(self, batch: _Open) -> None:
        """Turn an open batch into a shipment, with its events in the order of the outbox; if no slot is free, later."""
        if not batch.goes:
            if self.free <= 0:
                return
            self._going(batch)
        self.going -= 1
        del self.open[batch.key]
        self.shipments.append(Shipment(batch.key[0], sorted(batch.parcels, key=_place)))

    def ended(self) -> float | None:
        """Send what has waited long enough, as far as slots are free; return when the next one has."""
        waiting = []
        for batch in list(self.open.values()):
            due = batch.due(self.now)
            if batch.goes or due <= self.now:
                self.close(batch)
            else:
                waiting.append(due)
        return min(waiting, default=None)


def _key(upcoming: Next) -> Key:
    first = upcoming.requests[0]
    return first.batch, first.group


def _alone(job: Sendable) -> bool:
    return job.apart or (job.retries is not None and job.retries.alone)


_place = attrgetter("job.place")


def pick(queue: FairQueue, slots: int, rules: PickRules, now: float, *, probing: bool = False) -> Picked:
    """Choose at most `slots` shipments from the queue, and record there that their events are on their way.

    A probe is a single event, so that no other can make it fail: one that has not failed yet, if there is one.
    """
    if probing:
        queue.untried_first()
    picking = _Picking(queue, slots, rules, now, probing=probing)
    walked: list[Sendable] = []
    while queue.ready and (picking.free > 0 or picking.open):
        job = queue.ready.popleft()
        walked.append(job)
        picking.offer(job)
    picking.fill()
    look_again_at = picking.ended()
    started = {parcel.job.place: parcel.job for shipment in picking.shipments for parcel in shipment.parcels}
    queue.start(started)
    queue.ready.extendleft(job for job in reversed(walked) if job.place not in started)
    return Picked(picking.shipments, look_again_at)
