"""Runs a delivery for a whole process: in a thread of its own, beside the intake of events in the main thread.

Python handles signals in the main thread only, and only there can a signal interrupt a blocking read, such as from a
pipe. SIGTERM and SIGINT end both threads in order; a second signal exits immediately, which the outbox survives.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TypeVar

from engine.delivery.supervisor import Delivery

INTERRUPTED = 130
LOOK_EVERY = 0.2
"""Seconds between wake-ups while waiting for the thread: not every system delivers signals during a wait."""

T = TypeVar("T")


class Shutdown:
    """Whether the process should end, for code that reads input meanwhile."""

    def __init__(self) -> None:
        self.signaled = False
        self.requested = False
        self._reading = False

    def request(self, *, signaled: bool = False) -> None:
        """Request the end; a signal interrupts a blocking read."""
        self.requested = True
        self.signaled = self.signaled or signaled
        if signaled and self._reading:
            raise KeyboardInterrupt

    def until_requested(self, source: Iterator[T]) -> Iterator[T]:
        """Yield the items of a source until the end is requested."""
        while True:
            try:
                self._reading = True
                if self.requested:
                    return
                found = next(source)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._reading = False
            yield found


class _Thread:
    """A delivery and its event loop."""

    def __init__(self, make: Callable[[], Delivery]) -> None:
        self._make = make
        self.ready = threading.Event()
        self._delivery: Delivery | None = None

    def run(self) -> None:
        """Deliver; raises the delivery's error."""
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                self._loop = runner.get_loop()
                runner.run(self._work())
        finally:
            self.ready.set()

    async def _work(self) -> None:
        self._delivery = self._make()
        self.ready.set()
        await self._delivery.run()

    def call(self, method: Callable[[Delivery], None]) -> None:
        """Call a method of the delivery in its loop unless it has ended; never waits, so signal handlers may use it."""
        if self._delivery is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(method, self._delivery)


def run(make: Callable[[], Delivery], take_in: Callable[[Shutdown], None] | None = None) -> bool:
    """Deliver until the delivery ends, with `take_in` beside it; False if a signal interrupted `take_in`.

    With `take_in`, `make` must set `intake_open`. Raises the error of either, once both have ended.
    """
    thread, shutdown, whole = _Thread(make), Shutdown(), True
    stop = partial(thread.call, Delivery.stop)
    with rare_garbage_collection(), on_signals(shutdown, stop), ThreadPoolExecutor(1, "delivery") as pool:
        running = pool.submit(thread.run)
        running.add_done_callback(lambda _: shutdown.request())
        thread.ready.wait()
        if shutdown.signaled:
            stop()
        try:
            if take_in is not None:
                with suppress(KeyboardInterrupt):
                    take_in(shutdown)
                whole = not shutdown.signaled
        except BaseException:
            stop()
            raise
        thread.call(Delivery.intake_ended)
        while not wait([running], LOOK_EVERY).done:
            pass
        running.result()
    return whole


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often: plans make many objects but no reference cycles, and collecting costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def on_signals(shutdown: Shutdown, first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """On SIGTERM or SIGINT, call `first` and request the end; exit immediately on a second one."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if shutdown.signaled:
            os._exit(INTERRUPTED)
        first()
        shutdown.request(signaled=True)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest event loop there is, None for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
