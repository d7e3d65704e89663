"""Several connections at once: leases, an end.  One slow or broken vendor does not slow the others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from uuid import uuid4

from engine.compiler.runtime import Invalid
from engine.delivery.clock import Clock
from engine.delivery.config import Configured, base_url
from engine.delivery.ledger import Ledger
from engine.delivery.outbox import Outbox
from engine.delivery.pacing import seconds
from engine.delivery.rows import ConnectionRow, LeaseLost, OutboxError
from engine.delivery.sender import Sender
from engine.delivery.shipping import SETTINGS_HINT
from engine.delivery.watching import Watcher
from engine.delivery.worker import Options, Worker


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
        watcher: Watcher | None = None,
        filling: bool = False,
    ) -> None:
        self._outbox = outbox
        self._connections = connections
        self._options = options or Options()
        self._clock = clock or Clock()
        self._watcher = watcher or Watcher()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._workers: list[Worker] = []
        self._filling = filling
        self._stopping = False
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
        """Deliver; raises the first error of an outbox or worker once all have ended."""
        ledger = Ledger(self._outbox)
        try:
            tasks = [asyncio.create_task(self._connection(each, ledger)) for each in self._connections]
            results = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            ledger.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _connection(self, configured: Configured, ledger: Ledger) -> None:
        """Take a connection, work, and give it back; where another worker has it, wait."""
        name, told = configured.name, False
        while not self._stopping:
            changed, idle = self._changed, self._may_end()
            row = await self._row(name, ledger)
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

    def _may_end(self) -> bool:
        return self._options.until_idle and not self._filling

    async def _row(self, name: str, ledger: Ledger) -> ConnectionRow:
        rows = await ledger.call(self._outbox.connections, name)
        return rows[0] if rows else ConnectionRow(name)

    async def _tell(self, name: str, ledger: Ledger) -> bool:
        """Tell that another process has a connection; false where it has given it back meanwhile."""
        until = (await self._row(name, ledger)).leased_until
        if until is not None:
            self._watcher.elsewhere(name, until)
        return until is not None

    async def _lease(self, name: str, ledger: Ledger) -> bool:
        return await ledger.call(self._outbox.lease, name, self._owner, self._clock.time(), self._options.lease)

    async def _sleep(self, changed: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(min(1.0, self._options.lease / 4)):
                await changed.wait()
        except TimeoutError:
            pass

    async def _work(self, configured: Configured, ledger: Ledger, due: float | None) -> None:
        http = configured.mapping.http
        try:
            address = base_url(configured.connection)
        except Invalid as error:  # nothing can be sent with these settings
            await ledger.call(self._outbox.hold, configured.name, str(error), SETTINGS_HINT, self._clock.time())
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
            await sender.close()
            await self._leave(configured.name, ledger)

    async def _leave(self, name: str, ledger: Ledger) -> None:
        """Give a connection back, and tell what is left of its queue."""
        await ledger.call(self._outbox.release, name, self._owner)
        count, oldest = await ledger.call(self._outbox.unfinished, name)
        self._watcher.ended(name, count)
        self._watcher.queue(name, count, 0.0 if oldest is None else self._clock.time() - oldest)

    async def _renew(self, name: str, ledger: Ledger, worker: Worker) -> None:
        while True:
            await asyncio.sleep(self._options.lease / 3)
            try:
                if await self._lease(name, ledger):
                    continue
            except OutboxError as error:
                worker.fail(error)
            worker.stop()
            return
