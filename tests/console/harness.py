"""A console in this process, and a client that is signed in to it, as the tests of all pages use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from engine.console.access import access
from engine.console.app import Console, console_app
from engine.console.site import Site

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
