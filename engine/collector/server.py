"""The collector in one process: requests on a port, the outbox, and delivery, until a signal.

The order of shutdown keeps the promise that what was answered 200 is on disk, and ends each part only after the parts
that depend on it.  (1) A signal makes `/readyz` answer 503, shortens the time of bodies still arriving to `BODY_GRACE`
and tells uvicorn to stop: it closes the port and answers the running requests, which needs the group commit.  (2) The
group commit writes whatever is pending, which needs the outbox.  (3) Background work ends: delivery waits for the
requests it has sent, since a request whose response nobody reads would be sent again after a restart.  (4) The caller
closes the outbox.  If delivery ends by itself, because of an error, it starts the same sequence.  A second signal skips
all of this and exits at once; the outbox is safe at any time.  workers.py does the same with several processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.collector import http
from engine.collector.app import Collector
from engine.collector.background import Background, ServerConfig
from engine.collector.group_commit import GroupCommit
from engine.collector.sources import WriteKeys
from engine.delivery.outbox.base import Outbox
from engine.delivery.process import rare_garbage_collection

if TYPE_CHECKING:
    import uvicorn

INTERRUPTED = 130


def run(config: ServerConfig, outbox: Outbox, background_outbox: Outbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raise the first error of delivery when everything has ended."""
    background = Background(config, outbox, background_outbox)
    group_commit = GroupCommit(outbox, time.time, config.limits.held_bytes)
    collector = Collector(
        WriteKeys(config.sources),
        group_commit,
        config.collector_observer,
        limits=config.limits,
        behind=background.backlog.behind,
    )
    server = http.server(http.config(collector, proxies=config.proxies))
    http.allow_many_connections()
    with rare_garbage_collection(), asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(background, collector, group_commit, server, listener))


async def _serve(
    background: Background,
    collector: Collector,
    group_commit: GroupCommit,
    server: uvicorn.Server,
    listener: socket.socket,
) -> None:
    with _signal_handlers(asyncio.get_running_loop(), collector, server):
        task = asyncio.create_task(background.run())
        task.add_done_callback(lambda _: setattr(server, "should_exit", True))
        try:
            await server.serve(sockets=[listener])
        finally:
            collector.ready = False
            await group_commit.close()
            background.stop()
            await task


@contextlib.contextmanager
def _signal_handlers(loop: asyncio.AbstractEventLoop, collector: Collector, server: uvicorn.Server) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        if not collector.ready:
            os._exit(INTERRUPTED)
        collector.stop(http.BODY_GRACE)
        server.should_exit = True

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
