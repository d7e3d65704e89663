"""The collector as a service: requests on a port, the outbox, and delivery, until a signal.

The order of shutdown keeps the promise that what was answered 200 is on disk, and ends each part only after the parts
that depend on it.  (1) A signal makes `/readyz` answer 503, shortens the time of bodies still arriving to `BODY_GRACE`
and tells uvicorn to stop: it closes the port and answers the running requests, which needs the group commit.  (2) The
group commit writes whatever is pending, which needs the outbox.  (3) Background work ends: delivery waits for the
requests it has sent, since a request whose response nobody reads would be sent again after a restart.  (4) The caller
closes the outbox.  If delivery ends by itself, because of an error, it starts the same sequence, and so does an outbox
that turns out to be damaged when events are written.  A second signal skips all of this and exits at once; the outbox
is safe at any time.

`run_workers` does the same with other processes that take requests, so that taking in and delivering each have a core
(`engine serve --workers N`).  uvicorn's supervisor starts the worker processes, replaces one that dies, and ends them.
Each opens the outbox itself; SQLite serializes their transactions.  The first process delivers and has the admin
address, in a thread, because the supervisor needs the main one.  Every worker process writes what it answered 200 and
closes its outbox, and only then delivery stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from starlette.types import Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from engine.collector import http
from engine.collector.app import Collector
from engine.collector.background import Background, Backlog, ServerConfig
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import NAME, CollectorObserver
from engine.collector.responses import CollectorLimits
from engine.collector.sources import EventSource, WriteKeys
from engine.delivery import logs
from engine.delivery.outbox.base import Outbox, OutboxDamaged
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import rare_garbage_collection
from engine.errors import WaybillError

if TYPE_CHECKING:
    import uvicorn

INTERRUPTED = 130
DAMAGED = 4
DAMAGE_GRACE = 1.0
"""Seconds for the responses of a worker process that found the outbox damaged, before it exits."""


def run(config: ServerConfig, outbox: Outbox, background_outbox: Outbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raise the first error of delivery when everything has ended."""
    background = Background(config, outbox, background_outbox)
    group_commit = GroupCommit(outbox, time.time, config.limits.held_bytes)
    collector = Collector(
        WriteKeys(config.reloading.sources),
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
        group_commit.on_damage = lambda: setattr(server, "should_exit", True)
        try:
            await server.serve(sockets=[listener])
        finally:
            collector.ready = False
            await group_commit.close()
            background.stop()
            await task
            if group_commit.damage is not None:
                raise group_commit.damage


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


class WorkerSettings(NamedTuple):
    """What a worker process needs; it gets this through a pipe, write keys included."""

    sources: tuple[EventSource, ...]
    limits: CollectorLimits
    outbox: Path
    connections: tuple[str, ...]
    secrets: tuple[str, ...] | None
    """What to mask in the log, None for no log."""


def run_workers(
    config: ServerConfig,
    outbox: Outbox,
    background_outbox: Outbox,
    listener: socket.socket,
    settings: WorkerSettings,
    workers: int,
) -> None:
    """Deliver, with other processes that take requests, until a signal; raise delivery's first error after the end."""
    http.allow_many_connections()
    app = WorkerApp(settings)
    uvicorn_config = http.config(app, proxies=config.proxies, lifespan="on", workers=workers)
    supervisor = Supervisor(uvicorn_config, [listener])
    supervisor.install_signal_handlers()
    background = _BackgroundThread(Background(config, outbox, background_outbox), supervisor)
    with rare_garbage_collection():
        background.start()
        try:
            supervisor.run()
        finally:
            background.end()
    if supervisor.ended_with(DAMAGED):
        raise OutboxDamaged(f"{settings.outbox} is damaged: a worker process could not write to it, and logged why.")
    if supervisor.ended_with(STARTUP_FAILURE):
        raise WaybillError("A worker process could not start; the lines above say why.")


class WorkerApp:
    """The collector in a worker process: opens the outbox when its server starts and closes it when that ends."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and the end of the process."""
        if scope["type"] != "lifespan":
            await self._collector(scope, receive, send)
            return
        await receive()
        try:
            self._start()
        except WaybillError as error:
            sys.stderr.write(f"{error}\n")
            await send({"type": "lifespan.startup.failed"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._polling.cancel()
        await self._group_commit.close()
        self._outbox.close()
        self._background_outbox.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        if settings.secrets is not None:
            logs.start(sys.stderr, settings.secrets)
        rare_garbage_collection().__enter__()  # for the life of the process
        self._outbox = SqliteOutbox(settings.outbox)
        self._group_commit = GroupCommit(self._outbox, time.time, settings.limits.held_bytes)
        self._group_commit.on_damage = lambda: loop.call_later(DAMAGE_GRACE, os._exit, DAMAGED)
        self._background_outbox = SqliteOutbox(settings.outbox)
        backlog = Backlog(self._background_outbox, settings.connections, settings.limits.backlog)
        self._polling = loop.create_task(backlog.poll())
        self._collector = Collector(
            WriteKeys(settings.sources),
            self._group_commit,
            CollectorObserver(),
            limits=settings.limits,
            behind=backlog.behind,
        )
        _stop_on_signal(loop, self._collector)


def _stop_on_signal(loop: asyncio.AbstractEventLoop, collector: Collector) -> None:
    """End when the supervisor sends SIGTERM, or is gone."""
    stop_server = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(collector.stop, http.BODY_GRACE)
        if callable(stop_server):
            stop_server(number, frame)  # type: ignore[arg-type]

    signal.signal(signal.SIGTERM, stop)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_stop_with_parent, args=(parent.sentinel,), daemon=True, name="parent").start()


def _stop_with_parent(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


class Supervisor(Multiprocess):
    """Keeps the worker processes running; a signal ends them in order, a second one at once.

    uvicorn's own supervisor also pings each process, waiting long for one that has died, and knows no second signal.
    """

    def init_processes(self) -> None:
        """Start the processes."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Replace processes that died, unless they cannot even start, or the outbox is damaged."""
        for number, process in enumerate(self.processes):
            if process.process.is_alive():
                continue
            process.join()
            if process.exitcode in (STARTUP_FAILURE, DAMAGED):
                self.should_exit.set()
                return
            self.processes[number] = self._started()
            fields = {"fields": {"pid": process.pid, "successor": self.processes[number].pid}}
            logging.getLogger(NAME).error("worker process died", extra=fields)

    def _started(self) -> Process:
        """Start a process that ignores SIGINT from its beginning: Ctrl-C sends it to all processes of a terminal."""
        process = Process(self.config, self.sockets)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def install_signal_handlers(self) -> None:
        """Take the signals over from uvicorn: SIGTERM and SIGINT end it, all others have their usual effect."""

        def stop(_number: int, _frame: object) -> None:
            if self.should_exit.is_set():
                for process in self.processes:
                    process.kill()
                os._exit(INTERRUPTED)
            self.should_exit.set()

        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)

    def ended_with(self, code: int) -> bool:
        """Whether a process has ended with this exit code."""
        return any(process.exitcode == code for process in self.processes)


class _BackgroundThread:
    """Runs the background work in a thread; `end` raises what went wrong there."""

    def __init__(self, background: Background, supervisor: Supervisor) -> None:
        self._background, self._supervisor = background, supervisor
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="background")

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._background.stop)
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._supervisor.config.get_loop_factory()) as runner:
            self._loop = runner.get_loop()
            self._started.set()
            try:
                runner.run(self._background.run())
            except BaseException as error:  # noqa: BLE001  `end` raises it, in the main thread
                self._error = error
            self._supervisor.should_exit.set()
            self._ended.wait()
