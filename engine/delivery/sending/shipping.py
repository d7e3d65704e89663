"""One shipment: sent, its answer read, and what that means noted for each event.

A batch that the vendor refuses as a whole without naming an item is sent again in halves until the culprit is
alone.  The safety valve is asked first: where everything is refused, it is a setting, not the data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from engine.compiler.runtime import Invalid
from engine.delivery.configured import Configured
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Change
from engine.delivery.outbox_thread import Clock
from engine.delivery.sending import answers
from engine.delivery.sending.answers import ShipmentResult, VendorReply
from engine.delivery.sending.batching import Parcel, Shipment
from engine.delivery.sending.http import Refused, Sender, Unsendable
from engine.delivery.sending.jobs import Job
from engine.delivery.sending.pacing import Bucket, Pace, Valve, retry_after
from engine.records import JsonObject, Outcome, PlannedRequest, masked
from engine.responses import ResponseReader, error_text

MISSING = 404
SETTINGS_HINT = "Check the connection's settings."


class Shipping:
    """Ships for one connection. `hold` and `pause` tell the worker; `note` keeps what became of an event."""

    def __init__(
        self,
        configured: Configured,
        sender: Sender,
        clock: Clock,
        random: Callable[[], float],
        watcher: DeliveryObserver,
        slots: int,
    ) -> None:
        self.name = configured.name
        self.responses = ResponseReader(configured.connection)
        self.digest = configured.digest()
        self.pace = Pace(configured.retry, slots, random)
        self.stopped = ""
        self.hint = ""
        self.pause_reason = ""
        self.leaving = asyncio.Event()
        self.note: Callable[[Change], None] = lambda _: None
        self._configured = configured
        self._give_up_after = configured.retry.give_up_after
        self._sender = sender
        self._clock = clock
        self._watcher = watcher
        self._bucket = Bucket(configured.rate, clock.time())
        self._valve = Valve()

    async def ship(self, shipment: Shipment) -> bool:
        """Send a shipment, and its halves where it is refused whole; false where some of it has to wait."""
        await self._turn()
        if self.stopped or self.leaving.is_set() or self._clock.time() < self.pace.resume_at:
            return False
        began, answer, reply, request = await self._asked(shipment)
        if answer.then == "accept":
            self._succeeded(began)
            self._accepted(shipment, answer, reply, request)
            return not self.stopped
        if answer.then == "reject":
            self._succeeded(began)
            return await self._refused(shipment, answer)
        if answer.then == "retry":
            self._retry(shipment, answer, reply, began)
        else:
            self._hold(answer.told, answer.hint)
        return False

    def _succeeded(self, began: float) -> None:
        failing_since = self.pace.succeeded(began)
        if failing_since is not None:
            self._watcher.resumed(self.name, self._clock.time() - failing_since)

    async def _turn(self) -> None:
        """Wait for the rate limit, or for the end."""
        wait = self._bucket.wait(self._clock.time())
        if wait:
            self._watcher.limited(self.name, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.leaving.wait()

    async def _asked(self, shipment: Shipment) -> tuple[float, ShipmentResult, VendorReply, PlannedRequest]:
        """Send what a shipment is, and where that is missing at the vendor, what makes it."""
        request = shipment.parcels[0].request
        began, reply = await self._send(shipment)
        answer = answers.read(self.responses, shipment, reply)
        made = request.if_missing
        if shipment.batch is None and made is not None and reply.status == MISSING:
            making = Shipment(None, [Parcel(shipment.parcels[0].job, made)])
            await self._turn()
            began, reply = await self._send(making)
            answer = answers.read(self.responses, making, reply)
            if answer.then == "reject":  # perhaps another event made it in between
                await self._turn()
                began, again = await self._send(shipment)
                found = answers.read(self.responses, shipment, again)
                if found.then != "reject":
                    reply, answer = again, found
        return began, self._masked(answer), reply, request

    def _masked(self, answer: ShipmentResult) -> ShipmentResult:
        secrets = self._configured.connection.secrets
        items = answer.items
        if items is not None and not all(item.ok for item in items):
            items = [item._replace(error=cast("str", masked(item.error, secrets))) for item in items]
        return answer._replace(words=cast("str", masked(answer.words, secrets)), items=items)

    async def _send(self, shipment: Shipment) -> tuple[float, VendorReply]:
        began = self._clock.time()
        try:
            reply = await self._sender.send(*self._request(shipment, began))
        except (Refused, Invalid) as refused:  # what settings make of addresses; no event is to blame
            self._hold(str(refused), SETTINGS_HINT)
            return began, VendorReply(failure=str(refused))
        except Unsendable as error:
            return began, VendorReply(unsendable=str(error))
        self._watcher.answered(self.name, reply.status, len(shipment.parcels), self._clock.time() - began)
        return began, reply

    def _request(self, shipment: Shipment, now: float) -> tuple[PlannedRequest, str]:
        requests = [parcel.request for parcel in shipment.parcels]
        if shipment.batch is None:
            return requests[0], self._configured.mapping.requests[requests[0].request].encode
        items = [self.responses.item(request, now) for request in requests]
        return self.responses.batched(shipment.batch, items, now), "json"

    def _accepted(
        self, shipment: Shipment, answer: ShipmentResult, reply: VendorReply, request: PlannedRequest
    ) -> None:
        assert answer.items is not None
        failed: dict[int, tuple[Job, str]] = {}
        for parcel, result in zip(shipment.parcels, answer.items, strict=True):
            job = cast("Job", parcel.job)
            if not result.ok:
                if not self.stopped:
                    failed.setdefault(job.place, (job, result.error))
                    self._count_refusal(answer.status)
                    if self.stopped:
                        del failed[job.place]
                continue
            self._valve.accepted()
            saved = None
            if shipment.batch is None:
                saved = self._saved(job, request, reply)
            job.accept(request if shipment.batch is None else parcel.request, saved, self._clock.time())
        for job, error in failed.values():
            self._reject(job, f"the vendor refused this item of a batch (status {answer.status})", error)
        for job in dict.fromkeys(cast("Job", parcel.job) for parcel in shipment.parcels):
            if not job.finished:
                self._went_on(job)

    def _saved(self, job: Job, request: PlannedRequest, reply: VendorReply) -> JsonObject | None:
        saved = self.responses.save(job.call, request.step, reply.status, reply.headers, reply.body)
        return saved or None

    def _went_on(self, job: Job) -> None:
        if job.done:
            self._finish(job, Outcome.DELIVERED, job.delivered_words())
        elif job.plan.outcome is not Outcome.PLANNED:
            self._finish(job, job.plan.outcome, job.plan.reason)
        elif job.accepted:
            self.note(self._change(job, Outcome.WAITING, job.partly()))

    async def _refused(self, shipment: Shipment, answer: ShipmentResult) -> bool:
        self._count_refusal(answer.status)
        if self.stopped:
            return False
        parcels = shipment.parcels
        if len(parcels) == 1:
            reason = f"{answer.reason}: {answer.hint.rstrip('.')}" if answer.hint else answer.reason
            self._reject(cast("Job", parcels[0].job), reason, answer.words)
            return True
        self._watcher.split(self.name, len(parcels))
        middle = len(parcels) // 2
        for half in (parcels[:middle], parcels[middle:]):
            still = [parcel for parcel in half if not cast("Job", parcel.job).finished]
            if still and not await self.ship(Shipment(shipment.batch, still)):
                return False
        return True

    def _count_refusal(self, status: int) -> None:
        if self._valve.rejected(status):
            self._hold(self._valve.words(), "Check the settings and the mapping.")

    def _retry(self, shipment: Shipment, answer: ShipmentResult, reply: VendorReply, began: float) -> None:
        if self.stopped:
            return
        now = self._clock.time()
        header = reply.headers.get("retry-after")
        wait = self.pace.failed(began, now, retry_after(header if isinstance(header, str) else None, now))
        if self.pace.worth_telling:
            self._watcher.paused(self.name, answer.told, wait)
        for job in dict.fromkeys(cast("Job", parcel.job) for parcel in shipment.parcels):
            if job.tried_at is None:
                job.tried_at = now
                self.note(self._change(job, Outcome.WAITING, answer.told))
            elif now - job.tried_at >= self._give_up_after:
                self._reject(job, f"gave up after {span(now - job.tried_at)}", answer.told)
        self.pause_reason = answer.told

    def _reject(self, job: Job, reason: str, error: str) -> None:
        partly = job.partly()
        self._finish(job, Outcome.REJECTED, f"{reason}; {partly}" if partly else reason, error)

    def _finish(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> None:
        job.finished = True
        self._watcher.finished(self.name, outcome, self._clock.time() - job.queued_at)
        self.note(self._change(job, outcome, reason, error))

    def _change(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> Change:
        progress = None if outcome is Outcome.DELIVERED else job.progress()
        return Change(job.place, outcome, reason, error_text(error), self.digest, progress, job.tried_at)

    def _hold(self, reason: str, hint: str) -> None:
        if not self.stopped:
            self.stopped, self.hint = reason, hint
            self._watcher.held(self.name, reason, hint)


def span(seconds: float) -> str:
    """Write how long something took: `24h`, `5m`, `3s`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and size < 86400):
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
