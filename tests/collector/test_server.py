"""The whole server: what was answered 200 is delivered, whatever happens to the process."""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest

from engine.delivery.outbox.base import Chosen, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from engine.sandbox.server import Sandbox
from tests.collector.running import CLIENT, STARTUP, Server, connect, raw_request, serving, tracks, until

PAGE = 8192  # of the outbox's file
IDLE = 700  # this process may have 1,024 files open; the server allows itself more


def send_until_it_ends(server: Server, first: int, size: int, answered: set[int]) -> None:
    """Send batches on one connection, and note what was answered 200."""
    try:
        with connect(server) as wire:
            for start in range(first, first + 100_000, size):
                wire.sendall(raw_request(tracks(start, size)))
                if not wire.recv(4096).startswith(b"HTTP/1.1 200"):
                    return
                answered.update(range(start, start + size))
    except OSError:
        return


def under_load(server: Server, seconds: float, number: int, first: int = 0) -> set[int]:
    """Have four clients send, then send the process a signal; return the numbers of events answered 200.

    The signal comes some time after the first hundred were answered, however fast the machine is.
    """
    answered: set[int] = set()
    arguments = [(server, first + client * 100_000, size, answered) for client, size in enumerate((1, 3, 20, 100))]
    threads = [threading.Thread(target=send_until_it_ends, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) > 100)
    time.sleep(seconds)
    server.stop(number)
    for thread in threads:
        thread.join()
    return answered


def kept(path: Path) -> set[int]:
    outbox = SqliteOutbox(path)
    rows = outbox.listed(Chosen(), 0, 1_000_000)
    outbox.close()
    return {int(row.message_id[1:]) for row in rows}


@pytest.mark.parametrize("turns", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_kill_loses_nothing_that_was_answered(tmp_path: Path, turns: int) -> None:
    chance = random.Random(7)
    path = tmp_path / "outbox.db"
    answered: set[int] = set()
    for turn in range(turns):
        with serving("--outbox", str(path), mappings=["exponea"]) as server:
            answered |= under_load(server, chance.uniform(0.15, 0.3), signal.SIGKILL, first=turn * 1_000_000)
    assert len(answered) > 100 * turns
    assert answered <= kept(path)
    # A last process delivers what is left, and the vendor holds every event that this one had to send.
    outbox = SqliteOutbox(path)
    left = outbox.counts().get(("exponea", Outcome.WAITING), 0)
    outbox.close()
    with serving("--outbox", str(path), mappings=["exponea"]) as server:
        assert CLIENT.get(f"{server.url}/readyz").status_code == 200  # nothing may be left, and it is stopped at once
        found = server.wait("exponea", "events", left)
        assert len(found) == left
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_in_order(tmp_path: Path, number: int) -> None:
    path = tmp_path / "outbox.db"
    with serving("--outbox", str(path), mappings=["exponea"]) as server:
        answered = under_load(server, 0.4, number)
        assert server.process.returncode == 0
    assert answered <= kept(path)


def test_slow_and_idle_clients_do_not_disturb(tmp_path: Path) -> None:
    with serving(mappings=["exponea"]) as server:
        idle = [connect(server) for _ in range(IDLE)]
        slow = [connect(server) for _ in range(50)]
        for wire in slow:
            wire.sendall(raw_request(tracks(0, 1))[:150])
        assert CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 10), auth=("sandbox", "")).status_code == 200
        assert len(server.wait("exponea", "events", 10)) == 10
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8, "slow clients get 5 seconds, not 30"
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408 ")
        for wire in [*idle, *slow]:
            wire.close()


def test_too_far_behind(tmp_path: Path) -> None:
    """A vendor that cannot be reached fills its queue; then clients have to wait, before the disk is full."""
    file = tmp_path / "connections.yaml"
    file.write_text("""
shop:
  destination: exponea
  base_url: http://127.0.0.1:9
  settings: {api_key: id:secret, project_token: token, hard_id: registered, soft_id: cookie}
sources:
  web: {write_keys: web-key}
""")
    options = ("--connections", str(file), "--outbox", str(tmp_path / "outbox.db"), "--backlog", "5")
    with serving(*options, mappings=[], sandbox=False) as server:
        answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 10), auth=("web-key", ""))
        end = time.monotonic() + 10
        while answer.status_code == 200 and time.monotonic() < end:
            time.sleep(0.1)
            answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 1), auth=("web-key", ""))
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "5"
        assert CLIENT.get(f"{server.url}/readyz").status_code == 503
        assert server.stop() == 0


def test_an_outbox_that_turns_out_to_be_damaged_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path)
    outbox.take_in([NewEvent("web", f"m{n}", "2026-01-01T00:00:00Z", b"*" * 5000) for n in range(20)], ["exponea"], 1.0)
    outbox.close()
    data = path.read_bytes()
    pages = [data[start : start + PAGE] for start in range(0, len(data), PAGE)]
    path.write_bytes(b"".join(b"\xff" * PAGE if b"*" * 4000 in page else page for page in pages))
    with serving("--outbox", str(path), "--admin-token", "t", mappings=["exponea"]) as server:
        assert server.process.wait(30) == 4
        assert server.process.stdout is not None
        assert server.process.stdout.read().decode() == (
            f"{path} is damaged or not an outbox (database disk image is malformed). It was left unchanged: move it away "
            f"to start a new one, or try to recover its content with: sqlite3 {path} .recover\n"
        )


def post(server: Server, number: int) -> httpx.Response:
    return CLIENT.post(f"{server.url}/v1/batch", content=tracks(number, 1), auth=("sandbox", ""))


def test_nothing_is_accepted_while_the_outbox_is_not_under_its_name(tmp_path: Path) -> None:
    path, log = tmp_path / "outbox.db", tmp_path / "log"
    with serving("--outbox", str(path), mappings=["exponea"], log=log) as server:
        assert post(server, 0).status_code == 200
        path.rename(tmp_path / "moved.db")
        answer = post(server, 1)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "5")
        until(lambda: b'"worker failed"' in log.read_bytes())
        (tmp_path / "moved.db").rename(path)
        assert post(server, 2).status_code == 200
        assert server.stop() == 0
    reason = (
        f"{path} was removed or renamed while this process has it open, so nothing more is stored or sent. Move the file "
        "back, or start again with what is there now; what was not sent is lost if this process ends before the file is "
        "back or copied (engine docs delivery)."
    )
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    assert {"outbox_error": reason, "worker failed": f"OutboxMoved: {reason}"} == {
        line.get("code", line["event"]): line["reason"]
        for line in lines
        if line["event"] in ("refused", "worker failed")
    }


def index_damaged(path: Path) -> None:
    """Make an outbox of which only taking in events can notice that it is damaged."""
    SqliteOutbox(path).close()
    with closing(sqlite3.connect(path)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events_by_message'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)


DAMAGED = (
    "{path} is damaged or not an outbox (database disk image is malformed). It was left unchanged: move it away to start "
    "a new one, or try to recover its content with: sqlite3 {path} .recover\n"
)
DAMAGED_FOR_A_WORKER = "{path} is damaged: a worker process could not write to it, and logged why.\n"


@pytest.mark.slow
@pytest.mark.parametrize(("options", "text"), [((), DAMAGED), (("--workers", "2"), DAMAGED_FOR_A_WORKER)])
def test_damage_that_only_new_events_come_upon_ends_the_process_too(tmp_path: Path, options, text) -> None:
    path = tmp_path / "outbox.db"
    index_damaged(path)
    with serving("--outbox", str(path), *options, mappings=["exponea"]) as server:
        answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 1), auth=("sandbox", ""), timeout=STARTUP)
        assert answer.status_code == 503
        assert server.process.wait(30) == 4
        assert server.process.stdout is not None
        assert server.process.stdout.read().decode().endswith(text.format(path=path))


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with serving(mappings=["exponea"]) as server:
        yield server


def test_what_is_no_http(shared: Server) -> None:
    with connect(shared) as wire:
        wire.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 400")
    with connect(shared) as wire:
        wire.sendall(b"POST /v1/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert wire.recv(100)[:12] in (b"HTTP/1.1 400", b"")
    assert CLIENT.get(f"{shared.url}/healthz").text == "ok\n"


def test_chunks_and_two_requests_at_once(shared: Server) -> None:
    def chunks():
        for byte in tracks(0, 3):
            yield bytes([byte])

    assert CLIENT.post(f"{shared.url}/v1/import", content=chunks(), auth=("sandbox", "")).status_code == 200
    with connect(shared) as wire:
        wire.sendall(raw_request(tracks(10, 1)) + raw_request(tracks(11, 1)))
        assert read_until(wire, 2).count(b"HTTP/1.1 200") == 2
    assert len(shared.wait("exponea", "events", 5)) == 5


def read_until(wire: socket.socket, answers: int) -> bytes:
    got = b""
    while got.count(b'{"success":true}') < answers:
        got += wire.recv(4096)
    return got


def test_connections_file_says_who_feeds_what(tmp_path: Path) -> None:
    with Sandbox() as world:
        file = tmp_path / "connections.yaml"
        file.write_text(
            f"""
shop:
  destination: exponea
  base_url: {world.url}
  settings: {{api_key: id:secret, project_token: token, hard_id: registered, soft_id: cookie}}
sources:
  web: {{write_keys: [web-key], connections: [shop]}}
  off: {{write_keys: [off-key], enabled: false}}
"""
        )
        options = ("--connections", str(file), "--outbox", str(tmp_path / "outbox.db"), "--admin-token", "sandbox")
        with serving(*options, mappings=[], sandbox=False) as server:
            statuses = [
                CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 1), auth=(key, "")).status_code
                for key in ("web-key", "off-key", "sandbox")
            ]
            assert statuses == [200, 401, 401]
            metrics = server.metrics()
            assert 'waybill_collector_refused_total{code="source_disabled"} 1.0' in metrics
            assert 'waybill_collector_refused_total{code="unknown_source"} 1.0' in metrics
            assert "waybill_collector_kept_total 1.0" in metrics
            assert server.stop() == 0
