"""What runs beside the collector: delivery, the admin address, polling of the backlog, and removal of old events."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson
from starlette.types import Receive, Scope, Send

from engine.collector import http
from engine.collector.archiving import ServedArchive
from engine.collector.audience_status import audiences_json, served_audiences
from engine.collector.companions import Companion
from engine.collector.observers import CollectorObserver
from engine.collector.reloading import Reloading, ReloadReport, Remaining, Served
from engine.collector.responses import JSON_TYPE, CollectorLimits, HttpResponse, RequestRefused
from engine.collector.watching import watch
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import ConnectionRow, Outbox, OutboxError, advice
from engine.delivery.outbox.keeping import DISCARDS_KEPT
from engine.delivery.outbox.location import Location
from engine.delivery.status import delivery_status
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.errors import WaybillError
from engine.records import JsonObject

if TYPE_CHECKING:
    import uvicorn

POLL_INTERVAL = 1.0
PURGE_INTERVAL = 600.0
ARCHIVE_INTERVAL = 10.0
KEYS_INTERVAL = 60.0
"""Seconds until events are looked for again that a process of an older version added without keys."""
KEYS_SHARE = 5
"""Adding keys may take a fifth of the time, so that intake and delivery are not slowed down."""
METRICS_TYPE = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)
ADMIN_PATHS = ("/metrics", "/status", "/reload")
NO_TOKEN = RequestRefused(
    401,
    "unauthorized",
    "The admin token is required: Authorization: Bearer TOKEN.",
    headers=((b"www-authenticate", b"Bearer"),),
).response
NOT_FOUND = RequestRefused(404, "not_found", f"Unknown path. Available: {', '.join(ADMIN_PATHS)}.").response
GET_ONLY = RequestRefused(405, "method_not_allowed", "Use GET.", headers=((b"allow", b"GET, HEAD"),)).response
POST_ONLY = RequestRefused(405, "method_not_allowed", "Use POST.", headers=((b"allow", b"POST"),)).response


class AdminPages(Protocol):
    """An ASGI application at the admin address; `link` is where it is opened."""

    link: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

    def close(self) -> None:
        """End what would keep the server from stopping."""


class ServerConfig(NamedTuple):
    """What is served: events come in from the sources of `reloading` and go out to its connections.

    `metrics` returns Prometheus text, `admin` is the admin address and its token, `keep` is how many seconds finished
    events stay in the outbox, None for ever.  With `watch`, a change of a file that was loaded is a reload.  `console`
    answers all paths of the admin address that are not its own, with its own login.  `companions` are processes that
    run as long as delivery does; the one that follows the outbox into `archive` is among them.  `beside` are tasks that
    run as long.
    """

    reloading: Reloading
    limits: CollectorLimits
    collector_observer: CollectorObserver
    delivery_observer: DeliveryObserver
    metrics: Callable[[], bytes]
    proxies: str = "127.0.0.1"
    admin: tuple[socket.socket, str] | None = None
    keep: float | None = None
    watch: bool = False
    console: AdminPages | None = None
    archive: ServedArchive | None = None
    companions: Sequence[Companion] = ()
    beside: Sequence[Callable[[], Coroutine[None, None, None]]] = ()


class Deliverer(Protocol):
    """Delivers to some connections until it is stopped: `Delivery`, or its counterpart for streams."""

    async def run(self) -> None:
        """Deliver until `stop`; raise the first error."""
        ...

    def stop(self) -> None:
        """End soon: send nothing new, wait for the requests in flight."""
        ...

    async def replace(self, connections: Sequence[ConfiguredConnection]) -> dict[str, int]:
        """Deliver to these connections from now on; return how many events wait for each that is gone."""
        ...


class Unfinished(Protocol):
    """What a backlog is counted by."""

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return the number of unfinished states, and when the oldest was queued."""
        ...


class ServedOutbox(Unfinished, Protocol):
    """What the server's background does with its outbox, wherever that is: in a file, or in streams."""

    @property
    def path(self) -> Location:
        """Return the file or the address, as it was named."""
        ...

    def deliverer(self, connections: Sequence[ConfiguredConnection], observer: DeliveryObserver) -> Deliverer:
        """Return what delivers from it."""
        ...

    def connections(self) -> list[ConnectionRow]:
        """Return its connections."""
        ...

    def reloaded(self, served: Served) -> None:
        """Use what a reload has brought."""
        ...

    def status(self, now: float) -> JsonObject:
        """Return how it stands at a time, as /status shows it."""
        ...

    def upkeep(self, config: ServerConfig, clock: Callable[[], float]) -> list[Coroutine[None, None, None]]:
        """Return the tasks that keep it in order as long as the server runs."""
        ...


class ServedFile:
    """A file of this machine; `background` is a connection of its own, so that counting blocks no writer."""

    def __init__(self, outbox: Outbox, background: Outbox) -> None:
        self._outbox, self._background = outbox, background
        self.path = outbox.path

    def deliverer(self, connections: Sequence[ConfiguredConnection], observer: DeliveryObserver) -> Deliverer:
        """Return what delivers from it."""
        return Delivery(self._outbox, connections, Options(until_idle=False), observer=observer)

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return the number of unfinished states, and when the oldest was queued."""
        return self._background.unfinished(connection)

    def connections(self) -> list[ConnectionRow]:
        """Return its connections."""
        return self._background.connections()

    def reloaded(self, served: Served) -> None:
        """Do nothing: a file knows its connections by their events."""

    def status(self, now: float) -> JsonObject:
        """Return how it stands at a time."""
        return delivery_status(self._background, now)

    def upkeep(self, config: ServerConfig, clock: Callable[[], float]) -> list[Coroutine[None, None, None]]:
        """Return what removes old events, and what makes events of an older version searchable."""
        observer, archive = config.collector_observer, config.archive
        kept_from = None if archive is None else archive.kept_from
        purging = purge(self._background, config.keep, clock, observer.purged, kept_from)
        return [purging, add_keys(self._background, observer.adding_keys)]


class Background:
    """Runs until `stop`."""

    def __init__(self, config: ServerConfig, outbox: ServedOutbox, clock: Callable[[], float] = time.time) -> None:
        self._config, self._outbox, self._clock = config, outbox, clock
        names = [each.name for each in config.reloading.connections]
        observer = BacklogObserver(config.collector_observer.backlog.set, config.delivery_observer.queue, clock)
        self.backlog = Backlog(outbox, names, config.limits.backlog, observer)
        self._delivery = outbox.deliverer(config.reloading.connections, config.delivery_observer)
        config.reloading.delivery = self._replace
        config.reloading.on_result = config.collector_observer.reloaded

    @property
    def reloading(self) -> Reloading:
        """What is served."""
        return self._config.reloading

    def stop(self) -> None:
        """End soon: delivery still waits for the requests it has sent."""
        self.reloading.close()
        self._delivery.stop()

    async def _replace(self, served: Served) -> Remaining:
        self.backlog.names = [each.name for each in served.connections]
        self._outbox.reloaded(served)
        waiting = await self._delivery.replace(served.connections)
        return Remaining(waiting, await asyncio.to_thread(self._held))

    def _held(self) -> dict[str, str]:
        """Return why each held connection is held, and what to do about it."""
        with contextlib.suppress(OutboxError):  # an outbox in trouble is reported where it is written
            rows = self._outbox.connections()
            return {
                row.name: f"{row.held.rstrip(' .')}. {advice(row.hint, row.name, self._outbox.path)}"
                for row in rows
                if row.held
            }
        return {}

    async def run(self) -> None:
        """Deliver until `stop`; raise delivery's first error."""
        archive, observer, reloading = self._config.archive, self._config.collector_observer, self.reloading
        upkeep = self._outbox.upkeep(self._config, self._clock)
        tasks = [asyncio.create_task(each) for each in (self.backlog.poll(), *upkeep)]
        if self._config.watch:
            tasks.append(asyncio.create_task(watch(reloading.changed, partial(reloading.reload, "watch"))))
        tasks += [asyncio.create_task(each()) for each in self._config.beside]
        if archive is not None:
            tasks.append(asyncio.create_task(watch_archive(archive, observer.archive_behind.set, observer.audiences)))
        reloading.attach()
        for each in self._config.companions:
            each.on_failure = observer.companion_failed
            each.start()
        admin = self._admin()
        serving = None if admin is None else asyncio.create_task(admin[0].serve(sockets=[admin[1]]))
        try:
            await self._delivery.run()
        finally:
            reloading.close()
            await reloading.ended()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(asyncio.to_thread(each.stop) for each in self._config.companions))
            if admin is not None and serving is not None:
                if self._config.console is not None:
                    self._config.console.close()
                admin[0].should_exit = True
                await serving

    def _status(self) -> JsonObject:
        found = self._outbox.status(self._clock())
        if self._config.archive is not None:
            found["archive"] = self._config.archive.status()
            found["audiences"] = audiences_json(self._config.archive.directory)
        if self._config.companions:
            found["companions"] = [each.status() for each in self._config.companions]
        return found

    def _admin(self) -> tuple[uvicorn.Server, socket.socket] | None:
        if self._config.admin is None:
            return None
        listener, token = self._config.admin
        config = self._config
        app = Admin(token, config.metrics, self._status, config.reloading.reload, config.console)
        return http.server(http.config(app, protocol=http.AdminProtocol)), listener


class BacklogObserver(NamedTuple):
    """Gets the depth of the longest queue, and the name, depth and age in seconds of every connection's queue."""

    deepest: Callable[[int], None]
    queue: Callable[[str, int, float], None]
    clock: Callable[[], float] = time.time


class Backlog:
    """Counts the unfinished events of the connections `names`.

    The longest queue may have `limit` of them, 0 for no limit.
    """

    def __init__(
        self, outbox: Unfinished, names: Sequence[str], limit: int, observer: BacklogObserver | None = None
    ) -> None:
        self._outbox, self.names, self._limit, self._observer = outbox, names, limit, observer
        self._depth = 0

    def behind(self) -> bool:
        """Whether some connection has more unfinished events than the limit."""
        return 0 < self._limit < self._depth

    async def poll(self) -> None:
        """Count again and again; after a slow count the pause is longer."""
        while self._limit or self._observer:
            began = time.monotonic()
            with contextlib.suppress(Exception):  # an outbox in trouble is reported where it is written
                self._report(await asyncio.to_thread(self._count))
            await asyncio.sleep(max(POLL_INTERVAL, 20 * (time.monotonic() - began)))

    def _count(self) -> dict[str, tuple[int, float | None]]:
        return {name: self._outbox.unfinished(name) for name in self.names}

    def _report(self, queues: dict[str, tuple[int, float | None]]) -> None:
        queues = {name: queue for name, queue in queues.items() if name in self.names}  # a reload may have been quicker
        self._depth = max((depth for depth, _ in queues.values()), default=0)
        if self._observer is None:
            return
        self._observer.deepest(self._depth)
        now = self._observer.clock()
        for name, (depth, oldest) in queues.items():
            self._observer.queue(name, depth, 0.0 if oldest is None else max(0.0, now - oldest))


async def watch_archive(
    archive: ServedArchive,
    on_behind: Callable[[int], None],
    on_audiences: Callable[[list[tuple[str, int, bool]]], None],
) -> None:
    """Report again and again how many events the archive is behind, and how its audiences are."""
    while True:
        with contextlib.suppress(WaybillError):  # the companion reports it, and so does /status
            found = await asyncio.to_thread(served_audiences, archive.directory)
            on_audiences([(each.key, each.users, each.in_trouble) for each in found])
        with contextlib.suppress(WaybillError):  # its companion reports what is wrong with it
            on_behind(await asyncio.to_thread(archive.behind))
        await asyncio.sleep(ARCHIVE_INTERVAL)


async def purge(
    outbox: Outbox,
    keep: float | None,
    clock: Callable[[], float],
    on_purge: Callable[[int], None],
    kept_from: Callable[[], float | None] | None = None,
) -> None:
    """Remove what is old, again and again: discards, and events that ended more than `keep` seconds ago.

    `kept_from` returns from when on events must stay although they are old, because they are not archived yet.  The
    next round makes up for a failure.
    """
    while True:
        with contextlib.suppress(WaybillError):  # an outbox or archive in trouble is reported where it is written
            await asyncio.to_thread(outbox.forget_discards, clock() - DISCARDS_KEPT)
            if keep is not None:
                first = await asyncio.to_thread(kept_from) if kept_from is not None else None
                purged = await asyncio.to_thread(outbox.purge, min(clock() - keep, inf if first is None else first))
                on_purge(purged.events)
        await asyncio.sleep(PURGE_INTERVAL)


async def add_keys(outbox: Outbox, on_change: Callable[[int], None]) -> None:
    """Add the keys of events that an older version stored, a few at a time; `on_change` gets how many are left, about.

    It is called at the start and at the end, with 0.  Until then, searches do not find these events.
    """
    working = False
    while True:
        began, left = time.monotonic(), None
        with contextlib.suppress(OutboxError):  # an outbox in trouble is reported where it is written
            left = await asyncio.to_thread(outbox.key_some)
        if left is not None and working != bool(left):
            working = bool(left)
            on_change(left)
        pause = (KEYS_SHARE - 1) * (time.monotonic() - began)
        await asyncio.sleep(pause if left else KEYS_INTERVAL)


class Admin:
    """The ASGI application of the admin address; `metrics` returns Prometheus text, `status` JSON.

    `console` gets every other path, and asks for its own login.
    """

    def __init__(
        self,
        token: str,
        metrics: Callable[[], bytes],
        status: Callable[[], JsonObject],
        reload: Callable[[], Awaitable[ReloadReport]],
        console: AdminPages | None = None,
    ) -> None:
        if not token:
            raise ValueError("an empty token would let everyone in")
        self._expected = b"Bearer " + token.encode()
        self._metrics, self._status, self._reload, self._console = metrics, status, reload, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        if self._console is not None and path not in ADMIN_PATHS:
            await self._console(scope, receive, send)
            return
        status, body, headers = await self._response(scope, path)
        headers = (*headers, (b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": [*headers]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _response(self, scope: Scope, path: str) -> HttpResponse:
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._expected):
            return NO_TOKEN
        if path not in ADMIN_PATHS:
            return NOT_FOUND
        if path == "/reload":
            return POST_ONLY if scope["method"] != "POST" else _reload_response(await self._reload())
        if scope["method"] not in ("GET", "HEAD"):
            return GET_ONLY
        if path == "/metrics":
            return HttpResponse(200, await asyncio.to_thread(self._metrics), METRICS_TYPE)
        return HttpResponse(200, orjson.dumps(await asyncio.to_thread(self._status)), (JSON_TYPE,))


def _reload_response(report: ReloadReport) -> HttpResponse:
    return HttpResponse(422 if report.problems else 200, orjson.dumps(report.json()), (JSON_TYPE,))
