"""A console in this process, and a client that is signed in to it, as the tests of all pages use them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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


class Served(NamedTuple):
    """A console on a port of this machine."""

    console: Console
    url: str


@contextmanager
def served(site: Site, port: int = 0) -> Iterator[Served]:
    """Provide a console on a port, in a thread; it ends at once when the block ends."""
    with listen("127.0.0.1", port) as listener:
        console = console_app(site, access("127.0.0.1", listener.getsockname()[1], TOKEN))
        server = ConsoleServer(config(console), console)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield Served(console, url_of(listener))
        finally:
            server.should_exit = True
            thread.join()


def tell(story: str, **given: object) -> None:
    """Run a story of `tests/console/*.mjs` in the browser; its complaints are the failure."""
    done = run_node(str(Path(__file__).parent / story), json.dumps({"token": TOKEN, **given}))
    assert done.returncode == 0, said_by(done)
