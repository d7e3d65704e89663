"""Runs a console on a port of its own: `engine console`."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from engine.console.app import Console

REQUEST_GRACE = 5
"""Seconds that running requests get when the server stops."""
MOST_CONNECTIONS = 200
"""Connections at once; above this a request is answered 503."""


class ConsoleServer(uvicorn.Server):
    """Ends the console's streams as soon as a signal asks it to stop: it would wait for them."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._console.close()
        await super().shutdown(sockets)


def serve(console: Console, listener: socket.socket) -> None:
    """Serve until a signal arrives."""
    server = ConsoleServer(config(console), console)
    asyncio.run(server.serve(sockets=[listener]))


def config(console: Console) -> uvicorn.Config:
    """Return how a console is served."""
    return uvicorn.Config(
        console,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # the console logs what matters, in its own format
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUEST_GRACE,
    )
