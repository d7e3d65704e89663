"""What goes on behind the collector: delivery, the admin listener, and a look at how far delivery is behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.collector import web
from engine.collector.admin import Admin
from engine.collector.backlog import Backlog, Told
from engine.collector.keys import Source
from engine.collector.limits import Limits
from engine.collector.watching import Watch
from engine.delivery.config import Configured
from engine.delivery.deliver import Delivery
from engine.delivery.outbox import Outbox
from engine.delivery.rows import OutboxError
from engine.delivery.standing import standing
from engine.delivery.watching import Watcher
from engine.delivery.worker import Options

if TYPE_CHECKING:
    import uvicorn


TIDY_EVERY = 600.0


class Serving(NamedTuple):
    """What is served: sources in, connections out.

    `metrics` gives Prometheus text, `admin` is where and for which token, `keep` for how many seconds events stay in
    the outbox after their end, None for ever.
    """

    sources: Sequence[Source]
    connections: Sequence[Configured]
    limits: Limits
    watch: Watch
    watcher: Watcher
    metrics: Callable[[], bytes]
    proxies: str = "127.0.0.1"
    admin: tuple[socket.socket, str] | None = None
    keep: float | None = None


class Backstage:
    """Runs until `stop`; `looking` is a connection to the outbox of its own, so that looking holds up nobody."""

    def __init__(
        self, serving: Serving, outbox: Outbox, looking: Outbox, clock: Callable[[], float] = time.time
    ) -> None:
        self._serving, self._looking, self._clock = serving, looking, clock
        names = [each.name for each in serving.connections]
        told = Told(serving.watch.behind.set, serving.watcher.queue, clock)
        self.backlog = Backlog(looking, names, serving.limits.backlog, told)
        options = Options(until_idle=False)
        self._delivery = Delivery(outbox, serving.connections, options, watcher=serving.watcher)

    def stop(self) -> None:
        """End soon: delivery lets what is on its way come back."""
        self._delivery.stop()

    async def run(self) -> None:
        """Deliver until told to stop; raises delivery's first error."""
        tidying = tidy(self._looking, self._serving.keep, self._clock, self._serving.watch.purged)
        others = [asyncio.create_task(self.backlog.watch()), asyncio.create_task(tidying)]
        admin = self._admin()
        serving = None if admin is None else asyncio.create_task(admin[0].serve(sockets=[admin[1]]))
        try:
            await self._delivery.run()
        finally:
            for task in others:
                task.cancel()
            if admin is not None and serving is not None:
                admin[0].should_exit = True
                await serving

    def _admin(self) -> tuple[uvicorn.Server, socket.socket] | None:
        if self._serving.admin is None:
            return None
        listener, token = self._serving.admin
        app = Admin(token, self._serving.metrics, lambda: standing(self._looking))
        return web.server(web.settings(app)), listener


async def tidy(outbox: Outbox, keep: float | None, clock: Callable[[], float], tell: Callable[[int], None]) -> None:
    """Remove what ended `keep` seconds ago, again and again; what cannot be removed now can be next time."""
    while keep is not None:
        with contextlib.suppress(OutboxError):  # the outbox's trouble is told to those who write
            gone = await asyncio.to_thread(outbox.purge, clock() - keep)
            tell(gone.events)
        await asyncio.sleep(TIDY_EVERY)
