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

A reload (engine/collector/reloading.py) passes the sources to worker processes through a pipe of each: no process is
replaced for it, so no request is refused.
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
from collections.abc import Callable, Iterator
from multiprocessing import Pipe, connection, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from starlette.types import Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from engine.collector import http
from engine.collector.app import Collector
from engine.collector.background import Background, Backlog, ServedOutbox, ServerConfig
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import NAME, CollectorObserver
from engine.collector.reloading import Reloading, Served
from engine.collector.responses import CollectorLimits
from engine.collector.sources import EventSource, WriteKeys
from engine.delivery import logs
from engine.delivery.outbox.base import EventIntake, OutboxDamaged
from engine.delivery.outbox.location import Location
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import loop_factory, rare_garbage_collection
from engine.errors import WaybillError

if TYPE_CHECKING:
    import uvicorn

INTERRUPTED = 130
DAMAGED = 4
DAMAGE_GRACE = 1.0
"""Seconds for the responses of a worker process that found the outbox damaged, before it exits."""
CONFIRM_WITHIN = 30.0
"""Seconds for a worker process to use new sources; one that hangs is replaced by one that has them."""
INHERITED = {signal.SIGINT, signal.SIGHUP}
"""Signals that a terminal sends to all processes, and that only the first one obeys."""


def run(config: ServerConfig, intake: EventIntake, outbox: ServedOutbox, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; raise the first error of delivery when everything has ended."""
    background = Background(config, outbox)
    group_commit = GroupCommit(intake, time.time, config.limits.held_bytes)
    collector = Collector(
        WriteKeys(config.reloading.sources),
        group_commit,
        config.collector_observer,
        limits=config.limits,
        behind=background.backlog.behind,
        secrets=config.reloading.served.secrets,
    )

    async def door(served: Served) -> None:
        collector.keys = WriteKeys(served.sources)
        collector.discards.mask(served.secrets)

    config.reloading.door = door
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
    with _signal_handlers(asyncio.get_running_loop(), background, collector, server):
        task = asyncio.create_task(background.run())
        task.add_done_callback(lambda _: setattr(server, "should_exit", True))
        group_commit.on_damage = lambda: setattr(server, "should_exit", True)
        try:
            await server.serve(sockets=[listener])
        finally:
            collector.ready = False
            await collector.close()
            background.stop()
            await task
            if group_commit.damage is not None:
                raise group_commit.damage


def run_delivery(config: ServerConfig, outbox: ServedOutbox) -> None:
    """Deliver until SIGTERM or SIGINT, while other processes take requests; raise delivery's first error."""
    background, stopped = Background(config, outbox), threading.Event()

    def stop() -> None:
        if stopped.is_set():
            os._exit(INTERRUPTED)
        stopped.set()
        background.stop()

    async def deliver() -> None:
        with _on_signals(asyncio.get_running_loop(), stop):
            await background.run()

    with rare_garbage_collection(), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(deliver())


@contextlib.contextmanager
def _signal_handlers(
    loop: asyncio.AbstractEventLoop, background: Background, collector: Collector, server: uvicorn.Server
) -> Iterator[None]:
    def stop() -> None:
        if not collector.ready:
            os._exit(INTERRUPTED)
        background.reloading.close()
        collector.stop(http.BODY_GRACE)
        server.should_exit = True

    with _on_signals(loop, stop):
        yield


@contextlib.contextmanager
def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def reload_on_hangup(reloading: Reloading) -> Iterator[None]:
    """Reload on SIGHUP; if the terminal was closed, which sends it too, end as at any other signal.

    Under nohup, where the signal is ignored, the server outlives its terminal.
    """
    before = signal.getsignal(signal.SIGHUP)
    terminal = before is not signal.SIG_IGN and _has_terminal()

    def hangup(_number: int, _frame: object) -> None:
        if terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            reloading.request()

    signal.signal(signal.SIGHUP, hangup)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class WorkerSettings(NamedTuple):
    """What a worker process needs; it gets this through a pipe, write keys included."""

    sources: tuple[EventSource, ...]
    limits: CollectorLimits
    outbox: Location
    connections: tuple[str, ...]
    secrets: tuple[str, ...]
    """What to mask, in the log and in copies of discarded events."""
    log: bool

    @classmethod
    def of(cls, served: Served, limits: CollectorLimits, outbox: Location, *, log: bool) -> WorkerSettings:
        """Return them for what is served now."""
        names = tuple(each.name for each in served.connections)
        return cls(tuple(served.sources), limits, outbox, names, served.secrets, log)


def run_workers(
    config: ServerConfig,
    outbox: ServedOutbox,
    listener: socket.socket,
    settings: WorkerSettings,
    workers: int,
) -> None:
    """Deliver, with other processes that take requests, until a signal; raise delivery's first error after the end."""
    http.allow_many_connections()
    app = WorkerApp(settings)
    uvicorn_config = http.config(app, proxies=config.proxies, lifespan="on", workers=workers)
    supervisor = Supervisor(uvicorn_config, [listener])
    supervisor.install_signal_handlers(config.reloading.close)

    async def door(served: Served) -> None:
        now = WorkerSettings.of(served, settings.limits, settings.outbox, log=settings.log)
        await asyncio.to_thread(supervisor.update, now)

    config.reloading.door = door
    background = _BackgroundThread(Background(config, outbox), supervisor)
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
        self.inbox: connection.Connection | None = None

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
        self._ending.close()
        await self._collector.close()
        self._intake.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        if settings.log:
            logs.start(sys.stderr, settings.secrets)
        rare_garbage_collection().__enter__()  # for the life of the process
        self._ending = contextlib.ExitStack()
        self._intake, self._backlog = self._opened()
        self._group_commit = GroupCommit(self._intake, time.time, settings.limits.held_bytes)
        self._group_commit.on_damage = lambda: loop.call_later(DAMAGE_GRACE, os._exit, DAMAGED)
        self._collector = Collector(
            WriteKeys(settings.sources),
            self._group_commit,
            CollectorObserver(),
            limits=settings.limits,
            behind=self._backlog.behind,
            secrets=settings.secrets,
        )
        _stop_on_signal(loop, self._collector)
        threading.Thread(target=self._receive, args=(loop,), daemon=True, name="settings").start()

    def _opened(self) -> tuple[EventIntake, Backlog]:
        """Return the outbox, and what counts its backlog: in a file, on a connection of its own."""
        outbox, names, limit = self._settings.outbox, self._settings.connections, self._settings.limits.backlog
        if not isinstance(outbox, Path):
            from engine.collector.streaming import open_intake

            intake = open_intake(outbox, self._settings.sources)
            return intake, Backlog(intake, names, limit=0)  # a stream bounds itself
        counted = SqliteOutbox(outbox)
        self._ending.callback(counted.close)
        backlog = Backlog(counted, names, limit)
        polling = asyncio.get_running_loop().create_task(backlog.poll())
        self._ending.callback(polling.cancel)
        return SqliteOutbox(outbox), backlog

    def _receive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take settings from the first process, until this one or that one ends."""
        assert self.inbox is not None
        with contextlib.suppress(OSError, EOFError, RuntimeError):
            while True:
                loop.call_soon_threadsafe(self._update, self.inbox.recv())

    def _update(self, settings: WorkerSettings) -> None:
        assert self.inbox is not None
        logs.mask([*self._settings.secrets, *settings.secrets])
        self._settings = settings
        self._backlog.names = settings.connections
        if not isinstance(settings.outbox, Path):
            from engine.collector.streaming import use_sources

            use_sources(self._intake, settings.sources)
        self._collector.keys = WriteKeys(settings.sources)
        self._collector.discards.mask(settings.secrets)
        with contextlib.suppress(OSError):  # the first process is gone
            self.inbox.send(True)


class WorkerProcess(Process):
    """A process that takes requests; `update` gives it new settings through a pipe."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._outbox, self._inbox = Pipe()
        super().__init__(config, sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; runs in the process."""
        cast("WorkerApp", self.config.app).inbox = self._inbox
        super().target(sockets)

    def start(self) -> None:
        """Start the process, and leave its end of the pipe to it, so that its death is noticed."""
        super().start()
        self._inbox.close()

    def update(self, settings: WorkerSettings) -> None:
        """Return when the process uses new settings, or has died: its successor starts with them."""
        timer = threading.Timer(CONFIRM_WITHIN, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            self._outbox.send(settings)
            self._outbox.recv()
        except (OSError, EOFError):
            pass
        finally:
            timer.cancel()


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

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._hangup = signal.getsignal(signal.SIGHUP)
        super().__init__(config, sockets)
        self._lock = threading.Lock()  # so that every process either starts with new settings or is given them

    def init_processes(self) -> None:
        """Start the processes."""
        for _ in range(self.processes_num):
            with self._lock:
                self.processes.append(self._started())

    def update(self, settings: WorkerSettings) -> None:
        """Pass new settings to all processes; return when none uses the old ones any more."""
        with self._lock:
            self.config.app = WorkerApp(settings)
            processes = cast("list[WorkerProcess]", [*self.processes])
        for process in processes:
            process.update(settings)

    def keep_subprocess_alive(self) -> None:
        """Replace processes that died, unless they cannot even start, or the outbox is damaged."""
        for number, process in enumerate(self.processes):
            if process.process.is_alive():
                continue
            process.join()
            if process.exitcode in (STARTUP_FAILURE, DAMAGED):
                self.should_exit.set()
                return
            with self._lock:
                self.processes[number] = self._started()
            fields = {"fields": {"pid": process.pid, "successor": self.processes[number].pid}}
            logging.getLogger(NAME).error("worker process died", extra=fields)

    def _started(self) -> Process:
        """Start a process that ignores from its beginning what a terminal sends to all processes, such as Ctrl-C."""
        process = WorkerProcess(self.config, self.sockets)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INHERITED)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def install_signal_handlers(self, first: Callable[[], None]) -> None:
        """Take the signals over from uvicorn: SIGTERM and SIGINT call `first` and end it, SIGHUP is as before."""

        def stop(_number: int, _frame: object) -> None:
            if self.should_exit.is_set():
                for process in self.processes:
                    process.kill()
                os._exit(INTERRUPTED)
            first()
            self.should_exit.set()

        for number in SIGNALS:
            signal.signal(number, self._hangup if number == signal.SIGHUP else signal.SIG_DFL)
        if signal.SIGHUP in self.signal_queue:  # uvicorn took it meanwhile
            signal.raise_signal(signal.SIGHUP)
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
