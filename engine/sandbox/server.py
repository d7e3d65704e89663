"""Running the sandbox: in a thread of this process (`Sandbox`), or as the process itself (`serve`).

It uses uvicorn's httptools protocol, with a subclass that passes the connection to the application: without the
connection, half a response or a reset would be impossible.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.errors import UsageError
from engine.records import JsonObject

if TYPE_CHECKING:
    import uvicorn

    from engine.sandbox.emulator import TimeSource
    from engine.sandbox.generic.vendor import Description
    from engine.sandbox.world import Config, World

MISSING = "The sandbox needs packages that are not installed ({name}): pip install 'waybill[server]'."
LOOPBACK = "127.0.0.1"
START_LIMIT = 10.0


class Sandbox:
    """The emulated vendors on a loopback port, within a `with` block.

    with Sandbox() as sandbox:
        send_to(f"{sandbox.url}/{vendor}")
        print(sandbox.state(vendor))
    """

    def __init__(
        self,
        config: Config | None = None,
        database: str = ":memory:",
        *,
        host: str = LOOPBACK,
        port: int = 0,
        clock: TimeSource = time.time,
        descriptions: Sequence[Description] = (),
    ) -> None:
        self._address = (host, port)
        self._arguments = (config, database, clock, descriptions)
        self.url = ""

    def __enter__(self) -> Self:
        listener = listen(*self._address)
        try:
            self._server, self._world = build(*self._arguments, self._address[0])
        except BaseException:
            listener.close()
            raise
        self.url = url_of(listener)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="sandbox", daemon=True)
        self._thread.start()
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._world.close()

    def _wait(self) -> None:
        end = time.monotonic() + START_LIMIT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)

    def state(self, vendor: str, limit: int = 100) -> JsonObject:
        """Return a vendor's state in readable form: the newest `limit` of each kind."""
        return self._world.state_of(vendor, limit)

    def counts(self) -> JsonObject:
        """Return counts by vendor."""
        return self._world.counts()

    def requests(self, limit: int = 100, vendor: str = "") -> list[JsonObject]:
        """Return the last requests."""
        return self._world.request_log.newest(limit, vendor)

    def inject(self, *faults: JsonObject) -> list[int]:
        """Add faults (docs/sandbox.md) and return their ids."""
        return [fault.number for fault in self._world.faults.inject([*faults], self._world.clock())]

    def remove_faults(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        self._world.faults.remove(number)

    def replace(self, descriptions: Sequence[Description]) -> None:
        """Answer for these vendors made from mappings, in place of those so far."""
        self._world.replace(descriptions)

    def reset(self) -> None:
        """Clear the vendors' state and the log of requests."""
        self._world.reset()


def listen(host: str, port: int, who: str = "The sandbox") -> socket.socket:
    """Open the port; raises `UsageError` if that fails."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"{who} cannot listen on {host}: {error.strerror}.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Now, not when the server runs: a client that reads the address may connect at once and wait.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"{who} cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of an open port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build(
    config: Config | None, database: str, clock: TimeSource, made: Sequence[Description] = (), host: str = LOOPBACK
) -> tuple[uvicorn.Server, World]:
    """Create the server and its world, with vendors `made` from mappings; UsageError when packages are missing."""
    try:
        import uvicorn
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        from engine.sandbox.app import create_app
        from engine.sandbox.http_messages import EXTENSION
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette", "httptools"):
            raise
        raise UsageError(MISSING.format(name=error.name)) from error

    class WithTransport(HttpToolsProtocol):
        """Passes its connection to the application."""

        transport: asyncio.Transport

        def on_message_begin(self) -> None:
            super().on_message_begin()
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]
            scope["extensions"] = {EXTENSION: self.transport}

    app = create_app(config, database, clock, made, host=host)
    settings = uvicorn.Config(
        app,
        http=WithTransport,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(settings), app.state.world


def serve(server: uvicorn.Server, world: World, listener: socket.socket) -> None:
    """Serve until a signal arrives."""
    try:
        # uvicorn stops on Ctrl-C and then raises it again.
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])
    finally:
        world.close()
