"""Running it: in a thread, within a process, from the command; and what it says when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing

import httpx
import pytest

from engine.commands.sandbox import number_of
from engine.errors import UsageError
from engine.sandbox import server
from engine.sandbox.app import create_app
from engine.sandbox.server import Sandbox
from engine.sandbox.world import read_config

UPDATE = {"customer_ids": {"cookie": "a"}, "properties": {"plan": "pro"}}
CUSTOMERS = "/exponea/track/v2/projects/project-token/customers"
KEY = {"Authorization": "Token public-key"}


def test_it_stops_and_leaves_nothing_behind():
    before = threading.active_count()
    with Sandbox() as sandbox, httpx.Client() as client:
        assert client.get(f"{sandbox.url}/_sandbox/").status_code == 200
        url = sandbox.url
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_file_keeps_the_state(tmp_path):
    database = str(tmp_path / "sandbox.db")
    for expected in (0, 1):
        with Sandbox(database=database) as sandbox:
            counts = sandbox.counts()["exponea"]
            assert (counts["customers"], counts.get("updates", 0)) == (expected, expected)
            assert httpx.post(sandbox.url + CUSTOMERS, json=UPDATE, headers=KEY).status_code == 200


def test_a_new_file_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        with Sandbox(database=str(tmp_path / "sandbox.db")) as sandbox:
            assert httpx.post(sandbox.url + CUSTOMERS, json=UPDATE, headers=KEY).status_code == 200
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"sandbox.db": 0o600, "sandbox.db-wal": 0o600}


def test_a_file_that_another_sandbox_uses(tmp_path):
    database = str(tmp_path / "sandbox.db")
    with Sandbox(database=database), pytest.raises(UsageError) as caught, Sandbox(database=database):
        pass
    assert str(caught.value) == f"{database} cannot store the sandbox's state: database is locked. Use another file."


def test_a_file_that_is_something_else(tmp_path):
    database = tmp_path / "notes.txt"
    database.write_text("no database " * 100)
    with pytest.raises(UsageError) as caught, Sandbox(database=str(database)):
        pass
    assert (
        str(caught.value) == f"{database} cannot store the sandbox's state: file is not a database. Use another file."
    )


def test_a_file_that_cannot_be_opened(tmp_path):
    database = tmp_path / "none" / "sandbox.db"
    with pytest.raises(UsageError) as caught, Sandbox(database=str(database)):
        pass
    assert str(caught.value) == (
        f"{database} cannot be opened: unable to open database file. Use another file, or `:memory:`."
    )


def test_a_port_that_is_taken():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught, Sandbox(port=port):
            pass
    assert str(caught.value) == f"The sandbox cannot listen on 127.0.0.1:{port}: Address already in use."


def test_packages_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError) as caught, Sandbox():
        pass
    assert str(caught.value) == server.MISSING.format(name="uvicorn")


def test_within_a_process():
    """`httpx.ASGITransport`: no port, no thread; a broken connection is an exception."""

    async def run():
        app = create_app(read_config({"faults": [{"kind": "reset", "nth": [2]}, {"kind": "half", "nth": [3]}]}))
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client:
                assert (await client.post(CUSTOMERS, json=UPDATE, headers=KEY)).status_code == 200
                for _ in range(2):
                    with pytest.raises(ConnectionResetError, match="connection cut by a sandbox fault"):
                        await client.post(CUSTOMERS, json=UPDATE, headers=KEY)
            return app.state.world.counts()["exponea"]
        finally:
            app.state.world.close()

    # The request with half a response was processed; the one with a reset was not.
    assert asyncio.run(run()) == {"customers": 1, "events": 0, "updates": 2, "requests": {"0": 2, "200": 1}}


def test_many_clients_at_once(sandbox):
    """One writer: nothing is lost or counted twice when requests come together."""

    def send(user):
        with httpx.Client(base_url=sandbox.url, headers=KEY) as client:
            for number in range(20):
                event = {"customer_ids": {"registered": f"u{user % 3}"}, "event_type": "e", "timestamp": number}
                assert client.post(f"{CUSTOMERS}/events", json={**event, "properties": {"by": user}}).status_code == 200

    threads = [threading.Thread(target=send, args=(user,)) for user in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = sandbox.counts()["exponea"]
    assert (counts["customers"], counts["events"], counts["events_received"]) == (3, 120, 120)


SHOP = """\
mapping: 1
name: extole
title: Shop
http:
  base_url: https://api.shop.example/v1
  oauth2: { token_url: "https://login.shop.example/token", client_id: { const: me }, client_secret: settings.key }
settings: { key: { title: Key, type: string, secret: true, example: key-1 } }
requests: { save: { path: /save } }
calls: { track: [{ request: save, fields: { name: event } }] }
"""


def test_the_command_serves_until_it_is_interrupted(tmp_path):
    """With a vendor made from a mapping, whose name another one has."""
    (tmp_path / "extole.yaml").write_text(SHOP)
    command = [sys.executable, "-m", "engine", "sandbox", str(tmp_path / "extole.yaml"), "exponea", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        first = process.stdout.readline()
        url = first.split()[4].rstrip(";")
        assert first == f"The sandbox listens on {url}; its state is kept in memory.\n"
        assert httpx.get(f"{url}/_sandbox/counts").status_code == 200
        form = {"grant_type": "client_credentials"}
        token = httpx.post(f"{url}/extole_own/token", data=form, auth=("me", "key-1")).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.post(f"{url}/extole_own/v1/save", json={"name": "A"}, headers=bearer).json() == {}
        assert httpx.post(f"{url}/extole/v6/events", json={"name": "A"}).status_code == 403, "this one is by hand"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert f"{url}/exponea\n" in rest
    assert f"{url}/user_com/api/public\n" in rest, "as base_url of a connection"
    assert f"  Shop                             {url}/extole_own/v1\n" in rest
    assert f"{url}/extole_own/token (access tokens)\n" in rest
    assert "engine docs sandbox" in rest
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "count", "text"),
    [
        ("customers", 1, "1 customer"),
        ("customers", 2, "2 customers"),
        ("companies", 1, "1 company"),
        ("commands_failed", 1, "1 command failed"),
        ("commands_failed", 3, "3 commands failed"),
        ("persons_erased", 1, "1 person erased"),
        ("event_names_created", 1, "1 event name created"),
        ("soft_ids_stolen", 1, "1 soft id stolen"),
    ],
)
def test_counters_read_as_people_say_them(name: str, count: int, text: str) -> None:
    assert number_of(name, count) == text
