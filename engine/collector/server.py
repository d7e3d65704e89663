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
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.collector import uvicorn_setup
from engine.collector.app import Collector
from engine.collector.background import Background, Serving
from engine.collector.group_commit import GroupCommit
from engine.collector.write_keys import WriteKeys
from engine.delivery.outbox.base import Outbox
from engine.delivery.process import rare_garbage_collection

if TYPE_CHECKING:
    import uvicorn

INTERRUPTED = 130


def run(serving: Serving, outbox: Outbox, looking: Outbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raises the first error of delivery once all is over."""
    backstage = Background(serving, outbox, looking)
    keeper = GroupCommit(outbox, time.time, serving.limits.held_bytes)
    collector = Collector(
        WriteKeys(serving.sources), keeper, serving.watch, limits=serving.limits, behind=backstage.backlog.behind
    )
    server = uvicorn_setup.server(uvicorn_setup.settings(collector, proxies=serving.proxies))
    uvicorn_setup.allow_many_connections()
    with rare_garbage_collection(), asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_serve(backstage, collector, keeper, server, listener))


async def _serve(
    backstage: Background, collector: Collector, keeper: GroupCommit, server: uvicorn.Server, listener: socket.socket
) -> None:
    with _signals(asyncio.get_running_loop(), collector, server):
        behind = asyncio.create_task(backstage.run())
        behind.add_done_callback(lambda _: setattr(server, "should_exit", True))
        try:
            await server.serve(sockets=[listener])
        finally:
            collector.ready = False
            await keeper.close()
            backstage.stop()
            await behind


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, collector: Collector, server: uvicorn.Server) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        if not collector.ready:
            os._exit(INTERRUPTED)
        collector.stop(uvicorn_setup.LAST_BODIES)
        server.should_exit = True

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
