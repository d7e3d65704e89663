"""Delivery to several connections at once: takes their leases, runs a worker for each, restarts failed ones.

Each connection is an independent task, so a slow or broken vendor does not slow the others.  `_current` has the version
of each connection that may be delivered; a task of another version ends as at a stop, and the task of the version that
replaces it waits for that, so that each event is planned by one version.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from engine.compiler.runtime import Invalid
from engine.delivery.configured_connection import ConfiguredConnection, base_url, differences
from engine.delivery.lease import Lease
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import ConnectionRow, DeliveryQueue, LeaseLost, OutboxDamaged, OutboxError
from engine.delivery.outbox_thread import OutboxThread
from engine.delivery.sending.http import Sender
from engine.delivery.sending.jobs import SharedEvents, normalized
from engine.delivery.sending.oauth2 import access_tokens
from engine.delivery.sending.pacing import Clock, Restarts
from engine.delivery.sending.refresh_tokens import RefreshTokens, SignInRefused
from engine.delivery.sending.shipping import SETTINGS_HINT
from engine.delivery.worker import Options, Worker
from engine.errors import WaybillError
from engine.language.times import seconds
from engine.responses import error_text

WITH = "with the connection "
"""Start of the note, followed by the name, that is added to any unexpected error that ends a delivery."""


class Delivery:
    """Delivers the events of an outbox to some connections.

    While `intake_open`, events are still being taken in, so it does not end even with the option `until_idle`.
    """

    def __init__(
        self,
        outbox: DeliveryQueue,
        connections: Sequence[ConfiguredConnection],
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        observer: DeliveryObserver | None = None,
        intake_open: bool = False,
    ) -> None:
        self._outbox = outbox
        self._thread = OutboxThread(outbox)
        self._current = {each.name: each for each in connections}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._options = options or Options()
        self._clock = clock or Clock()
        self._observer = observer or DeliveryObserver()
        self._read = SharedEvents().read if len(connections) > 1 else normalized
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._workers: list[Worker] = []
        self._intake_open = intake_open
        self._stopping = False
        self._held: set[str] = set()  # reported as held
        self._changed = asyncio.Event()  # set and replaced when one of `_stopping`, `_intake_open`, `_current` changes

    def stop(self) -> None:
        """End soon: send nothing new, wait for the requests in flight."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        self._change()

    def intake_ended(self) -> None:
        """No more events come in."""
        self._intake_open = False
        for worker in self._workers:
            worker.intake_ended()
        self._change()

    def follow(self, row: ConnectionRow) -> None:
        """Have the connection's worker respect a hold or a pause that another process has written, or its end."""
        for worker in self._workers:
            if worker.name == row.name:
                worker.follow(row)
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def replace(self, connections: Sequence[ConfiguredConnection]) -> dict[str, int]:
        """Deliver to these connections from now on; return when none is delivered under another version any more.

        A connection that does not differ goes on undisturbed.  Return how many events wait for each that is gone.
        """
        if self._stopping:
            return {}
        old = self._current
        self._current = {each.name: _same(old.get(each.name), each) for each in connections}
        if len(connections) > 1 and self._read is normalized:
            self._read = SharedEvents().read
        for worker in self._workers:
            if self._ends(worker.configured):
                worker.stop()
        self._change()
        ending = [self._tasks[name] for name, each in old.items() if name in self._tasks and self._ends(each)]
        for name, each in self._current.items():
            if each is not old.get(name):
                self._begin(each)
        await asyncio.gather(*ending, return_exceptions=True)
        gone = [name for name in old if name not in self._current and not self._stopping]
        return {name: await self._removed(name) for name in gone}

    async def _removed(self, name: str) -> int:
        self._held.discard(name)
        count = 0
        with suppress(OutboxError):  # an outbox in trouble is reported where it is written
            count, _ = await self._thread.call(self._outbox.unfinished, name)
        self._observer.removed(name, count)
        return count

    def _ends(self, configured: ConfiguredConnection) -> bool:
        """Whether a version of a connection is to be delivered no longer."""
        return self._stopping or self._current.get(configured.name) is not configured

    def _begin(self, configured: ConfiguredConnection) -> None:
        """Start a connection's task; it begins when that of an earlier version has ended."""
        if configured.warning:
            self._observer.warned(configured.name, configured.warning)
        before = self._tasks.get(configured.name)
        self._tasks[configured.name] = asyncio.create_task(self._after(before, configured))

    async def _after(self, before: asyncio.Task[None] | None, configured: ConfiguredConnection) -> None:
        if before is not None:
            await before
        await (self._connection if self._options.until_idle else self._keep_running)(configured)

    async def run(self) -> None:
        """Deliver; when all workers have ended, raise the first error.

        Without `until_idle`, only a damaged outbox is raised: after any other error the worker is restarted.
        """
        for each in self._current.values():
            self._begin(each)
        try:
            while not (self._stopping or self._options.until_idle):
                await self._changed.wait()
            results = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._thread.close()
        for name, result in zip(self._tasks, results, strict=True):
            if isinstance(result, BaseException):
                if not isinstance(result, WaybillError | OSError):  # their messages are for users already
                    result.add_note(f"{WITH}{name}")
                raise result

    async def _keep_running(self, configured: ConfiguredConnection) -> None:
        """Restart a connection's worker after any error, except a damaged outbox or during shutdown."""
        restarts = Restarts(self._options.restart, self._options.longest_restart)
        while not self._ends(configured):
            began = self._clock.time()
            try:
                await self._connection(configured)
            except OutboxDamaged:
                self.stop()
                raise
            except Exception as error:
                if self._stopping:
                    raise
                await self._failed(configured, error, restarts.failed(self._clock.time() - began))

    async def _failed(self, configured: ConfiguredConnection, error: Exception, wait: float) -> None:
        """Report that a worker failed, save the reason in the outbox, and wait for the restart.

        Where workers have parts of the connection's events, the others go on, so the connection as a whole does.
        """
        name, due = configured.name, self._clock.time() + wait
        reason = error_text(f"{type(error).__name__}: {error}", configured.connection.secrets)
        self._observer.failed(name, reason, wait)
        if self._options.part.parts == 1:
            with suppress(Exception):  # the outbox may be what failed, and that is reported already
                await self._thread.call(self._outbox.pause, name, due, reason)
        while not self._ends(configured) and (left := due - self._clock.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    async def _connection(self, configured: ConfiguredConnection) -> None:
        """Take a connection's lease, deliver, and release it; wait while another worker has it or it is held."""
        name, reported = configured.name, False
        while not self._ends(configured):
            changed, idle = self._changed, self._may_end()
            row = await self._row(name)
            self._report_held(row)
            if row.held and idle:
                return
            lease = None if row.held else await self._lease(name)
            if lease is None:
                if idle and await self._thread.call(self._outbox.unfinished, name) == (0, None):
                    return
                reported = reported or (not row.held and await self._report_elsewhere(name))
                await self._sleep(changed)
                continue
            try:
                await self._work(configured, lease, row)
            except LeaseLost as lost:
                self._observer.lost(name, str(lost))
                continue
            if self._may_end():
                return

    def _report_held(self, row: ConnectionRow) -> None:
        """Report once that a connection is held, even by an earlier process, and once that it no longer is."""
        if row.held and row.name not in self._held:
            self._held.add(row.name)
            self._observer.held(row.name, row.held, row.hint)
        elif not row.held and row.name in self._held:
            self._held.remove(row.name)
            self._observer.released(row.name)

    def _may_end(self) -> bool:
        return self._options.until_idle and not self._intake_open

    async def _row(self, name: str) -> ConnectionRow:
        rows = await self._thread.call(self._outbox.connections, name)
        return rows[0] if rows else ConnectionRow(name)

    async def _report_elsewhere(self, name: str) -> bool:
        """Report that another process has the connection; False if it was released meanwhile."""
        until = (await self._row(name)).leased_until
        if until is not None:
            self._observer.elsewhere(name, until)
        return until is not None

    async def _lease(self, name: str) -> Lease | None:
        began, length = self._clock.time(), self._options.lease
        fence = await self._thread.call(self._outbox.lease, name, self._owner, began, length)
        if fence is None:
            return None
        return Lease(name, fence, began + length, self._clock.time, self._outbox.leased_until)

    async def _sleep(self, changed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(min(1.0, self._options.lease / 4)):
                await changed.wait()
        except TimeoutError:
            pass

    async def _work(self, configured: ConfiguredConnection, lease: Lease, row: ConnectionRow) -> None:
        http = configured.mapping.http
        try:
            address = base_url(configured.connection)
            path = self._outbox.path
            file = RefreshTokens.beside(path, configured.name) if isinstance(path, Path) else None
            tokens = access_tokens(configured.connection, file, now=self._clock.time, before_write=lease.check)
        except (Invalid, SignInRefused) as error:  # no request can be sent with these settings
            await self._thread.call(self._outbox.hold, configured.name, str(error), SETTINGS_HINT, self._clock.time())
            self._report_held(await self._row(configured.name))
            return
        sender = Sender(
            address,
            timeout=seconds(http.timeout),
            compress=http.compress == "gzip",
            slots=self._options.slots,
            before_write=lease.check,
            now=self._clock.time,
            tokens=tokens,
        )
        worker = Worker(
            configured, self._thread, sender, lease.fence, self._options, self._clock, self._observer, self._read
        )
        self._workers.append(worker)
        renewing = asyncio.create_task(self._renew(lease, worker))
        try:
            if self._ends(configured):
                worker.stop()
            if not self._intake_open:
                worker.intake_ended()
            worker.adopt(row.due, row.alarm)
            await worker.run()
        finally:
            renewing.cancel()
            self._workers.remove(worker)
            if worker.shipping.stopped:  # the observer knows, even if the outbox could not be written
                self._held.add(configured.name)
            await sender.close()
            await self._leave(configured.name)

    async def _leave(self, name: str) -> None:
        """Release a connection's lease and report what is left of its queue, unless that is only a part of it."""
        await self._thread.call(self._outbox.release, name, self._owner)
        if self._options.part.parts > 1:
            return
        count, oldest = await self._thread.call(self._outbox.unfinished, name)
        self._observer.ended(name, count)
        self._observer.queue(name, count, 0.0 if oldest is None else self._clock.time() - oldest)

    async def _renew(self, lease: Lease, worker: Worker) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 3)
            try:
                renewed = await self._lease(lease.connection)
            except Exception as error:  # noqa: BLE001  raised by the worker's `run`
                worker.fail(error)
                return
            if renewed is None or renewed.fence != lease.fence:  # what the worker has read may be finished by now
                worker.fail(LeaseLost(f"Another worker has taken over {lease.connection}."))
                return
            lease.until = renewed.until


def _same(old: ConfiguredConnection | None, new: ConfiguredConnection) -> ConfiguredConnection:
    """Return the version that is at work, if the new one does not differ from it."""
    return new if old is None or differences(old, new) else old
