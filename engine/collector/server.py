"""The whole way in one process: the collector on a port, the outbox, and delivery, until a signal.

The end is in order: no new requests, those that run are answered, their events are on disk, delivery lets what is on
its way come back.  A second signal ends at once, which the outbox is made for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.collector.app import Collector
from engine.collector.keeper import Keeper
from engine.collector.keys import Keys, Source
from engine.collector.limits import Limits
from engine.collector.watching import Watch
from engine.delivery.config import Configured
from engine.delivery.deliver import Delivery
from engine.delivery.outbox import Outbox
from engine.delivery.watching import Watcher
from engine.delivery.worker import Options
from engine.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

MISSING = "The collector needs packages that are not installed ({name}): pip install 'waybill[server]'."
BACKLOG = 2048
GRACE = 10
LAST_BODIES = 5.0
"""Seconds for bodies that are on their way when the end comes; less than what the server waits for requests."""
OPEN_FILES = 65536
INTERRUPTED = 130
LOOK_EVERY = 1.0


class Serving(NamedTuple):
    """What is served: sources in, connections out."""

    sources: Sequence[Source]
    connections: Sequence[Configured]
    limits: Limits
    watch: Watch
    watcher: Watcher
    metrics: Callable[[], bytes]
    token: str = ""
    open_metrics: bool = False
    proxies: str = "127.0.0.1"


def run(serving: Serving, outbox: Outbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raises the first error of delivery once all is over."""
    keeper = Keeper(outbox, time.time, serving.limits.held_bytes)
    collector = Collector(
        Keys(serving.sources),
        keeper,
        serving.watch,
        limits=serving.limits,
        metrics=serving.metrics,
        token=serving.token,
        open_metrics=serving.open_metrics,
    )
    server = _server(collector, serving.proxies)
    _allow_many_connections()
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(serving, outbox, listener, collector, keeper, server))


async def _serve(
    serving: Serving,
    outbox: Outbox,
    listener: socket.socket,
    collector: Collector,
    keeper: Keeper,
    server: uvicorn.Server,
) -> None:
    options = Options(until_idle=False)
    delivery = Delivery(outbox, serving.connections, options, watcher=serving.watcher)
    with _signals(asyncio.get_running_loop(), collector, server):
        delivering = asyncio.create_task(delivery.run())
        delivering.add_done_callback(lambda _: setattr(server, "should_exit", True))
        looking = asyncio.create_task(_look(serving, collector, outbox))
        try:
            await server.serve(sockets=[listener])
        finally:
            collector.ready = False
            looking.cancel()
            await keeper.close()
            delivery.stop()
            await delivering


async def _look(serving: Serving, collector: Collector, outbox: Outbox) -> None:
    """Look now and then how far delivery is behind; a long look is followed by a longer pause."""
    names = [each.name for each in serving.connections]
    behind = False
    collector.behind = lambda: behind
    while serving.limits.backlog:
        began = time.monotonic()
        with contextlib.suppress(Exception):  # the outbox's trouble is told to those who write
            depth = await asyncio.to_thread(_deepest, outbox, names)
            serving.watch.behind.set(depth)
            behind = depth > serving.limits.backlog
        await asyncio.sleep(max(LOOK_EVERY, 20 * (time.monotonic() - began)))


def _allow_many_connections() -> None:
    """Each connection is an open file, and the usual limit is 1,024 where the system allows far more."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if 0 <= soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _deepest(outbox: Outbox, names: Sequence[str]) -> int:
    return max((outbox.unfinished(name)[0] for name in names), default=0)


def _server(collector: Collector, proxies: str) -> uvicorn.Server:
    try:
        import uvicorn

        from engine.collector.protocol import Protocol
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "httptools"):
            raise
        raise UsageError(MISSING.format(name=error.name)) from error

    class Server(uvicorn.Server):
        """Leaves signals to us: delivery ends after the server, not with it."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    settings = uvicorn.Config(
        collector,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what is wrong with requests is the collector's to tell, in its own form
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )
    return Server(settings)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, collector: Collector, server: uvicorn.Server) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        if not collector.ready:
            os._exit(INTERRUPTED)
        collector.stop(LAST_BODIES)
        server.should_exit = True

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
