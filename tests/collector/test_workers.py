"""Other processes take requests: they share the outbox, die and come back, and end together, in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import orjson
import psutil
import pytest

from engine.commands.serve import _default_workers
from engine.delivery.outbox import looking
from engine.delivery.outbox.reading import OutboxFile
from tests.collector.running import CLIENT, STARTUP, Server, connect, raw_request, serving, tracks, until
from tests.collector.test_server import kept, send_until_it_ends

ONE = ("--workers", "1")
WORKERS = ("--workers", "2")


def workers_of(server: Server) -> list[int]:
    """Return the processes that take requests, of those that a server has started."""
    return [child.pid for child in psutil.Process(server.process.pid).children() if takes_requests(child)]


def takes_requests(process: psutil.Process) -> bool:
    try:
        return any("spawn_main" in word for word in process.cmdline())
    except psutil.NoSuchProcess:  # also of one that has ended and was not waited for yet
        return False


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def under_load(server: Server, answered: set[int], count: int = 4) -> list[threading.Thread]:
    """Have clients send until their connection ends, and then on another one."""

    def client(first: int) -> None:
        for turn in range(100):
            send_until_it_ends(server, first + turn * 100_000, 10, answered)
            if server.process.poll() is not None:
                return
            time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(n * 100_000_000,)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_taking_in_and_delivering_each_have_a_core_where_there_are_two() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert _default_workers(none=False) == 0
    finally:
        os.sched_setaffinity(0, cores)
    assert _default_workers(none=False) == (1 if len(cores) > 1 else 0)


@pytest.mark.slow
def test_by_default_another_process_takes_requests_unless_the_vendors_are_emulated(tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text("""
        shop:
          destination: exponea
          base_url: http://127.0.0.1:9
          settings: {api_key: k, project_token: t, hard_id: registered, soft_id: cookie}
        sources:
          web: {write_keys: sandbox}
    """)
    options = ("--connections", str(file), "--outbox", str(tmp_path / "outbox.db"), "--admin-token", "sandbox")
    with serving(*options, mappings=[], sandbox=False, workers=None) as server:
        sent = CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 5), auth=("sandbox", ""), timeout=STARTUP)
        assert sent.json() == {"success": True}
        assert len(workers_of(server)) == _default_workers(none=False)
        assert "waybill_collector_kept_total 5.0" in server.metrics().splitlines()
        assert server.stop() == 0
    with serving(workers=None) as server:
        assert workers_of(server) == []
        assert CLIENT.get(f"{server.url}/readyz").status_code == 200  # from then on it obeys signals
        assert server.stop() == 0


def test_what_several_take_is_delivered_and_counted_once() -> None:
    with serving(*WORKERS, mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 2)
        for n in range(40):  # each on a connection of its own, so that both have their share
            answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(n, 2), auth=("sandbox", ""), timeout=STARTUP)
            assert answer.json() == {"success": True}
        assert len(server.wait("exponea", "events", 41)) == 41, "each messageId twice but the first and the last"
        lines = server.metrics().splitlines()
        assert 'waybill_collector_events_total{source="default"} 80.0' in lines
        assert "waybill_collector_kept_total 41.0" in lines
        assert "waybill_collector_duplicates_total 39.0" in lines
        assert 'waybill_events_total{connection="exponea",outcome="delivered"} 41.0' in lines
        assert server.stop() == 0


def test_what_they_discard_is_kept_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with serving(*ONE, "--write-key", "sandbox-key-1", "--outbox", str(path), mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 1)
        body = orjson.dumps({"batch": [{"type": "track", "a": "the key is sandbox-key-1"}] * 5})
        for _ in range(8):
            answer = CLIENT.post(f"{server.url}/v1/batch", content=body, auth=("sandbox-key-1", ""), timeout=STARTUP)
            assert answer.json() == {"success": True}
        assert server.stop() == 0
    look = OutboxFile(path).look
    found = [orjson.loads(each.raw) for _, each in look(lambda db: looking.discards(db, None, 100))]
    assert found == [{"type": "track", "a": "the key is ***"}] * len(found)
    assert 0 < len(found) <= 40
    assert sum(each.discarded for each in look(lambda db: looking.slots_arrived(db, time.time(), 600))) == 40


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_that_dies_is_started_again_and_nothing_answered_is_lost(tmp_path: Path, count: int) -> None:
    path, answered = tmp_path / "outbox.db", set[int]()
    with serving("--outbox", str(path), mappings=["exponea"], workers=count) as server:
        until(lambda: len(workers_of(server)) == count)
        threads = under_load(server, answered)
        for _ in range(2):
            before, had = workers_of(server), len(answered)
            until(lambda had=had: len(answered) > had + 50)
            os.kill(before[0], signal.SIGKILL)
            until(lambda before=before: len(set(workers_of(server)) - {before[0]}) == count)
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert len(answered) > 100
    assert answered <= kept(path)


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(False, marks=pytest.mark.slow, id="SIGTERM to the first"),
        pytest.param(True, id="Ctrl-C in a terminal"),
    ],
)
def test_they_end_in_order(tmp_path: Path, group: bool) -> None:
    path, answered = tmp_path / "outbox.db", set[int]()
    with serving(*WORKERS, "--outbox", str(path), mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 2)
        pids = workers_of(server)
        threads = under_load(server, answered)
        until(lambda: len(answered) > 50)
        began = time.monotonic()
        if group:
            os.killpg(server.process.pid, signal.SIGINT)
            assert server.process.wait(30) == 0
        else:
            assert server.stop() == 0
        assert time.monotonic() - began < 10
        for thread in threads:
            thread.join()
        assert not any(map(alive, pids))
    assert answered <= kept(path)


@pytest.mark.slow
def test_slow_bodies_do_not_hold_up_the_end() -> None:
    with serving(*WORKERS, mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 2)
        assert CLIENT.get(f"{server.url}/readyz", timeout=STARTUP).status_code == 200
        wires = [connect(server) for _ in range(8)]
        for wire in wires:
            wire.sendall(raw_request(tracks(0, 1))[:150])
        time.sleep(0.3)  # until they have been read, which nothing shows from outside
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 9, "slow clients get 5 seconds, not 30"
        for wire in wires:
            assert wire.recv(100).startswith(b"HTTP/1.1 408 ")
            wire.close()


def test_a_second_signal_ends_at_once() -> None:
    with serving(*ONE, mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 1)
        pids = workers_of(server)
        assert CLIENT.get(f"{server.url}/readyz", timeout=STARTUP).status_code == 200
        with connect(server) as wire:
            wire.sendall(raw_request(tracks(0, 1))[:150])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            began = time.monotonic()
            assert server.stop() == 130
            assert time.monotonic() - began < 2
        until(lambda: not any(map(alive, pids)))


def test_none_outlives_the_first() -> None:
    with serving(*ONE, mappings=["exponea"]) as server:
        until(lambda: len(workers_of(server)) == 1)
        pids = workers_of(server)
        assert CLIENT.get(f"{server.url}/readyz", timeout=STARTUP).status_code == 200
        server.stop(signal.SIGKILL)
        until(lambda: not any(map(alive, pids)))
