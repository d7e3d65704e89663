"""What goes on behind the collector: delivery, the admin listener, and a look at how far delivery is behind."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

from engine.collector import uvicorn_setup
from engine.collector.observers import CollectorObserver
from engine.collector.responses import JSON_TYPE, CollectorLimits, HttpResponse, RequestRefused
from engine.collector.write_keys import EventSource
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Outbox, OutboxError
from engine.delivery.status import delivery_status
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.records import JsonObject

if TYPE_CHECKING:
    import uvicorn

TIDY_EVERY = 600.0


class Serving(NamedTuple):
    """What is served: sources in, connections out.

    `metrics` gives Prometheus text, `admin` is where and for which token, `keep` for how many seconds events stay in
    the outbox after their end, None for ever.
    """

    sources: Sequence[EventSource]
    connections: Sequence[ConfiguredConnection]
    limits: CollectorLimits
    watch: CollectorObserver
    watcher: DeliveryObserver
    metrics: Callable[[], bytes]
    proxies: str = "127.0.0.1"
    admin: tuple[socket.socket, str] | None = None
    keep: float | None = None


class Background:
    """Runs until `stop`; `looking` is a connection to the outbox of its own, so that looking holds up nobody."""

    def __init__(
        self, serving: Serving, outbox: Outbox, looking: Outbox, clock: Callable[[], float] = time.time
    ) -> None:
        self._serving, self._looking, self._clock = serving, looking, clock
        names = [each.name for each in serving.connections]
        told = BacklogObserver(serving.watch.behind.set, serving.watcher.queue, clock)
        self.backlog = Backlog(looking, names, serving.limits.backlog, told)
        options = Options(until_idle=False)
        self._delivery = Delivery(outbox, serving.connections, options, observer=serving.watcher)

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
        app = Admin(token, self._serving.metrics, lambda: delivery_status(self._looking))
        return uvicorn_setup.server(uvicorn_setup.settings(app)), listener


async def tidy(outbox: Outbox, keep: float | None, clock: Callable[[], float], tell: Callable[[int], None]) -> None:
    """Remove what ended `keep` seconds ago, again and again; what cannot be removed now can be next time."""
    while keep is not None:
        with contextlib.suppress(OutboxError):  # the outbox's trouble is told to those who write
            gone = await asyncio.to_thread(outbox.purge, clock() - keep)
            tell(gone.events)
        await asyncio.sleep(TIDY_EVERY)


METRICS = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)
PATHS = ("/metrics", "/status")
NO_TOKEN = RequestRefused(
    401,
    "unauthorized",
    "This needs the admin token: Authorization: Bearer TOKEN.",
    headers=((b"www-authenticate", b"Bearer"),),
).reply
NOT_FOUND = RequestRefused(404, "not_found", f"There is nothing here; there are: {', '.join(PATHS)}.").reply
GET_ONLY = RequestRefused(405, "method_not_allowed", "Use GET.", headers=((b"allow", b"GET, HEAD"),)).reply


class Admin:
    """An ASGI application. `metrics` gives Prometheus text, `status` how the connections stand."""

    def __init__(self, token: str, metrics: Callable[[], bytes], status: Callable[[], JsonObject]) -> None:
        if not token:
            raise ValueError("an empty token would let everyone in")
        self._expected = b"Bearer " + token.encode()
        self._metrics, self._status = metrics, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Serve one request."""
        if scope["type"] != "http":
            return
        reply = await self._reply(scope)
        headers = [*reply.headers, (b"cache-control", b"no-store"), (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _reply(self, scope: Scope) -> HttpResponse:
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._expected):
            return NO_TOKEN
        path = scope["path"].rstrip("/")
        if path not in PATHS:
            return NOT_FOUND
        if scope["method"] not in ("GET", "HEAD"):
            return GET_ONLY
        if path == "/metrics":
            return HttpResponse(200, await asyncio.to_thread(self._metrics), METRICS)
        return HttpResponse(200, orjson.dumps(await asyncio.to_thread(self._status)), (JSON_TYPE,))


LOOK_EVERY = 1.0


class BacklogObserver(NamedTuple):
    """Who is told: the depth of the slowest connection, and depth and age of every connection's queue."""

    deepest: Callable[[int], None]
    queue: Callable[[str, int, float], None]
    clock: Callable[[], float] = time.time


class Backlog:
    """Counts the unfinished events of each connection; of the slowest there may be `most`, 0 for any number."""

    def __init__(self, outbox: Outbox, names: Sequence[str], most: int, told: BacklogObserver | None = None) -> None:
        self._outbox, self._names, self._most, self._told = outbox, names, most, told
        self._depth = 0

    def behind(self) -> bool:
        """Whether more is unfinished than may be."""
        return 0 < self._most < self._depth

    async def watch(self) -> None:
        """Look for ever; a long look is followed by a longer pause."""
        while self._most or self._told:
            began = time.monotonic()
            with contextlib.suppress(Exception):  # the outbox's trouble is told to those who write
                self._tell(await asyncio.to_thread(self._look))
            await asyncio.sleep(max(LOOK_EVERY, 20 * (time.monotonic() - began)))

    def _look(self) -> dict[str, tuple[int, float | None]]:
        return {name: self._outbox.unfinished(name) for name in self._names}

    def _tell(self, found: dict[str, tuple[int, float | None]]) -> None:
        self._depth = max((depth for depth, _ in found.values()), default=0)
        if self._told is None:
            return
        self._told.deepest(self._depth)
        now = self._told.clock()
        for name, (depth, oldest) in found.items():
            self._told.queue(name, depth, 0.0 if oldest is None else max(0.0, now - oldest))
