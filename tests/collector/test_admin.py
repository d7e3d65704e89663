"""The admin address: nothing without the token, nothing secret with it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import pytest

from engine.collector.background import Admin
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.status import delivery_status
from engine.records import Json, JsonObject, Outcome
from tests.collector.running import ROOT, serving
from tests.delivery.memory_outbox import MemoryOutbox

TOKEN = "t0ken"
STATUS: JsonObject = {"connections": [], "reasons": []}
NO_TOKEN = {
    "success": False,
    "code": "unauthorized",
    "message": "This needs the admin token: Authorization: Bearer TOKEN.",
}


def ask(path: str, given: str | None = f"Bearer {TOKEN}", method: str = "GET") -> httpx.Response:
    admin = Admin(TOKEN, lambda: b"waybill_events_total 1.0\n", lambda: STATUS)

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(app=admin)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            return await client.request(method, path, headers={} if given is None else {"authorization": given})

    return asyncio.run(work())


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer t0ke", "Bearer t0ken ", "bearer t0ken", "Basic t0ken"])
@pytest.mark.parametrize("path", ["/metrics", "/status", "/elsewhere"])
def test_nothing_without_the_token(path: str, given: str | None) -> None:
    answer = ask(path, given)
    assert (answer.status_code, answer.json()) == (401, NO_TOKEN)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_nobody_gets_in_with_an_empty_token() -> None:
    with pytest.raises(ValueError, match="an empty token would let everyone in"):
        Admin("", lambda: b"", lambda: STATUS)


ANSWERS = [
    ("GET", "/metrics", 200, b"waybill_events_total 1.0\n", "text/plain; version=0.0.4; charset=utf-8"),
    ("HEAD", "/metrics", 200, b"", "text/plain; version=0.0.4; charset=utf-8"),
    ("GET", "/status", 200, orjson.dumps(STATUS), "application/json"),
    ("GET", "/status/", 200, orjson.dumps(STATUS), "application/json"),
]


@pytest.mark.parametrize(("method", "path", "status", "body", "kind"), ANSWERS)
def test_answers(method: str, path: str, status: int, body: bytes, kind: str) -> None:
    answer = ask(path, method=method)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (status, body, kind)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/status", 405, "Use GET."),
        ("GET", "/", 404, "There is nothing here; there are: /metrics, /status."),
        ("GET", "/v1/track", 404, "There is nothing here; there are: /metrics, /status."),
    ],
)
def test_refusals(method: str, path: str, status: int, message: str) -> None:
    answer = ask(path, method=method)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_how_connections_stand() -> None:
    outbox = MemoryOutbox()
    outbox.take_in([NewEvent("web", f"m{n}", "2026-01-01T00:00:00Z", b"{}") for n in range(3)], ["shop"], 1000.0)
    outbox.lease("shop", "me", 1000.0, 10)
    rows = outbox.waiting("shop", 0, 10)
    words = "Could not authenticate"
    changes = [
        Change(rows[0].place, Outcome.DELIVERED, "1 request accepted"),
        Change(rows[1].place, Outcome.REJECTED, "the vendor answered 400", words),
    ]
    outbox.write("shop", "me", changes, 1001.0)
    outbox.hold("shop", words, "Check the token.", 1002.0)
    shop: dict[str, Json] = {
        "name": "shop",
        "outcomes": {"delivered": 1, "held": 1, "rejected": 1},
        "unfinished": 1,
        "oldest_queued_at": "1970-01-01T00:16:40.000Z",
        "held": words,
        "hint": "Check the token. Then: engine outbox resume shop",
        "held_at": "1970-01-01T00:16:42.000Z",
        "pause": "",
        "next_try_at": None,
    }
    reason: dict[str, Json] = {
        "connection": "shop",
        "outcome": "rejected",
        "reason": "the vendor answered 400",
        "events": 1,
        "words": words,
    }
    assert delivery_status(outbox) == {"connections": [shop], "reasons": [reason]}


def test_the_server_has_it_on_an_address_of_its_own(tmp_path: Path) -> None:
    with serving("--admin-token", TOKEN, mappings=["exponea"]) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        assert httpx.get(f"{server.admin}/metrics").status_code == 401
        assert "waybill_collector_kept_total 0.0" in server.metrics(TOKEN)
        answer = httpx.get(f"{server.admin}/status", headers={"authorization": f"Bearer {TOKEN}"})
        assert [each["name"] for each in answer.json()["connections"]] == ["exponea"]
        assert server.stop() == 0


def test_without_a_token_there_is_none(tmp_path: Path) -> None:
    options = ("--example-settings", "--write-key", "wk", "--outbox", str(tmp_path / "outbox.db"))
    with serving(*options, mappings=["exponea"], sandbox=False) as server:
        assert server.admin == ""
        assert "Without --admin-token there is no admin address: /metrics and /status are off.\n" in server.said
        assert httpx.get(f"{server.url}/readyz").status_code == 200  # from then on it obeys signals
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("option", "who"),
    [("--port", "The collector (--host, --port)"), ("--admin-port", "The admin address (--admin-host, --admin-port)")],
)
def test_an_address_that_is_taken(option: str, who: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {"--port": "0", "--admin-port": "0", option: port}
        command = [sys.executable, "-m", "engine", "serve", "exponea", "--sandbox"]
        command += [word for each in ports.items() for word in each]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (2, f"{who} cannot listen on 127.0.0.1:{port}: Address already in use.\n")
