"""One shipment: sends it, interprets the response, and records the result for each event.

A batch that the vendor refuses as a whole, without naming an item, is sent again in halves until the refused item is
alone. Each refusal counts for the safety valve first: if everything is refused, a setting is wrong, not the data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, cast

from engine.compiler.runtime import Invalid
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Change
from engine.delivery.sending.batching import Parcel, Shipment
from engine.delivery.sending.http import Refused, Sender, Unsendable, VendorReply
from engine.delivery.sending.jobs import Job
from engine.delivery.sending.pacing import Clock, Pace, SafetyValve, TokenBucket, retry_after
from engine.records import JsonObject, Outcome, PlannedRequest
from engine.responses import ItemResult, ResponseReader, Then, error_text

MISSING = 404
SETTINGS_HINT = "Check the connection's settings."
NO_RESULTS = "the response has no result for each item of the batch"


class Shipping:
    """Ships for one connection; the worker sets `record`, and reads `stopped` and `pace` after each shipment."""

    def __init__(
        self,
        configured: ConfiguredConnection,
        sender: Sender,
        clock: Clock,
        random: Callable[[], float],
        observer: DeliveryObserver,
        slots: int,
    ) -> None:
        self.name = configured.name
        self.responses = ResponseReader(configured.connection)
        self.digest = configured.digest()
        self.pace = Pace(configured.retry, slots, random)
        self.stopped = ""
        self.hint = ""
        self.pause_reason = ""
        self.stopping = asyncio.Event()
        self.record: Callable[[Change], None] = lambda _: None
        self._configured = configured
        self._secrets = configured.connection.secrets
        self._give_up_after = configured.retry.give_up_after
        self._sender = sender
        self._clock = clock
        self._observer = observer
        self._bucket = TokenBucket(configured.rate, clock.time())
        self._valve = SafetyValve()

    async def ship(self, shipment: Shipment) -> bool:
        """Send a shipment, in halves if it is refused as a whole; False if some of it has to wait."""
        await self._wait_for_rate_limit()
        if self.stopped or self.stopping.is_set() or self._clock.time() < self.pace.resume_at:
            return False
        began, result, reply, request = await self._exchange(shipment)
        if result.then == "accept":
            self._succeeded(began)
            self._accepted(shipment, result, reply, request)
            return not self.stopped
        if result.then == "reject":
            self._succeeded(began)
            return await self._refused(shipment, result)
        if result.then == "retry":
            self._retry(shipment, result, reply, began)
        else:
            self._hold(result.description, result.hint)
        return False

    def _succeeded(self, began: float) -> None:
        failing_since = self.pace.succeeded(began)
        if failing_since is not None:
            self._observer.resumed(self.name, self._clock.time() - failing_since)

    async def _wait_for_rate_limit(self) -> None:
        """Wait until the rate limit allows a request, or until the worker stops."""
        wait = self._bucket.wait(self._clock.time())
        if wait:
            self._observer.limited(self.name, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.stopping.wait()

    async def _exchange(self, shipment: Shipment) -> tuple[float, ShipmentResult, VendorReply, PlannedRequest]:
        """Send a shipment; if its object does not exist at the vendor and the request has `if_missing`, create it."""
        request = shipment.parcels[0].request
        began, reply = await self._send(shipment)
        result = interpret(self.responses, shipment, reply)
        create = request.if_missing
        if shipment.batch is None and create is not None and reply.status == MISSING:
            creation = Shipment(None, [Parcel(shipment.parcels[0].job, create)])
            await self._wait_for_rate_limit()
            began, reply = await self._send(creation)
            result = interpret(self.responses, creation, reply)
            if result.then == "reject":  # another event may have created it meanwhile
                await self._wait_for_rate_limit()
                began, again = await self._send(shipment)
                found = interpret(self.responses, shipment, again)
                if found.then != "reject":
                    reply, result = again, found
        return began, self._masked(result), reply, request

    def _masked(self, result: ShipmentResult) -> ShipmentResult:
        return result._replace(error=self._secrets.mask(result.error)) if result.error else result

    async def _send(self, shipment: Shipment) -> tuple[float, VendorReply]:
        began = self._clock.time()
        try:
            reply = await self._sender.send(*self._request(shipment, began))
        except (Refused, Invalid) as refused:  # the settings make a wrong address; not the event's fault
            self._hold(str(refused), SETTINGS_HINT)
            return began, VendorReply(failure=str(refused))
        except Unsendable as error:
            return began, VendorReply(unsendable=str(error))
        self._observer.answered(self.name, reply.status, len(shipment.parcels), self._clock.time() - began)
        return began, reply

    def _request(self, shipment: Shipment, now: float) -> tuple[PlannedRequest, str]:
        requests = [parcel.request for parcel in shipment.parcels]
        if shipment.batch is None:
            return requests[0], self._configured.mapping.requests[requests[0].request].encode
        items = [self.responses.item(request, now) for request in requests]
        return self.responses.batched(shipment.batch, items, now), "json"

    def _accepted(
        self, shipment: Shipment, result: ShipmentResult, reply: VendorReply, request: PlannedRequest
    ) -> None:
        assert result.items is not None
        failed: dict[int, tuple[Job, str]] = {}
        for parcel, item in zip(shipment.parcels, result.items, strict=True):
            job = cast("Job", parcel.job)
            if not item.ok:
                if not self.stopped:
                    failed.setdefault(job.place, (job, item.error))
                    self._count_refusal(result.status)
                    if self.stopped:
                        del failed[job.place]
                continue
            self._valve.accepted()
            saved = None
            if shipment.batch is None:
                saved = self._saved(job, request, reply)
            job.accept(request if shipment.batch is None else parcel.request, saved, self._clock.time())
        for job, error in failed.values():
            self._reject(job, f"the vendor refused this item of a batch (status {result.status})", error)
        for job in dict.fromkeys(cast("Job", parcel.job) for parcel in shipment.parcels):
            if not job.finished:
                self._advance(job)

    def _saved(self, job: Job, request: PlannedRequest, reply: VendorReply) -> JsonObject | None:
        saved = self.responses.save(job.call, request.step, reply.status, reply.headers, reply.body)
        return saved or None

    def _advance(self, job: Job) -> None:
        if job.done:
            self._finish(job, Outcome.DELIVERED, job.delivered_reason())
        elif job.plan.outcome is not Outcome.PLANNED:
            self._finish(job, job.plan.outcome, job.plan.reason)
        elif job.accepted:
            self.record(self._change(job, Outcome.WAITING, job.accepted_part()))

    async def _refused(self, shipment: Shipment, result: ShipmentResult) -> bool:
        self._count_refusal(result.status)
        if self.stopped:
            return False
        parcels = shipment.parcels
        if len(parcels) == 1:
            reason = f"{result.reason}: {result.hint.rstrip('.')}" if result.hint else result.reason
            self._reject(cast("Job", parcels[0].job), reason, result.error)
            return True
        self._observer.split(self.name, len(parcels))
        middle = len(parcels) // 2
        for half in (parcels[:middle], parcels[middle:]):
            still = [parcel for parcel in half if not cast("Job", parcel.job).finished]
            if still and not await self.ship(Shipment(shipment.batch, still)):
                return False
        return True

    def _count_refusal(self, status: int) -> None:
        if self._valve.rejected(status):
            self._hold(self._valve.reason(), "Check the settings and the mapping.")

    def _retry(self, shipment: Shipment, result: ShipmentResult, reply: VendorReply, began: float) -> None:
        if self.stopped:
            return
        now = self._clock.time()
        header = reply.headers.get("retry-after")
        wait = self.pace.failed(began, now, retry_after(header if isinstance(header, str) else None, now))
        if self.pace.worth_reporting:
            self._observer.paused(self.name, result.description, wait)
        for job in dict.fromkeys(cast("Job", parcel.job) for parcel in shipment.parcels):
            if job.tried_at is None:
                job.tried_at = now
                self.record(self._change(job, Outcome.WAITING, result.description))
            elif now - job.tried_at >= self._give_up_after:
                self._reject(job, f"gave up after {span(now - job.tried_at)}", result.description)
        self.pause_reason = result.description

    def _reject(self, job: Job, reason: str, error: str) -> None:
        accepted = job.accepted_part()
        self._finish(job, Outcome.REJECTED, f"{reason}; {accepted}" if accepted else reason, error)

    def _finish(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> None:
        job.finished = True
        self._observer.finished(self.name, outcome, self._clock.time() - job.queued_at)
        self.record(self._change(job, outcome, reason, error))

    def _change(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> Change:
        progress = None if outcome is Outcome.DELIVERED else job.progress()
        if outcome is not Outcome.DELIVERED:
            reason = self._secrets.mask(reason)  # it may quote the event
        return Change(job.place, outcome, reason, error_text(error), self.digest, progress, job.tried_at)

    def _hold(self, reason: str, hint: str) -> None:
        if not self.stopped:
            self.stopped, self.hint = self._secrets.mask(reason), hint
            self._observer.held(self.name, self.stopped, hint)


def span(seconds: float) -> str:
    """Format a duration: `24h`, `5m`, `3s`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and size < 86400):
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"


class ShipmentResult(NamedTuple):
    """What a reply means; for `accept`, `items` has one result per parcel. `error` is the vendor's message."""

    then: Then
    status: int
    error: str = ""
    hint: str = ""
    items: list[ItemResult] | None = None

    @property
    def reason(self) -> str:
        """Return what happened, without the vendor's message."""
        if self.status:
            return f"the vendor answered {self.status}"
        return "the request could not be made" if self.then == "reject" else "no response from the vendor"

    @property
    def description(self) -> str:
        """Return what happened, with the vendor's message."""
        return f"{self.reason}: {self.error}" if self.error else self.reason


def interpret(responses: ResponseReader, shipment: Shipment, reply: VendorReply) -> ShipmentResult:
    """Return what a reply means for a shipment.

    A batch is judged like its first request: the mapping's rules apply to both.
    """
    if reply.unsendable:
        return ShipmentResult("reject", 0, reply.unsendable)
    if reply.failure:
        return ShipmentResult("retry", 0, reply.failure)
    request = shipment.parcels[0].request.request
    then, error, hint = responses.judge(request, reply.status, reply.headers, reply.body, readable=reply.readable)
    if then != "accept":
        return ShipmentResult(then, reply.status, error or error_text(reply.body, responses.connection.secrets), hint)
    if shipment.batch is None:
        return ShipmentResult(then, reply.status, items=[ItemResult(True)])
    items = responses.results(shipment.batch, reply.body, len(shipment.parcels))
    if items is None:
        return ShipmentResult("retry", reply.status, NO_RESULTS)
    return ShipmentResult(then, reply.status, items=items)
