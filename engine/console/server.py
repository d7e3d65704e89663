"""Runs a console on a port of its own: `engine console`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from engine.collector.http import AdminProtocol

if TYPE_CHECKING:
    from engine.console.app import Console

INTERRUPTED = 130
REQUEST_GRACE = 5
"""Seconds that running requests get when the server stops."""
MOST_CONNECTIONS = 200
"""Connections at once; above this a request is answered 503."""


class ConsoleServer(uvicorn.Server):
    """Ends the console's streams as soon as a signal asks it to stop: it would wait for them."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`: uvicorn would end the process by the signal, not with 0."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._console.close()
        await super().shutdown(sockets)


def serve(console: Console, listener: socket.socket) -> None:
    """Serve until a signal arrives; a second one ends the process at once."""
    asyncio.run(_serve(ConsoleServer(config(console), console), listener))


async def _serve(server: ConsoleServer, listener: socket.socket) -> None:
    def stop() -> None:
        if server.should_exit:
            os._exit(INTERRUPTED)
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await server.serve(sockets=[listener])


def config(console: Console) -> uvicorn.Config:
    """Return how a console is served."""
    return uvicorn.Config(
        console,
        http=AdminProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # the console logs what matters, in its own format
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUEST_GRACE,
    )
