"""One shipment: sends it, interprets the response, and records the result for each event.

Every request that is sent is an attempt: it is noted before the changes that it leads to, and so are its events'.  What
was never sent (a request that cannot be written, no access token) is none; its events' reasons say what happened.

A fault stays with the event that has it.  A batch that the vendor refuses as a whole, without naming an item, is sent
again in halves until the refused item is alone; so is one that the vendor answers with an error while it takes others.
An event whose request failed waits for its own retry, and the connection goes on with the events of other users.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, cast

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change
from engine.delivery.sending.batching import Parcel, Shipment
from engine.delivery.sending.fair_queue import Retries
from engine.delivery.sending.http import Refused, Sender, Try, Unsendable, VendorReply
from engine.delivery.sending.jobs import Job
from engine.delivery.sending.outgoing import Outgoing, outgoing
from engine.delivery.sending.pacing import Brake, Clock, Failure, Pace, RateLimiter, retry_after
from engine.delivery.sending.refresh_tokens import SignInFailed, SignInRefused
from engine.delivery.sending.refusals import RefusalAlarm
from engine.delivery.sending.versions import Version
from engine.language.signatures import Signer
from engine.records import JsonObject, Outcome, PlannedRequest, Report
from engine.responses import UNREADABLE, ItemResult, ResponseReader, Then, Unbatchable, error_text

MISSING = 404
TOO_MANY_REQUESTS = 429
LOWEST_ERROR = 400
WHOLE_BATCHES = 3
"""How often a batch may fail before its events are sent alone."""
SETTINGS_HINT = "Check the connection's settings."
NO_RESULTS = "the response has no result for each item of the batch: {path} (batches.{batch}.results.list)"


class Part(NamedTuple):
    """Which of a connection's events a worker has: those of one of `parts` parts."""

    number: int = 0
    parts: int = 1


WHOLE = Part()


class Shipping:
    """Ships for one connection; the worker sets `record` and `note`, and reads `stopped` and `pace` after a shipment.

    `last_attempt` is the number of the last request, which the worker reads from the outbox.
    """

    def __init__(
        self,
        configured: ConfiguredConnection,
        sender: Sender,
        clock: Clock,
        random: Callable[[], float],
        observer: DeliveryObserver,
        slots: int,
        rate_limit: RateLimiter,
        part: Part = WHOLE,
    ) -> None:
        self.name = configured.name
        self.version = Version.of(configured, clock.time)
        self.last_attempt = 0
        self.pace = Pace(configured.retry, slots, random)
        self.stopped = ""
        self.hint = ""
        self.pause_reason = ""
        self.stopping = asyncio.Event()
        self.record: Callable[[Change], None] = lambda _: None
        self.note: Callable[[Attempt], None] = lambda _: None
        self._retry = configured.retry
        self._random = random
        self._secrets = configured.connection.secrets
        self._sender = sender
        self._clock = clock
        self._observer = observer
        self._rate_limit = rate_limit
        self._part = part
        self.brake = Brake()
        self.alarm = RefusalAlarm()

    async def ship(self, shipment: Shipment) -> bool:
        """Send a shipment, in halves if needed; False if some of it has to wait."""
        await self._wait_for_turn()
        if self.stopped or self.stopping.is_set() or self._clock.time() < self.pace.resume_at:
            return False
        began, result, reply, request = await self._exchange(shipment)
        if result.then == "accept":
            self._succeeded(began)
            self._accepted(shipment, result, reply, request)
            return True
        if result.then == "reject":
            self._succeeded(began)
            return await self._refused(shipment, result)
        if result.then == "retry":
            return await self._failed(shipment, result, reply, began)
        self._hold(result.description, result.hint)
        return False

    def leave(self, shipment: Shipment) -> None:
        """Record the attempts of events that go on waiting, where nothing else was recorded of them."""
        for each in shipment.jobs():
            job = cast("Job", each)
            if job.unwritten and not job.finished:
                self._wait(job, job.unwritten)

    def _succeeded(self, began: float) -> None:
        failing_since = self.pace.succeeded(began)
        if failing_since is not None:
            self._observer.resumed(self.name, self._clock.time() - failing_since)

    async def _wait_for_turn(self) -> None:
        """Wait until the rate limit and the brake allow a request, or until the worker stops."""
        limited = await self._rate_limit.take()
        if limited:
            self._observer.limited(self.name, limited)
        wait = max(limited, self.brake.wait(self._clock.time()))
        if wait:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.stopping.wait()

    async def _exchange(self, shipment: Shipment) -> tuple[float, ShipmentResult, VendorReply, PlannedRequest]:
        """Send a shipment; if its object does not exist at the vendor and the request has `if_missing`, create it."""
        request = shipment.parcels[0].request
        began, reply, result = await self._sent(shipment)
        create = request.if_missing
        if shipment.batch is None and create is not None and reply.status == MISSING:
            creation = Shipment(None, [Parcel(shipment.parcels[0].job, create)])
            await self._wait_for_turn()
            began, reply, result = await self._sent(creation)
            if result.then == "reject":  # another event may have created it meanwhile
                await self._wait_for_turn()
                again = await self._sent(shipment)
                if again[2].then != "reject":
                    began, reply, result = again
        return began, self._masked(result), reply, request

    async def _sent(self, shipment: Shipment) -> tuple[float, VendorReply, ShipmentResult]:
        """Send a shipment, say what the reply means, and note the attempt: two, if the access token was renewed."""
        began, tries = self._clock.time(), list[Try]()
        number = self._number(began)
        reply, sent = await self._send(shipment, began, tries)
        version = version_of(shipment)
        result = interpret(version.responses, shipment.batch, [each.request for each in shipment.parcels], reply)
        for tried in tries:
            assert sent is not None
            refused = tried.reply is not reply or not result.all_accepted
            items = len(shipment.parcels)
            attempt = version.recorder.attempt(number, sent.request, sent.encode, items, tried, refused=refused)
            self._note_attempt(shipment, attempt, result.description)
            if tried is not tries[-1]:
                number = self._number(self._clock.time())
        return began, reply, result

    def _number(self, began: float) -> int:
        """Return the number of the next attempt: the time in microseconds, but always a higher one.

        No worker of another part of the connection's events gives the same one.
        """
        number = max(self.last_attempt + 1, int(began * 1e6))
        self.last_attempt = number + (self._part.number - number) % self._part.parts
        return self.last_attempt

    def _note_attempt(self, shipment: Shipment, attempt: Attempt, came_of_it: str) -> None:
        self.note(attempt)
        number, last = str(attempt.number), None
        for parcel in shipment.parcels:  # the requests of an event are beside each other
            if parcel.job is not last:
                last = parcel.job
                cast("Job", last).tried(number, came_of_it)

    def _masked(self, result: ShipmentResult) -> ShipmentResult:
        return result._replace(error=self._secrets.mask(result.error)) if result.error else result

    async def _send(self, shipment: Shipment, began: float, tries: list[Try]) -> tuple[VendorReply, Outgoing | None]:
        """Send a shipment; return the reply and what was sent, None if nothing was."""
        sent: Outgoing | None = None
        responses = version_of(shipment).responses
        try:
            reports: list[Report] = []
            sent = outgoing(shipment, responses, began, reports)
            if reports:
                self._note_reports(shipment, responses, reports, began)
            reply = await self._sender.send(sent.request, sent.encode, _signer(shipment, responses), tries)
        except SignInFailed as failed:
            headers: JsonObject = {} if failed.retry_after is None else {"retry-after": failed.retry_after}
            return VendorReply(headers=headers, failure=str(failed), no_token=True), sent
        except (Refused, SignInRefused) as refused:  # the settings make a wrong address; not the event's fault
            self._hold(str(refused), SETTINGS_HINT)
            return VendorReply(failure=str(refused)), sent
        except (Unsendable, Unbatchable) as error:
            return VendorReply(unsendable=str(error)), sent
        took = self._clock.time() - began
        self._observer.answered(self.name, reply.status, len(shipment.parcels), took)
        if reply.timed_out:
            self._observer.timed_out(self.name, took)
        return reply, sent

    @staticmethod
    def _note_reports(shipment: Shipment, responses: ResponseReader, reports: list[Report], now: float) -> None:
        """Add to events what their items leave out, the first of `reports`, and to all of them what the batch does."""
        whole = 0
        for parcel in shipment.parcels:
            own: list[Report] = []
            responses.item(parcel.request, now, own)
            cast("Job", parcel.job).note(own)
            whole += len(own)
        for job in shipment.jobs():
            cast("Job", job).note(reports[whole:])

    def _accepted(
        self, shipment: Shipment, result: ShipmentResult, reply: VendorReply, request: PlannedRequest
    ) -> None:
        assert result.items is not None
        failed: dict[int, tuple[Job, str]] = {}
        now = self._clock.time()
        for parcel, item in zip(shipment.parcels, result.items, strict=True):
            job = cast("Job", parcel.job)
            if not item.ok:
                failed.setdefault(job.place, (job, item.error))
                self._count_refusal(job, result.status)
                continue
            self.brake.accepted()
            self.alarm.accepted()
            saved = None
            if shipment.batch is None:
                saved = self._saved(job, request, reply)
            job.accept(request if shipment.batch is None else parcel.request, saved, now)
        for job, error in failed.values():
            self._reject(job, f"the vendor refused this item of a batch (status {result.status})", error)
        for each in shipment.jobs():
            job = cast("Job", each)
            if not job.finished:
                self._advance(job, now)

    def _saved(self, job: Job, request: PlannedRequest, reply: VendorReply) -> JsonObject | None:
        return job.version.responses.save(job.call, request.step, reply.status, reply.headers, reply.body)

    def _advance(self, job: Job, now: float) -> None:
        if job.done:
            self._delivered(job, now)
        elif job.plan.outcome is not Outcome.PLANNED:
            self._finish(job, job.plan.outcome, job.plan.reason)
        elif job.accepted:
            self._wait(job, job.accepted_part())

    async def _refused(self, shipment: Shipment, result: ShipmentResult) -> bool:
        parcels = shipment.parcels
        job = cast("Job", parcels[0].job)
        if len(parcels) > 1:
            self.brake.refused(job.place, self._clock.time())
            return await self._in_halves(shipment)
        if result.status:  # otherwise nothing was sent
            self._count_refusal(job, result.status)
        reason = f"{result.reason}: {result.hint.rstrip('.')}" if result.hint else result.reason
        self._reject(job, reason, result.error)
        return True

    async def _in_halves(self, shipment: Shipment) -> bool:
        """Send a shipment in two; an event stays behind if one before it that shares an id has to wait."""
        parcels = shipment.parcels
        self._observer.split(self.name, len(parcels))
        middle = len(parcels) // 2
        waiting: set[int] = set()
        ids: set[str] = set()
        for half in (parcels[:middle], parcels[middle:]):
            sent = []
            for parcel in half:
                job = cast("Job", parcel.job)
                if job.place in waiting or not ids.isdisjoint(job.ids):
                    waiting.add(job.place)
                    ids |= job.ids
                elif not job.finished:
                    sent.append(parcel)
            if sent and not await self.ship(Shipment(shipment.batch, sent)):
                left = [parcel.job for parcel in sent if not cast("Job", parcel.job).finished]
                waiting.update(job.place for job in left)
                ids.update(*(job.ids for job in left))
        return not waiting

    def _count_refusal(self, job: Job, status: int) -> None:
        self.brake.refused(job.place, self._clock.time())
        self.alarm.refused(status)

    async def _failed(self, shipment: Shipment, result: ShipmentResult, reply: VendorReply, began: float) -> bool:
        """Have the events wait for their retry, or the connection; False, because something has to wait.

        A batch is halved only if the vendor answered: what was lost may have arrived, and would arrive twice.  And only
        if it has taken other requests: otherwise one event of the batch is set apart, and may prove that it does.
        """
        if self.stopped:
            return False
        if reply.no_token:  # no event is to blame, and none was tried
            self._pause(shipment, result, reply, began)
            return False
        proven, answered = self.pace.proven, reply.status >= LOWEST_ERROR
        paused = self._pause(shipment, result, reply, began)
        if proven and answered and not paused and len(shipment.parcels) > 1:
            return await self._in_halves(shipment)
        wait = None if paused else self._retry.wait(self._failures_of(shipment) + 1, self._random())
        jobs = [cast("Job", each) for each in shipment.jobs()]
        now = self._clock.time()
        for job in jobs:
            self._try_again(job, result, now, wait)
        if wait is not None:
            if shipment.batch is not None:
                self._set_apart(jobs, answered=answered)
            self._observer.retrying(self.name, sum(not job.finished for job in jobs), result.description, wait)
        return False

    def _pause(self, shipment: Shipment, result: ShipmentResult, reply: VendorReply, began: float) -> bool:
        """Record a failure; True if the connection pauses."""
        now = self._clock.time()
        header = reply.headers.get("retry-after")
        jobs = [cast("Job", each) for each in shipment.jobs()]
        failure = Failure(frozenset(job.user for job in jobs), any(job.retries is None for job in jobs))
        after = retry_after(header if isinstance(header, str) else None, now)
        at_once = result.status == TOO_MANY_REQUESTS or reply.no_token
        wait = self.pace.failed(began, now, failure, after, at_once=at_once)
        if wait is None:
            return False
        self.pause_reason = result.description
        if self.pace.worth_reporting:
            self._observer.paused(self.name, result.description, wait)
        return True

    @staticmethod
    def _set_apart(jobs: list[Job], *, answered: bool) -> None:
        """Have events of a batch that failed be sent alone from now on.

        At first the next one, if the vendor answered; after several failures all of them, even if they may have
        arrived: sending the batch whole again and again would send them twice more often.
        """
        left = [job.retries for job in jobs if job.retries is not None and not job.retries.alone]
        often = any(each.count >= WHOLE_BATCHES for each in left)
        for each in left if often else left[: 1 if answered else 0]:
            each.alone = True

    @staticmethod
    def _failures_of(shipment: Shipment) -> int:
        return max((job.retries.count for job in shipment.jobs() if job.retries is not None), default=0)

    def _try_again(self, job: Job, result: ShipmentResult, now: float, wait: float | None) -> None:
        """Record that an event's request failed, and when to try again; without `wait`, when the connection can."""
        job.tried_at = now if job.tried_at is None else job.tried_at
        if now - job.tried_at >= self._retry.give_up_after:
            self._reject(job, f"gave up after {span(self._retry.give_up_after)}", result.description)
            return
        if job.retries is None:
            job.retries = Retries(since=now)
        if wait is not None:  # otherwise the vendor is to blame, and not the event
            job.retries.count += 1
            job.retries.due = now + wait
        job.retries.reason = result.description
        self._wait(job, result.description)

    def _wait(self, job: Job, reason: str) -> None:
        """Record that an event goes on waiting after an attempt."""
        self.record(self._change(job, Outcome.WAITING, reason))

    def _reject(self, job: Job, reason: str, error: str) -> None:
        accepted = job.accepted_part()
        self._finish(job, Outcome.REJECTED, f"{reason}; {accepted}" if accepted else reason, error)

    def _delivered(self, job: Job, now: float) -> None:
        """Record what happens to most events: `_finish` without what only other outcomes need."""
        job.finished = True
        self._observer.finished(self.name, Outcome.DELIVERED, now - job.queued_at)
        reason, tried_at = job.delivered_reason(), job.tried_at
        digest, reports = job.version.digest, job.reports
        self.record(Change(job.place, Outcome.DELIVERED, reason, "", digest, None, tried_at, reports, job.attempts))

    def _finish(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> None:
        job.finished = True
        self._observer.finished(self.name, outcome, self._clock.time() - job.queued_at)
        self.record(self._change(job, outcome, reason, error))

    def _change(self, job: Job, outcome: Outcome, reason: str, error: str = "") -> Change:
        reason = self._secrets.mask(reason)  # it may quote the event
        error, digest = error and error_text(error), job.version.digest
        progress, tried_at, job.unwritten = job.progress(), job.tried_at, ""
        return Change(job.place, outcome, reason, error, digest, progress, tried_at, job.reports, job.attempts)

    def _hold(self, reason: str, hint: str) -> None:
        if not self.stopped:
            self.stopped, self.hint = self._secrets.mask(reason), hint
            self._observer.held(self.name, self.stopped, hint)


def version_of(shipment: Shipment) -> Version:
    """Return the version of the mapping that planned what a shipment carries; events of an older one are alone."""
    return cast("Job", shipment.parcels[0].job).version


def _signer(shipment: Shipment, responses: ResponseReader) -> Signer | None:
    if shipment.batch is None:
        return responses.connection.signers.get(shipment.parcels[0].request.request)
    return responses.connection.batch_signers.get(shipment.batch)


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
    no_token: bool = False

    @property
    def all_accepted(self) -> bool:
        """Whether the vendor accepted everything."""
        return self.then == "accept" and all(item.ok for item in self.items or ())

    @property
    def reason(self) -> str:
        """Return what happened, without the vendor's message."""
        if self.status:
            return f"the vendor answered {self.status}"
        if self.no_token:
            return "no access token"
        return "the request could not be made" if self.then == "reject" else "no response from the vendor"

    @property
    def description(self) -> str:
        """Return what happened, with the vendor's message."""
        return f"{self.reason}: {self.error}" if self.error else self.reason


def interpret(
    responses: ResponseReader, batch: str | None, requests: Sequence[PlannedRequest], reply: VendorReply
) -> ShipmentResult:
    """Return what a reply means for a request, or for the requests that a batch carried.

    A batch is judged like its first request: the mapping's rules apply to both.
    """
    if reply.unsendable:
        return ShipmentResult("reject", 0, reply.unsendable)
    if reply.failure:
        return ShipmentResult("retry", 0, reply.failure, no_token=reply.no_token)
    name = requests[0].request
    then, error, hint = responses.judge(name, reply.status, reply.headers, reply.body, readable=reply.readable)
    if then != "accept":
        return ShipmentResult(then, reply.status, error or error_text(reply.body, responses.connection.secrets), hint)
    if batch is None:
        return ShipmentResult(then, reply.status, items=[ItemResult(True)])
    items = responses.results(batch, reply.body, len(requests))
    if items is None:
        read = responses.connection.mapping.batches[batch].results
        path = "" if read is None else read.list
        why = NO_RESULTS.format(path=path, batch=batch) if reply.readable else UNREADABLE
        return ShipmentResult("retry", reply.status, why)
    return ShipmentResult(then, reply.status, items=items)
