"""Several connections at once: leases, an end.  One slow or broken vendor does not slow the others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from engine.compiler.runtime import Invalid
from engine.delivery.configured import Configured, base_url
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import ConnectionRow, LeaseLost, Outbox, OutboxDamaged
from engine.delivery.outbox_thread import Clock, OutboxThread
from engine.delivery.sending.http import Sender
from engine.delivery.sending.pacing import Restarts, seconds
from engine.delivery.sending.shipping import SETTINGS_HINT
from engine.delivery.worker import Options, Worker
from engine.errors import WaybillError
from engine.records import masked
from engine.responses import error_text

WITH = "with the connection "
"""A note of this and a name is on every error of the engine itself that ends a delivery."""


class Delivery:
    """Delivers what is in an outbox to some connections.

    While it is `filling`, events still come in, and even one that ends when nothing can go waits for them.
    """

    def __init__(
        self,
        outbox: Outbox,
        connections: Sequence[Configured],
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        watcher: DeliveryObserver | None = None,
        filling: bool = False,
    ) -> None:
        self._outbox = outbox
        self._connections = connections
        self._options = options or Options()
        self._clock = clock or Clock()
        self._watcher = watcher or DeliveryObserver()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._workers: list[Worker] = []
        self._filling = filling
        self._stopping = False
        self._held: set[str] = set()  # those whose watcher was told so
        self._changed = asyncio.Event()  # set, and replaced by another one, when one of these two changes

    def stop(self) -> None:
        """End soon: nothing new is sent, what is on its way is waited for."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        self._change()

    def filled(self) -> None:
        """Hear that no more events come in."""
        self._filling = False
        for worker in self._workers:
            worker.filled()
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def run(self) -> None:
        """Deliver; raises the first error of an outbox or worker once all have ended.

        Where it is for ever, only a damaged outbox ends it: all other errors are told, and tried again.
        """
        ledger = OutboxThread(self._outbox)
        work = self._connection if self._options.until_idle else self._for_ever
        try:
            tasks = [asyncio.create_task(work(each, ledger)) for each in self._connections]
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            ledger.close()
        for each, result in zip(self._connections, results, strict=True):
            if isinstance(result, BaseException):
                if not isinstance(result, WaybillError | OSError):  # which say themselves what is to be put right
                    result.add_note(f"{WITH}{each.name}")
                raise result

    async def _for_ever(self, configured: Configured, ledger: OutboxThread) -> None:
        """Keep a connection going, whatever its worker dies of; at the end there is nothing more to wait for."""
        restarts = Restarts(self._options.restart, self._options.longest_restart)
        while not self._stopping:
            began = self._clock.time()
            try:
                await self._connection(configured, ledger)
            except OutboxDamaged:
                self.stop()
                raise
            except Exception as error:
                if self._stopping:
                    raise
                await self._failed(configured, ledger, error, restarts.failed(self._clock.time() - began))

    async def _failed(self, configured: Configured, ledger: OutboxThread, error: Exception, wait: float) -> None:
        """Tell that a worker died, note it for those who ask the outbox, and wait."""
        name, due = configured.name, self._clock.time() + wait
        reason = error_text(masked(f"{type(error).__name__}: {error}", configured.connection.secrets))
        self._watcher.failed(name, reason, wait)
        with suppress(Exception):  # it may be what the worker died of, and that has been told
            await ledger.call(self._outbox.pause, name, due, reason)
        while not self._stopping and (left := due - self._clock.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    async def _connection(self, configured: Configured, ledger: OutboxThread) -> None:
        """Take a connection, work, and give it back; where another worker has it, wait."""
        name, told = configured.name, False
        while not self._stopping:
            changed, idle = self._changed, self._may_end()
            row = await self._row(name, ledger)
            self._tell_held(row)
            if row.held and idle:
                return
            if row.held or not await self._lease(name, ledger):
                if idle and await ledger.call(self._outbox.unfinished, name) == (0, None):
                    return
                told = told or (not row.held and await self._tell(name, ledger))
                await self._sleep(changed)
                continue
            try:
                await self._work(configured, ledger, row.due)
            except LeaseLost:
                continue
            if self._may_end():
                return

    def _tell_held(self, row: ConnectionRow) -> None:
        """Tell once that a connection is held, also since an earlier process, and once that it is no more."""
        if row.held and row.name not in self._held:
            self._held.add(row.name)
            self._watcher.held(row.name, row.held, row.hint)
        elif not row.held and row.name in self._held:
            self._held.remove(row.name)
            self._watcher.released(row.name)

    def _may_end(self) -> bool:
        return self._options.until_idle and not self._filling

    async def _row(self, name: str, ledger: OutboxThread) -> ConnectionRow:
        rows = await ledger.call(self._outbox.connections, name)
        return rows[0] if rows else ConnectionRow(name)

    async def _tell(self, name: str, ledger: OutboxThread) -> bool:
        """Tell that another process has a connection; false where it has given it back meanwhile."""
        until = (await self._row(name, ledger)).leased_until
        if until is not None:
            self._watcher.elsewhere(name, until)
        return until is not None

    async def _lease(self, name: str, ledger: OutboxThread) -> bool:
        return await ledger.call(self._outbox.lease, name, self._owner, self._clock.time(), self._options.lease)

    async def _sleep(self, changed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(min(1.0, self._options.lease / 4)):
                await changed.wait()
        except TimeoutError:
            pass

    async def _work(self, configured: Configured, ledger: OutboxThread, due: float | None) -> None:
        http = configured.mapping.http
        try:
            address = base_url(configured.connection)
        except Invalid as error:  # nothing can be sent with these settings
            await ledger.call(self._outbox.hold, configured.name, str(error), SETTINGS_HINT, self._clock.time())
            self._tell_held(await self._row(configured.name, ledger))
            return
        compress = http.compress == "gzip"
        sender = Sender(address, timeout=seconds(http.timeout), compress=compress, slots=self._options.slots)
        worker = Worker(configured, ledger, sender, self._owner, self._options, self._clock, self._watcher)
        self._workers.append(worker)
        renewing = asyncio.create_task(self._renew(configured.name, ledger, worker))
        try:
            if self._stopping:
                worker.stop()
            if not self._filling:
                worker.filled()
            worker.keep_to(due)
            await worker.run()
        finally:
            renewing.cancel()
            self._workers.remove(worker)
            if worker.shipping.stopped:  # the watcher knows, whether the outbox could be told or not
                self._held.add(configured.name)
            await sender.close()
            await self._leave(configured.name, ledger)

    async def _leave(self, name: str, ledger: OutboxThread) -> None:
        """Return a connection back, and tell what is left of its queue."""
        await ledger.call(self._outbox.release, name, self._owner)
        count, oldest = await ledger.call(self._outbox.unfinished, name)
        self._watcher.ended(name, count)
        self._watcher.queue(name, count, 0.0 if oldest is None else self._clock.time() - oldest)

    async def _renew(self, name: str, ledger: OutboxThread, worker: Worker) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 3)
            try:
                if await self._lease(name, ledger):
                    continue
            except Exception as error:  # noqa: BLE001  `run` of the worker raises it
                worker.fail(error)
            worker.stop()
            return
