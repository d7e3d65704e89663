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

    def __init__(self, requests: Sequence[PlannedRequest]) -> None:
        self.left = deque(requests)

    def next(self) -> Next:
        """Return the requests that may be sent now."""
        return Next.of(self.left)


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


def dry_run(configured: ConfiguredConnection, plan: Plan, now: float) -> DryRun:
    """Return what delivery would send for a planned event; what cannot be put into its batch is invalid."""
    reports = list(plan.reports)
    try:
        found = tuple(alone(configured, plan.requests, now, reports)) if plan.requests else ()
    except Unbatchable as error:
        return DryRun(plan._replace(outcome=Outcome.INVALID, reason=str(error), requests=()))
    if len(reports) != len(plan.reports) or len(reports) > MOST_REPORTS:
        plan = plan._replace(reports=tuple(reports[:MOST_REPORTS]))
    return DryRun(plan, found)


def alone(
    configured: ConfiguredConnection, requests: Sequence[PlannedRequest], now: float, reports: list[Report]
) -> Iterator[Outgoing]:
    """Yield what delivery sends for the requests of one event, in order; raises Unbatchable.

    The queue is asked only where it decides something: one request, or one without a batch, is a shipment of its own
    (19 -> 5 us for the one request of most events).
    """
    responses = ResponseReader(configured.connection)
    if len(requests) == 1 or all(request.batch is None for request in requests):
        for each in requests:
            yield outgoing(Shipment(each.batch, [Parcel(_NO_EVENT, each)]), responses, now, reports)
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
