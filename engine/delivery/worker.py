"""One connection's worker: reads the queue, plans, picks what may go, ships it, notes what became of it.

The worker holds the connection's lease, so everything here is alone with the connection: order, pace and batches
are plain variables.  What it holds in memory is bounded by `window`; the outbox holds the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import cast

import orjson

from engine.delivery.configured import Configured
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Change, Waiting
from engine.delivery.outbox_thread import Clock, Notes, OutboxThread
from engine.delivery.sending.batching import PickRules, Shipment, pick
from engine.delivery.sending.http import SLOTS, Sender
from engine.delivery.sending.jobs import Job
from engine.delivery.sending.pacing import LONGEST_RETRY_AFTER
from engine.delivery.sending.shipping import Shipping
from engine.records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How workers work. With `until_idle` they end when nothing can go now, waiting at most `patience` for a vendor.

    Without, one that fails is started again after `restart` seconds, doubling to `longest_restart`.
    """

    until_idle: bool = True
    patience: float = 30.0
    slots: int = SLOTS
    window: int = 2000
    chunk: int = 250
    lease: float = 10.0
    grace: float = 10.0
    poll: float = 0.25
    restart: float = 5.0
    longest_restart: float = 60.0
    random: Callable[[], float] = SystemRandom().random


class Worker:
    """Delivers for one connection while it has the lease."""

    def __init__(
        self,
        configured: Configured,
        ledger: OutboxThread,
        sender: Sender,
        owner: str,
        options: Options,
        clock: Clock,
        watcher: DeliveryObserver,
    ) -> None:
        self.configured = configured
        self.name = configured.name
        self.shipping = Shipping(configured, sender, clock, options.random, watcher, options.slots)
        self._ledger = ledger
        self._options = options
        self._clock = clock
        self._watcher = watcher
        self._notes = Notes(ledger, self.name, owner, clock)
        self._notes.on_failure = self.wake
        self._notes.on_written = lambda changes: watcher.written(self.name, changes)
        self.shipping.note = self._notes.add
        responses = self.shipping.responses
        self._rules = PickRules(
            limits=configured.limits,
            size=lambda request: len(orjson.dumps(responses.item(request, clock.time()))) + 1,
            ordered_batches=configured.ordered_batches,
        )
        self._waiting: list[Job] = []
        self._busy: set[str] = set()
        self._flights: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._broken: Exception | None = None
        self._read_to = 0
        self._paused_until = 0.0
        self._woken = asyncio.Event()
        self._stopping = False
        self._filling = True
        self._held = False

    def keep_to(self, due: float | None) -> None:
        """Keep to a pause that an earlier worker was told; one further off than any is a clock that jumped."""
        now = self._clock.time()
        if due is not None:
            self._paused_until = due  # one that is over is still shown: it is taken back soon
            if now < due <= now + LONGEST_RETRY_AFTER:
                self.shipping.pace.resume_at = due
                self.shipping.pace.failing_since = now

    def wake(self) -> None:
        """Have the worker look again."""
        self._woken.set()

    def stop(self) -> None:
        """Send nothing new; `run` ends when what is on its way has come back."""
        self._stopping = True
        self.shipping.leaving.set()
        self.wake()

    def filled(self) -> None:
        """Hear that no more events come in: then a worker may end when nothing can go."""
        self._filling = False
        self.wake()

    def fail(self, error: Exception) -> None:
        """End with an error, once what is on its way has come back."""
        self._broken = self._broken or error
        self.stop()

    async def run(self) -> None:
        """Work until there is nothing to do, or for ever; raises OutboxError and LeaseLost."""
        try:
            while not self._stopping and self._broken is None and not self._notes.failed():
                self._woken.clear()
                filling = self._filling  # asked before reading, so that the last events are read
                more = await self._fill()
                look_again_at = self._dispatch()
                await self._tell()
                if not more and not filling and self._ended():
                    break
                if not more or not self._may_send():
                    await self._wait(look_again_at)
        finally:
            await self._land()
        await self._tell()

    def _may_send(self) -> bool:
        return len(self._flights) < self.shipping.pace.slots(self._clock.time())

    async def _fill(self) -> bool:
        """Read on where there is room; true where there may be more to read at once."""
        room = self._options.window - len(self._waiting) - self._in_flight
        if room < self._options.chunk:
            return False
        waiting = self._ledger.outbox.waiting
        rows = await self._ledger.call(waiting, self.name, self._read_to, self._options.chunk)
        for row in rows:
            self._read(row)
        return bool(rows)

    def _read(self, row: Waiting) -> None:
        self._read_to = row.place
        job = Job(self.configured.connection, row, self.shipping.digest, self._clock.time())
        outcome, reason = job.plan.outcome, job.plan.reason
        if job.readable:  # what a connection does not want need not be valid
            unwanted = self.configured.unwanted(job.call, job.event)
            if unwanted is not None:
                outcome, reason = Outcome.IGNORED, unwanted
        if outcome is Outcome.PLANNED:
            self._waiting.append(job)
            return
        self._watcher.finished(self.name, outcome, self._clock.time() - row.queued_at)
        self._notes.add(Change(row.place, outcome, reason, digest=self.shipping.digest))

    def _dispatch(self) -> float | None:
        """Send what may go now; gives when to look again."""
        now = self._clock.time()
        slots = self.shipping.pace.slots(now) - len(self._flights)
        if self.shipping.stopped or self._stopping or not self._waiting:
            return None
        if slots <= 0:
            return self.shipping.pace.resume_at if self.shipping.pace.resume_at > now else None
        picked = pick(self._waiting, self._busy, slots, self._rules, now)
        if picked.shipments:
            self._launch(picked.shipments)
        return picked.look_again_at

    def _launch(self, shipments: list[Shipment]) -> None:
        gone: set[int] = set()
        for shipment in shipments:
            jobs = list(dict.fromkeys(cast("Job", parcel.job) for parcel in shipment.parcels))
            gone.update(job.place for job in jobs)
            self._in_flight += len(jobs)
            for job in jobs:
                self._busy |= job.ids
            task = asyncio.get_running_loop().create_task(self._fly(shipment, jobs))
            self._flights.add(task)
            task.add_done_callback(self._flights.discard)
        last = max(gone)
        # Only the beginning of the queue was looked at; the rest is kept as it is.
        end = next((number for number, job in enumerate(self._waiting) if job.place > last), len(self._waiting))
        self._waiting[:end] = [job for job in self._waiting[:end] if job.place not in gone]

    async def _fly(self, shipment: Shipment, jobs: list[Job]) -> None:
        try:
            await self.shipping.ship(shipment)
            # Only what is written is finished: after a crash an event that was refused in memory alone would be
            # sent again, and might be taken then, behind later ones of its user.
            await self._notes.durable()
        except Exception as error:  # noqa: BLE001  an error of the engine itself; `run` raises it
            self.fail(error)
        finally:
            for job in jobs:
                self._busy -= job.ids
            self._in_flight -= len(jobs)
            back = [job for job in jobs if not job.finished]
            if back:
                self._waiting += back
                self._waiting.sort(key=_place)
            self.wake()

    async def _tell(self) -> None:
        """Keep in the outbox whether the connection is held or pauses: other processes show it and keep to it."""
        shipping, outbox = self.shipping, self._ledger.outbox
        if shipping.stopped:
            if self._held:  # a second time might undo what a person has resumed
                return
            await self._notes.settle()
            now = self._clock.time()
            await self._ledger.call(outbox.hold, self.name, shipping.stopped, shipping.hint, now)
            self._held = self._stopping = True
            return
        resume_at = shipping.pace.resume_at
        if shipping.pace.failing_since is not None and resume_at != self._paused_until:
            self._paused_until = resume_at
            await self._ledger.call(outbox.pause, self.name, resume_at, shipping.pause_reason)
        elif shipping.pace.failing_since is None and self._paused_until:
            self._paused_until = 0.0
            await self._ledger.call(outbox.pause, self.name, None, "")

    def _ended(self) -> bool:
        if not self._options.until_idle or self._flights:
            return False
        if not self._waiting:
            return True
        pace, now = self.shipping.pace, self._clock.time()
        failing_since = now if pace.failing_since is None else pace.failing_since
        return max(pace.resume_at, now) - failing_since > self._options.patience

    async def _wait(self, look_again_at: float | None) -> None:
        """Wait for something to come back, for the end of a pause, or for new events."""
        wait = self._options.poll
        if look_again_at is not None:
            wait = min(wait, max(0.0, look_again_at - self._clock.time()))
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _land(self) -> None:
        """Wait for what is on its way, at most `grace`, and until everything is noted."""
        if self._flights and not self._notes.failed():
            await asyncio.wait(self._flights, timeout=self._options.grace)
        for flight in list(self._flights):
            flight.cancel()
        await asyncio.gather(*self._flights, return_exceptions=True)
        await self._notes.settle()
        if self._broken is not None:
            raise self._broken


def _place(job: Job) -> int:
    return job.place
