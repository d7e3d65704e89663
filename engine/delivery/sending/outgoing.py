"""The HTTP requests that carry planned ones: alone or in a batch, as they are sent.  Pure.

`alone` says what delivery sends for one event while no other waits, which is what a dry run shows.  It asks delivery's
own queue, picking and batches, because a second way to the same requests would lead elsewhere one day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import NamedTuple

from engine.compiler.runtime import MOST_REPORTS
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.batching import Parcel, PickRules, Shipment, pick
from engine.delivery.sending.fair_queue import FairQueue, Next, QueueLimits, Retries
from engine.language.bodies import json_bytes
from engine.records import Outcome, Plan, PlannedRequest, Report
from engine.responses import ResponseReader, Unbatchable


class Outgoing(NamedTuple):
    """One HTTP request, how its body is encoded, and how many planned requests it carries: in a batch, several."""

    request: PlannedRequest
    encode: str
    carries: int = 1
    batch: str | None = None


class DryRun(NamedTuple):
    """What an event becomes: its plan, and the HTTP requests that carry it if no other event waits."""

    plan: Plan
    outgoing: tuple[Outgoing, ...] = ()


class _OnlyEvent:
    """The one event that waits; delivery's queue needs no more of it."""

    place = 1
    ids: frozenset[str] = frozenset()
    queued_at = 0.0
    weight = 0
    retries: Retries | None = None
    apart = False

    def __init__(self, requests: Sequence[PlannedRequest]) -> None:
        self.left = deque(requests)

    def next(self) -> Next:
        """Return the requests that may be sent now."""
        return Next.of(self.left)


_make = tuple.__new__  # makes a named tuple in half the time of its own `__new__`
_NO_EVENT = _OnlyEvent(())


def pick_rules(configured: ConfiguredConnection, responses: ResponseReader, clock: Callable[[], float]) -> PickRules:
    """Return how a connection's events are put into batches."""

    def size(request: PlannedRequest) -> int:
        """Return the bytes that a request takes up in its batch, with a comma."""
        try:
            return len(json_bytes(responses.item(request, clock()))) + 1
        except (TypeError, Unbatchable):  # sending it says what is wrong
            return 1

    return PickRules(limits=configured.limits, size=size, ordered_batches=configured.ordered_batches)


def outgoing(
    shipment: Shipment, responses: ResponseReader, now: float, reports: list[Report] | None = None
) -> Outgoing:
    """Return the request of a shipment; `reports` takes what is left out of a batch. Raises Unbatchable."""
    requests = [parcel.request for parcel in shipment.parcels]
    if shipment.batch is None:
        return Outgoing(requests[0], responses.connection.mapping.requests[requests[0].request].encode)
    return Outgoing(responses.batched(requests, now, reports), "json", len(requests), shipment.batch)


class DryRunner:
    """Says what delivery would send for the events of a connection; what they share is made once (6 -> 3 us)."""

    def __init__(self, configured: ConfiguredConnection) -> None:
        self._configured = configured
        self._responses = ResponseReader(configured.connection)
        self._encodings = {name: request.encode for name, request in configured.mapping.requests.items()}

    def run(self, plan: Plan, now: float) -> DryRun:
        """Return what would be sent for a planned event; what cannot be put into its batch is invalid."""
        noted: list[Report] = []
        requests = plan.requests
        try:
            found = self._only(requests[0], now, noted) if len(requests) == 1 else self._all(requests, now, noted)
        except Unbatchable as error:
            return DryRun(plan._replace(outcome=Outcome.INVALID, reason=str(error), requests=()))
        if noted or len(plan.reports) > MOST_REPORTS:
            plan = plan._replace(reports=(*plan.reports, *noted)[:MOST_REPORTS])
        return _make(DryRun, (plan, found))

    def _only(self, request: PlannedRequest, now: float, reports: list[Report]) -> tuple[Outgoing, ...]:
        """Return the one request of most events: it is a shipment of its own, whatever the batches are."""
        if request.batch is None:
            return (Outgoing(request, self._encodings[request.request]),)
        sent = self._responses.batched((request,), now, reports)
        return (_make(Outgoing, (sent, "json", 1, request.batch)),)

    def _all(self, requests: Sequence[PlannedRequest], now: float, reports: list[Report]) -> tuple[Outgoing, ...]:
        return tuple(alone(self._configured, self._responses, requests, now, reports)) if requests else ()


def dry_run(configured: ConfiguredConnection, plan: Plan, now: float) -> DryRun:
    """Return what delivery would send for one planned event."""
    return DryRunner(configured).run(plan, now)


def alone(
    configured: ConfiguredConnection,
    responses: ResponseReader,
    requests: Sequence[PlannedRequest],
    now: float,
    reports: list[Report],
) -> Iterator[Outgoing]:
    """Yield what delivery sends for the requests of one event, in order; raises Unbatchable.

    The queue is asked only where it decides something: requests without a batch are shipments of their own.
    """
    if all(request.batch is None for request in requests):
        for each in requests:
            yield outgoing(Shipment(None, [Parcel(_NO_EVENT, each)]), responses, now, reports)
        return
    rules = pick_rules(configured, responses, lambda: now)
    event, queue = _OnlyEvent(requests), FairQueue(QueueLimits())
    queue.add(event)
    while event.left:
        for shipment in pick(queue, 1, rules, inf).shipments:
            yield outgoing(shipment, responses, now, reports)
            for _ in shipment.parcels:
                event.left.popleft()
        queue.back(event)
