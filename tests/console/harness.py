"""A console in this process, and a client that is signed in to it, as the tests of all pages use them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from starlette.testclient import TestClient

from engine.console.access import access
from engine.console.app import Console, console_app
from engine.console.server import ConsoleServer, config
from engine.console.site import Site
from engine.sandbox.server import listen, url_of
from tests.collector.clients import run_node, said_by

ORIGIN = "http://127.0.0.1:8912"
TOKEN = "a-token-of-the-tests"


@contextmanager
def visitor(site: Site) -> Iterator[tuple[Console, TestClient]]:
    """Provide a console and a client that is not signed in."""
    console = console_app(site, access("127.0.0.1", 8912, TOKEN))
    client = TestClient(console, base_url=ORIGIN, follow_redirects=False)
    yield console, client
    client.close()


@contextmanager
def signed_in(site: Site) -> Iterator[TestClient]:
    """Provide a client that is signed in; its changes carry the session's token."""
    with visitor(site) as (_, client):
        assert client.post("/login", data={"token": TOKEN}).status_code == 200
        page = client.get("/nowhere").text
        found = re.search('name="csrf-token" content="([^"]+)"', page)
        assert found is not None
        client.headers["X-CSRF-Token"] = found[1]
        yield client


class Running:
    """A console on a port of this machine, which may be away for a while, and start anew."""

    def __init__(self, site: Site, listener: socket.socket) -> None:
        self._site, self._listener = site, listener
        self._address = listener.getsockname()
        self.url = url_of(listener)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._make()
        self._start()

    def _make(self) -> None:
        self.console = console_app(self._site, access("127.0.0.1", self._address[1], TOKEN))

    def _start(self) -> None:
        self._server = ConsoleServer(config(self.console), self.console)
        serving = self._server.serve(sockets=[self._listener])
        self._serving = asyncio.run_coroutine_threadsafe(serving, self._loop)

    def away(self) -> None:
        """Break all connections and answer nobody, as a network does; sessions remain."""
        close, self.console.close = self.console.close, lambda: None  # type: ignore[method-assign]
        for connection in list(self._server.server_state.connections):
            self._loop.call_soon_threadsafe(connection.transport.abort)  # type: ignore[union-attr]
        self._stop()
        self.console.close = close  # type: ignore[method-assign]

    def back(self) -> None:
        """Answer again."""
        self._listener = listen(*self._address)
        self._start()

    def anew(self) -> None:
        """Start another console in place of this one, as after an update."""
        self._stop()
        self._make()
        self.back()

    def _stop(self) -> None:
        """Stop the server; it has to end by itself, whatever streams are open."""
        self._server.should_exit = True
        self._serving.result(20)
        self._listener.close()

    def end(self) -> None:
        """Stop for good."""
        self._stop()
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    """End what a library left behind, as `asyncio.run` does."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def served(site: Site) -> Iterator[Running]:
    """Provide a console on a port, in a thread."""
    running = Running(site, listen("127.0.0.1", 0))
    try:
        yield running
    finally:
        running.end()


@contextmanager
def commanded(commands: dict[str, Callable[[], object]]) -> Iterator[str]:
    """Provide an address by which a story has this process do something: a request for `/NAME` calls a function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            commands[self.path.strip("/")]()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def tell(story: str, **given: object) -> None:
    """Run a story of `tests/console/*.mjs` in the browser; its complaints are the failure."""
    done = run_node(str(Path(__file__).parent / story), json.dumps({"token": TOKEN, **given}), timeout=300)
    assert done.returncode == 0, said_by(done)
