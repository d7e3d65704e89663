"""One connection's worker: reads the queue, plans events, picks shipments, sends them and records the outcomes.

The worker holds the connection's lease, so no other process delivers for the connection: order, pace and batches are
plain variables.  `_queue` knows every unfinished event up to `_read_to`, and which are next.  The loop of `run` reads
on, starts the shipments that `pick` allows, writes holds, pauses and alarms to the outbox, and sleeps until a shipment
returns, a pause or an event's wait ends, or the poll is due.  A shipment is a task; its events go back to the queue
when their outcomes are on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import SystemRandom
from typing import cast

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.older_versions import TOO_LARGE, OlderVersions
from engine.delivery.outbox.base import Change, ConnectionRow, Waiting
from engine.delivery.outbox_thread import ChangeWriter, OutboxThread
from engine.delivery.sending.batching import Shipment, pick
from engine.delivery.sending.fair_queue import FairQueue, QueueLimits
from engine.delivery.sending.http import SLOTS, Sender
from engine.delivery.sending.jobs import Job, accepted_count, ids_of, outcome_of
from engine.delivery.sending.pacing import LONGEST_RETRY_AFTER, Clock, OwnRateLimiter, RateLimiter
from engine.delivery.sending.refusals import RefusalAlarm
from engine.delivery.sending.shipping import WHOLE, Part, Shipping
from engine.delivery.sending.versions import Version
from engine.events.normalizing import Normalized
from engine.records import Outcome, Report

SENT_AGAIN = "sent-again"
REPLAYED = "does not count in a replay"


def _own_rate_limit(configured: ConfiguredConnection, clock: Clock) -> RateLimiter:
    return OwnRateLimiter(configured.rate, clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How workers run; durations are in seconds.

    With `until_idle` a worker ends when nothing can be sent now, and waits at most `patience` for a failing vendor.
    Without, workers run until they are stopped, and a failed one is restarted after `restart` seconds, a wait that
    doubles up to `longest_restart`. A worker holds what `queue` allows in memory and reads `chunk` events at a time. At
    its end it waits at most `grace` for requests in flight. `rate_limit` returns how fast a connection's requests may
    go out; by default each worker keeps its own count, since no other delivers to its connection, unless it has a
    `part` of its events only.
    """

    until_idle: bool = True
    patience: float = 30.0
    slots: int = SLOTS
    queue: QueueLimits = field(default_factory=QueueLimits)
    chunk: int = 250
    lease: float = 10.0
    grace: float = 10.0
    poll: float = 0.25
    restart: float = 5.0
    longest_restart: float = 60.0
    random: Callable[[], float] = SystemRandom().random
    rate_limit: Callable[[ConfiguredConnection, Clock], RateLimiter] = _own_rate_limit
    part: Part = WHOLE


class Worker:
    """Delivers the events of one connection while it has the lease."""

    def __init__(
        self,
        configured: ConfiguredConnection,
        thread: OutboxThread,
        sender: Sender,
        fence: int,
        options: Options,
        clock: Clock,
        observer: DeliveryObserver,
        read: Callable[[Waiting], Normalized],
    ) -> None:
        self.configured = configured
        self.name = configured.name
        self._read = read
        rate_limit = options.rate_limit(configured, clock)
        self.shipping = Shipping(
            configured, sender, clock, options.random, observer, options.slots, rate_limit, options.part
        )
        self._thread = thread
        self._options = options
        self._clock = clock
        self._observer = observer
        self._writer = ChangeWriter(thread, self.name, fence, clock)
        self._writer.on_failure = self.wake
        self._writer.on_written = lambda changes: observer.written(self.name, changes)
        self.shipping.record = self._writer.add
        self.shipping.note = self._writer.note
        self._older = OlderVersions(configured, thread.outbox, clock.time)
        rules = self.shipping.version.rules
        self._rules = replace(rules, apart=lambda job: cast("Job", job).version.rules)
        self._queue = FairQueue(options.queue._replace(line=max(options.queue.line, configured.largest_batch)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: Exception | None = None
        self._read_to = 0
        self._paused_until = 0.0
        self._alarm = ""
        self._woken = asyncio.Event()
        self._stopping = False
        self._intake_open = True
        self._held = False

    def adopt(self, due: float | None, alarm: str) -> None:
        """Take over the alarm and the pause of an earlier worker.

        A pause that a clock that jumped made longer than any pause is does not count.
        """
        self._alarm = alarm
        self.shipping.alarm = RefusalAlarm(alarm)
        now = self._clock.time()
        if due is not None:
            self._paused_until = due  # also if it is over, so that it is removed from the outbox
            if now < due <= now + LONGEST_RETRY_AFTER:
                self.shipping.pace.resume_at = due
                self.shipping.pace.failing_since = now

    def follow(self, row: ConnectionRow) -> None:
        """Respect what another worker of the connection, or a person, has changed: a hold, a pause, or its end.

        Only where several workers deliver to one connection, each a part of its events.
        """
        pace, now = self.shipping.pace, self._clock.time()
        if row.held:
            self.stop()
        elif row.due is None:
            pace.resume_at = min(pace.resume_at, now)
        elif now < row.due <= now + LONGEST_RETRY_AFTER:
            pace.resume_at = max(pace.resume_at, row.due)
        self.wake()

    def wake(self) -> None:
        """Wake the worker from its sleep."""
        self._woken.set()

    def stop(self) -> None:
        """Send nothing new; `run` ends when the requests in flight have returned."""
        self._stopping = True
        self.shipping.stopping.set()
        self.wake()

    def intake_ended(self) -> None:
        """No more events come in, so a worker may end when nothing can be sent."""
        self._intake_open = False
        self.wake()

    def fail(self, error: Exception) -> None:
        """End with an error, once the requests in flight have returned."""
        self._error = self._error or error
        self.stop()

    async def run(self) -> None:
        """Deliver until nothing can be sent, or until stopped; raises OutboxError and LeaseLost."""
        self.shipping.last_attempt = await self._thread.call(self._thread.outbox.last_attempt, self.name)
        if not await self._thread.call(self._older.keep):
            self._observer.warned(self.name, TOO_LARGE)
        try:
            while not self._stopping and self._error is None and not self._writer.failed():
                self._woken.clear()
                intake_open = self._intake_open  # read before the queue, so that the last events are not missed
                more = await self._read_on()
                look_again_at = self._dispatch()
                await self._save_state()
                if not more and not intake_open and self._ended():
                    break
                if not more or not self._may_send():
                    await self._wait(look_again_at)
        finally:
            await self._drain()
        await self._save_state()

    def _may_send(self) -> bool:
        return len(self._tasks) < self._slots(self._clock.time())

    async def _read_on(self) -> bool:
        """Load what is wanted and read more of the outbox if there is room; True if there may be even more."""
        more = await self._load_wanted()
        if not self._queue.has_room():
            return more
        waiting = self._thread.outbox.waiting
        rows = await self._thread.call(waiting, self.name, self._read_to, self._options.chunk)
        for row in rows:
            self._read_to = row.place
            event = self._read(row)
            ids = ids_of(event)
            if self._queue.defers(ids):
                self._queue.defer(row.place, ids)
            elif (job := await self._planned(row, event, ids)) is not None:
                self._queue.add(job)
        return more or bool(rows)

    async def _load_wanted(self) -> bool:
        """Load events whose turn it is from the outbox; True if there may be more."""
        places = self._queue.wanted(self._clock.time(), self._options.chunk)
        if not places:
            return False
        rows = await self._thread.call(self._thread.outbox.waiting_at, self.name, places)
        found = {row.place: row for row in rows}
        for place in places:
            row = found.get(place)
            if row is None:
                self._queue.vanished(place, None)
                continue
            event = self._read(row)
            ids = ids_of(event)
            job = await self._planned(row, event, ids)
            if job is None:
                self._queue.vanished(place, ids)
            else:
                self._queue.loaded(job)
        return len(places) == self._options.chunk

    async def _planned(self, row: Waiting, event: Normalized, ids: frozenset[str]) -> Job | None:
        """Plan an event; None if there is nothing to send, which is its outcome."""
        version, why = self.shipping.version, ""
        if row.progress is not None and row.digest != version.digest:
            version, why = await self._version_of(row)
        job = Job(version, row, self._clock.time(), event, ids)
        if why and job.plan.outcome is Outcome.PLANNED:
            job.note([sent_again(row, why)])
        outcome, reason, reports = outcome_of(self.configured, job)
        if outcome is Outcome.PLANNED:
            return job
        self._observer.finished(self.name, outcome, self._clock.time() - row.queued_at)
        self._writer.add(
            Change(row.place, outcome, reason, digest=version.digest, reports=reports, attempts=row.attempts)
        )
        return None

    async def _version_of(self, row: Waiting) -> tuple[Version, str]:
        """Return what finishes an event that is half done under another version; or what plans it anew, and why.

        A replay is there for a corrected mapping.
        """
        found = REPLAYED if row.replayed else await self._thread.call(self._older.find, row.digest or "")
        return (self.shipping.version, found) if isinstance(found, str) else (found, "")

    def _dispatch(self) -> float | None:
        """Start the shipments that may go now; return when to look again."""
        now = self._clock.time()
        pace, due = self.shipping.pace, self._queue.next_due()
        slots = self._slots(now) - len(self._tasks)
        if self.shipping.stopped or self._stopping or not self._queue.ready:
            return due
        if slots <= 0:
            return _earliest(due, pace.resume_at if pace.resume_at > now else None)
        picked = pick(self._queue, slots, self._rules, now, probing=pace.probing)
        for shipment in picked.shipments:
            task = asyncio.get_running_loop().create_task(self._ship(shipment))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return _earliest(due, picked.look_again_at)

    def _slots(self, now: float) -> int:
        slots = self.shipping.pace.slots(now)
        return slots if self.shipping.brake.since is None else min(slots, 1)

    async def _ship(self, shipment: Shipment) -> None:
        try:
            await self.shipping.ship(shipment)
            self.shipping.leave(shipment)
            # Only what is on disk is finished: after a crash, an event whose refusal was only in memory would be sent
            # again and might be accepted then, after later events of its user.
            await self._writer.durable()
        except Exception as error:  # noqa: BLE001  an error of the engine itself, raised by `run`
            self.fail(error)
        finally:
            for each in shipment.jobs():
                job = cast("Job", each)
                if job.finished:
                    self._queue.finished(job)
                else:
                    self._queue.back(job)
            self.wake()

    async def _save_state(self) -> None:
        """Write an alarm, a hold or a pause to the outbox, where other processes see it and respect it."""
        shipping, outbox = self.shipping, self._thread.outbox
        if shipping.alarm.text != self._alarm:
            self._alarm = shipping.alarm.text
            self._observer.alarmed(self.name, self._alarm, shipping.alarm.kind)
            await self._thread.call(outbox.set_alarm, self.name, self._alarm)
        if shipping.stopped:
            if self._held:  # holding it again might undo what a person has just resumed
                return
            await self._writer.settle()
            now = self._clock.time()
            await self._thread.call(outbox.hold, self.name, shipping.stopped, shipping.hint, now)
            self._held = self._stopping = True
            return
        resume_at = shipping.pace.resume_at
        if shipping.pace.failing_since is not None and resume_at != self._paused_until:
            self._paused_until = resume_at
            await self._thread.call(outbox.pause, self.name, resume_at, shipping.pause_reason)
        elif shipping.pace.failing_since is None and self._paused_until:
            self._paused_until = 0.0
            await self._thread.call(outbox.pause, self.name, None, "")

    def _ended(self) -> bool:
        if not self._options.until_idle:
            return False
        pace, now, patience = self.shipping.pace, self._clock.time(), self._options.patience
        if self._queue.empty and not self._tasks:
            return True
        if pace.failing_since is not None:
            return not self._tasks and max(pace.resume_at, now) - pace.failing_since > patience
        braked = self.shipping.brake.since
        if (braked is not None and now - braked > patience) or self._queue.all_fail_longer_than(patience, now):
            self.stop()
        return self._stopping

    async def _wait(self, look_again_at: float | None) -> None:
        """Wait for a shipment to return, for the end of a pause, or for new events."""
        wait = self._options.poll
        if look_again_at is not None:
            wait = min(wait, max(0.0, look_again_at - self._clock.time()))
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _drain(self) -> None:
        """Wait for the requests in flight, at most `grace` seconds, and until all changes are written."""
        if self._tasks and not self._writer.failed():
            await asyncio.wait(self._tasks, timeout=self._options.grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._writer.settle()
        if self._error is not None:
            raise self._error


def sent_again(row: Waiting, why: str) -> Report:
    """Return what is said of a half-done event that is planned anew: `why` its own version does not finish it."""
    count = accepted_count(row.progress)
    requests = "1 request" if count == 1 else f"up to {count} requests"
    message = (
        f"the version of the mapping under which a part of it was accepted ({row.digest}) {why}, so it was planned "
        f"anew by the current one; {requests} may arrive twice"
    )
    return Report(SENT_AGAIN, "event", message)


def _earliest(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)
