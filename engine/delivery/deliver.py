"""Several connections at once: leases, signals, an end.  One slow or broken vendor does not slow the others."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from engine.compiler.runtime import Invalid
from engine.delivery.clock import Clock
from engine.delivery.config import Configured, base_url
from engine.delivery.ledger import Ledger
from engine.delivery.outbox import Outbox
from engine.delivery.pacing import seconds
from engine.delivery.rows import LeaseLost, OutboxError
from engine.delivery.sender import Sender
from engine.delivery.shipping import SETTINGS_HINT
from engine.delivery.watching import Watcher
from engine.delivery.worker import Options, Worker

INTERRUPTED = 130


class Delivery:
    """Delivers what is in an outbox to some connections."""

    def __init__(
        self,
        outbox: Outbox,
        connections: Sequence[Configured],
        options: Options | None = None,
        *,
        clock: Clock | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self._outbox = outbox
        self._connections = connections
        self._options = options or Options()
        self._clock = clock or Clock()
        self._watcher = watcher or Watcher()
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._workers: list[Worker] = []
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End soon: nothing new is sent, what is on its way is waited for."""
        self._stopping.set()
        for worker in self._workers:
            worker.stop()

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
        name, idle = configured.name, self._options.until_idle
        while not self._stopping.is_set():
            rows = await ledger.call(self._outbox.connections, name)
            held = bool(rows and rows[0].held)
            if held and idle:
                return
            if held or not await self._lease(name, ledger):
                if idle and await ledger.call(self._outbox.unfinished, name) == (0, None):
                    return
                await self._sleep(min(1.0, self._options.lease / 4))
                continue
            try:
                await self._work(configured, ledger, rows[0].due if rows else None)
            except LeaseLost:
                continue
            if idle:
                return

    async def _lease(self, name: str, ledger: Ledger) -> bool:
        return await ledger.call(self._outbox.lease, name, self._owner, self._clock.time(), self._options.lease)

    async def _sleep(self, wait: float) -> None:
        try:
            async with asyncio.timeout(wait):
                await self._stopping.wait()
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
            if self._stopping.is_set():
                worker.stop()
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


def run(make: Callable[[], Delivery]) -> None:
    """Run a delivery as the process's work: SIGTERM and SIGINT end it in order, a second one at once."""

    async def work() -> None:
        delivery = make()
        with _signals(asyncio.get_running_loop(), delivery):
            await delivery.run()

    with rare_garbage_collection(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(work())


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Have Python look for circles less often: plans make many objects and no circles, and looking costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, delivery: Delivery) -> Iterator[None]:
    seen: list[int] = []

    def stop(number: int) -> None:
        if seen:
            os._exit(INTERRUPTED)  # the outbox is made for it
        seen.append(number)
        delivery.stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    if sys.platform == "win32":
        yield
        return
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
