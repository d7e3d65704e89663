"""`engine console` and `engine serve --console`: what they print, what they refuse, and that they end at once."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from engine.collector.samples import SOURCE, SampleTraffic
from engine.commands import main
from engine.commands.connection_options import connections_of
from engine.commands.console import NO_OUTBOX
from engine.commands.options import SettingsOptions
from engine.commands.serve import CONSOLE_NEEDS_TOKEN
from engine.console.access import PUBLIC
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.collector.running import serving
from tests.console.seeding import NOW

DELIVERED = '<span class="key delivered">'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["console", "--outbox", "none.db"], NO_OUTBOX.format(path="none.db")),
        (["console", "--host", "0.0.0.0", "--port", "0"], PUBLIC.format(host="0.0.0.0")),
        (["serve", "webhook", "--example-settings", "--write-key", "k", "--console"], CONSOLE_NEEDS_TOKEN),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WAYBILL_ADMIN_TOKEN", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().err) == (2, f"{message}\n")


def test_the_console_starts_with_a_link_and_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine", "console", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        assert process.stdout is not None
        printed = "".join(process.stdout.readline().decode() for _ in range(3))
        found = re.search(r"(http://\S+)/login\?code=\S+\n.*token: (\S+)\.\n", printed)
        assert found is not None, printed
        with httpx.Client(base_url=found[1]) as client:
            assert client.post("/login", data={"token": found[2]}).status_code == 200
            assert client.get("/").status_code == 303
        process.terminate()
        assert process.wait(20) == 0


def test_a_sandbox_with_a_console_shows_samples_and_ends_with_streams_open() -> None:
    with serving("--console", mappings=["webhook"]) as server:
        link = re.search(r"The console: (\S+)", server.printed)
        assert link is not None
        with httpx.Client(base_url=server.admin) as client:
            assert client.get(link[1]).status_code == 200
            end = time.monotonic() + 20
            while DELIVERED not in (page := client.get("/").text) and time.monotonic() < end:
                time.sleep(0.05)
            assert DELIVERED in page
            assert f'title="{SOURCE}"' in page
            assert "Dashed: the source is not configured" not in page
            with client.stream("GET", "/overview/stream") as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": open"
                assert server.stop() == 0


def test_samples_are_the_examples_as_of_now(tmp_path: Path) -> None:
    connections = connections_of(["webhook"], None, SettingsOptions(examples=True))
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    traffic = SampleTraffic(outbox, lambda: connections, lambda: NOW, lambda: "fresh")
    traffic.send_one()
    assert len(outbox.waiting("webhook", -1, 9)) == 1
    event = outbox.event(1)
    assert event is not None
    assert (event.source, event.message_id, event.received_at) == (SOURCE, "fresh", "2027-01-15T08:00:00.000Z")
    assert event.raw.startswith(b'{"type":"track","messageId":"fresh",')
    assert b'"timestamp":"2027-01-15T08:00:00.000Z"' in event.raw
    outbox.close()
    SampleTraffic(outbox, list).send_one()
