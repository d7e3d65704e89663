"""A delivery as the work of a whole process: in a thread of its own, beside the intake of events in the main thread.

Signals come to the main thread alone, and only there can one end a read that waits for more, as of a pipe.
SIGTERM and SIGINT end both in order; a second one ends at once, which the outbox is made for.
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
"""Not every system lets a signal in while a thread is waited for."""

T = TypeVar("T")


class Ending:
    """Whether to end, for what reads input meanwhile."""

    def __init__(self) -> None:
        self.signalled = False
        self.asked = False
        self._reading = False

    def ask(self, *, signalled: bool = False) -> None:
        """Ask for the end; a signal may break off a read."""
        self.asked = True
        self.signalled = self.signalled or signalled
        if signalled and self._reading:
            raise KeyboardInterrupt

    def until_asked(self, source: Iterator[T]) -> Iterator[T]:
        """Return what a source gives until the end is asked for."""
        while True:
            try:
                self._reading = True
                if self.asked:
                    return
                found = next(source)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._reading = False
            yield found


class _Thread:
    """A delivery, and the loop it runs in."""

    def __init__(self, make: Callable[[], Delivery]) -> None:
        self._make = make
        self.ready = threading.Event()
        self._delivery: Delivery | None = None

    def run(self) -> None:
        """Deliver; raises what the delivery raises."""
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                self._loop = runner.get_loop()
                runner.run(self._work())
        finally:
            self.ready.set()

    async def _work(self) -> None:
        self._delivery = self._make()
        self.ready.set()
        await self._delivery.run()

    def tell(self, method: Callable[[Delivery], None]) -> None:
        """Call a method of the delivery in its loop, unless it is over; waits for nothing, as signals come anywhere."""
        if self._delivery is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(method, self._delivery)


def run(make: Callable[[], Delivery], take_in: Callable[[Ending], None] | None = None) -> bool:
    """Deliver until the delivery ends, with `take_in` beside it; false where a signal cut `take_in` short.

    A delivery with `take_in` is made `filling`. Raises what either raises, once both have ended.
    """
    thread, ending, whole = _Thread(make), Ending(), True
    stop = partial(thread.tell, Delivery.stop)
    with rare_garbage_collection(), on_signals(ending, stop), ThreadPoolExecutor(1, "delivery") as pool:
        running = pool.submit(thread.run)
        running.add_done_callback(lambda _: ending.ask())
        thread.ready.wait()
        if ending.signalled:
            thread.tell(Delivery.stop)
        try:
            if take_in is not None:
                with suppress(KeyboardInterrupt):
                    take_in(ending)
                whole = not ending.signalled
        except BaseException:
            thread.tell(Delivery.stop)
            raise
        thread.tell(Delivery.filled)
        while not wait([running], LOOK_EVERY).done:
            pass
        running.result()
    return whole


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
def on_signals(ending: Ending, others: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Have SIGTERM and SIGINT ask for the end, also of what `others` tells; a second one ends at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if ending.signalled:
            os._exit(INTERRUPTED)
        others()
        ending.ask(signalled=True)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
