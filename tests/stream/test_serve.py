"""`engine serve` on streams, as processes: two servers share the work, and one goes on when the other ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from engine.delivery.outbox.location import StreamAddress
from engine.sandbox.server import Sandbox
from tests.collector.running import CLIENT, STARTUP, Server, serving, tracks, until

Made = Callable[..., StreamAddress]
TOKEN = "admin-token"


@contextmanager
def on_streams(address: StreamAddress, vendor: str, *options: str, last: str = "collector listens") -> Iterator[Server]:
    """Serve user_com from streams, with a vendor at another address."""
    given = ["--outbox", str(address), "--set", f"app_url={vendor}", "--set", "api_key=api-key", "--admin-token", TOKEN]
    with serving(*given, *options, mappings=["user_com"], sandbox=False, last=last) as server:
        yield server


def send(server: Server, first: int, count: int) -> None:
    answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(first, count), auth=("key", ""), timeout=STARTUP)
    assert answer.status_code == 200


def status(server: Server) -> dict:
    return CLIENT.get(f"{server.admin}/status", headers={"authorization": f"Bearer {TOKEN}"}).json()


def numbers(sandbox: Sandbox) -> list[int]:
    """Return the numbers of the events that the vendor has."""
    return [int(each["data"]["n"]) for each in sandbox.state("user_com", 10_000)["events"]]


@pytest.mark.slow  # test_chaos.py starts the same servers, and kills one
def test_two_servers_share_the_work_and_one_goes_on_alone(new_address: Made) -> None:
    address = new_address(partitions=4)
    with Sandbox() as sandbox, ExitStack() as stack:
        one = stack.enter_context(on_streams(address, sandbox.url, "--write-key", "key"))
        two = stack.enter_context(on_streams(address, sandbox.url, "--write-key", "key"))
        send(one, 0, 30)
        until(lambda: len(numbers(sandbox)) == 30)
        until(lambda: [len(status(each)["partitions"]["owned"]) for each in (one, two)] == [2, 2])
        assert "waybill_partitions_owned 2.0" in one.metrics(TOKEN)
        assert one.stop(signal.SIGTERM) == 0
        send(two, 30, 30)
        until(lambda: len(numbers(sandbox)) == 60)
        assert sorted(numbers(sandbox)) == [*range(60)]
        found = status(two)
        assert found["outbox"] == str(address)
        assert found["partitions"] == {"count": 4, "owned": [0, 1, 2, 3]}
        until(lambda: status(two)["connections"][0]["unfinished"] == 0)
        assert two.stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_collector_with_two_processes_and_a_server_that_delivers_and_is_killed(new_address: Made) -> None:
    address = new_address(partitions=4)
    with Sandbox() as sandbox, ExitStack() as stack:
        collector = stack.enter_context(
            on_streams(address, sandbox.url, "--write-key", "key", "--only", "collector", "--workers", "2")
        )
        send(collector, 0, 100)
        first = stack.enter_context(on_streams(address, sandbox.url, "--only", "delivery", last="Delivers from"))
        until(lambda: len(numbers(sandbox)) == 100)
        second = stack.enter_context(on_streams(address, sandbox.url, "--only", "delivery", last="Delivers from"))
        until(lambda: len(status(second)["partitions"]["owned"]) == 2)
        first.stop(signal.SIGKILL)
        send(collector, 100, 100)
        until(lambda: len(set(numbers(sandbox))) == 200)
        for user in range(10):
            found = [each for each in dict.fromkeys(numbers(sandbox)) if each % 10 == user]
            assert found == sorted(found)
        assert status(collector)["partitions"] == {"count": 4, "owned": []}
        assert second.stop(signal.SIGTERM) == 0
        assert collector.stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_server_with_console_and_archive_keeps_a_view(
    new_address: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYBILL_VIEW", str(tmp_path / "view.db"))
    options = ("--write-key", "key", "--console", "--archive", str(tmp_path / "archive"))
    with Sandbox() as sandbox, on_streams(new_address(partitions=2), sandbox.url, *options) as server:
        send(server, 0, 30)
        until(lambda: status(server)["archive"].get("events") == 30)
        assert CLIENT.get(f"{server.admin}/").status_code in {200, 303}
        assert server.stop(signal.SIGTERM) == 0
