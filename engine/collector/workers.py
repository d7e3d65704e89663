"""Several processes take requests, one delivers: `engine serve --workers N`.

uvicorn's supervisor starts the processes, starts one again that died, and ends them.  Each has a connection to the
outbox of its own; SQLite puts their transactions in a row.  This process delivers and has the admin listener, in a
thread.  The end is as with one process: all that was answered 200 is on disk before delivery stops.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import NamedTuple

from starlette.types import Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from engine.collector import uvicorn_setup
from engine.collector.app import Collector
from engine.collector.background import Background, Backlog, Serving
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import NAME, CollectorObserver
from engine.collector.responses import CollectorLimits
from engine.collector.server import INTERRUPTED
from engine.collector.write_keys import EventSource, WriteKeys
from engine.delivery import logs
from engine.delivery.outbox.base import Outbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import rare_garbage_collection
from engine.errors import WaybillError


class WorkerSettings(NamedTuple):
    """What a process that takes requests must know; it goes to it through a pipe, write keys and all."""

    sources: tuple[EventSource, ...]
    limits: CollectorLimits
    outbox: Path
    names: tuple[str, ...]
    secrets: tuple[str, ...] | None
    """What to mask in the log, None for no log."""


class Front:
    """The collector in a process of its own: opens the outbox when its server starts, closes it when that ends."""

    def __init__(self, told: WorkerSettings) -> None:
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the beginning and the end."""
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
        self._watching.cancel()
        await self._keeper.close()
        self._outbox.close()
        self._looking.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        told, loop = self._told, asyncio.get_running_loop()
        if told.secrets is not None:
            logs.start(sys.stderr, told.secrets)
        rare_garbage_collection().__enter__()  # for as long as the process lasts
        self._outbox = SqliteOutbox(told.outbox)
        self._keeper = GroupCommit(self._outbox, time.time, told.limits.held_bytes)
        self._looking = SqliteOutbox(told.outbox)
        backlog = Backlog(self._looking, told.names, told.limits.backlog)
        self._watching = loop.create_task(backlog.watch())
        self._collector = Collector(
            WriteKeys(told.sources), self._keeper, CollectorObserver(), limits=told.limits, behind=backlog.behind
        )
        _obey(loop, self._collector)


def _obey(loop: asyncio.AbstractEventLoop, collector: Collector) -> None:
    """End when the supervisor says so, or is gone."""
    end = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(collector.stop, uvicorn_setup.LAST_BODIES)
        if callable(end):
            end(number, frame)  # type: ignore[arg-type]

    signal.signal(signal.SIGTERM, stop)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_orphaned, args=(parent.sentinel,), daemon=True, name="parent").start()


def _orphaned(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


class Supervisor(Multiprocess):
    """Has processes run: one that dies is started again; a signal ends all in order, a second one at once.

    uvicorn's own would also ask each process whether it is well, and waits long for the answer of one that died
    meanwhile; and it knows no second signal.
    """

    def init_processes(self) -> None:
        """Start the processes."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Start those again that died, unless they cannot even start."""
        for number, process in enumerate(self.processes):
            if process.process.is_alive():
                continue
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()
                return
            self.processes[number] = self._started()
            fields = {"fields": {"pid": process.pid, "successor": self.processes[number].pid}}
            logging.getLogger(NAME).error("a process that takes requests died", extra=fields)

    def _started(self) -> Process:
        """Start a process to which Ctrl-C means nothing from its beginning: it comes to all processes of a terminal."""
        process = Process(self.config, self.sockets)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def obey(self) -> None:
        """Take the signals over from uvicorn: two end it, all others mean what they usually do."""

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

    @property
    def failed(self) -> bool:
        """Whether a process could not even start; it has said why."""
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)


class _Behind:
    """Backstage in a thread of its own, since a supervisor needs the main one; `end` raises what went wrong there."""

    def __init__(self, backstage: Background, supervisor: Supervisor) -> None:
        self._backstage, self._supervisor = backstage, supervisor
        self._started, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="backstage")

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._backstage.stop)
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._supervisor.config.get_loop_factory()) as runner:
            self._loop = runner.get_loop()
            self._started.set()
            try:
                runner.run(self._backstage.run())
            except BaseException as error:  # noqa: BLE001  `end` raises it, in the main thread
                self._error = error
            self._supervisor.should_exit.set()
            self._ended.wait()


def run(
    serving: Serving, outbox: Outbox, looking: Outbox, listener: socket.socket, told: WorkerSettings, workers: int
) -> None:
    """Serve with several processes until SIGTERM or SIGINT; raises the first error of delivery once all is over."""
    uvicorn_setup.allow_many_connections()
    config = uvicorn_setup.settings(Front(told), proxies=serving.proxies, lifespan="on", workers=workers)
    supervisor = Supervisor(config, [listener])
    supervisor.obey()
    behind = _Behind(Background(serving, outbox, looking), supervisor)
    with rare_garbage_collection():
        behind.start()
        try:
            supervisor.run()
        finally:
            behind.end()
    if supervisor.failed:
        raise WaybillError("A process that takes requests could not start; the lines above say why.")
