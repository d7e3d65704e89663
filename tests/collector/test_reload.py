"""A running server is given corrected files: nothing is lost or sent twice, and bad files change nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import httpx
import orjson
import pytest

from engine.collector.reloading import ConnectionChange, ReloadReport, Served, SourceChange
from engine.commands import main
from engine.commands.serve import EmulatedVendors
from engine.delivery.configured_connection import base_url
from engine.delivery.outbox.looking import connection_rows
from engine.delivery.outbox.reading import OutboxFile
from tests.collector.running import CLIENT, ROOT, STARTUP, Server, serving, tracks, until
from tests.delivery.vendor import BATCHES, MAPPING, Answer, Vendor, shop

TOKEN = ("--admin-token", "sandbox")
VERSIONS = [BATCHES.replace("path: /many", f"path: /many/{n}").format(max_items=40, give_up="24h") for n in range(3)]


@contextmanager
def vendor_in_a_thread() -> Iterator[Vendor]:
    """Listen as long as the `with` lasts."""
    vendor, ready, loop = Vendor(), threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def work() -> None:
        async with vendor:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(work(),))
    thread.start()
    ready.wait()
    try:
        yield vendor
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def put(path: Path, text: str) -> None:
    """Write a file at once, so that nobody reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


class Files:
    """The connections file of a server and the mapping it names."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.connections = folder / "connections.yaml"
        self.mapping(0)
        self.write()

    def mapping(self, version: int) -> None:
        put(self.folder / "shop.yaml", MAPPING.format(more=VERSIONS[version]))

    def write(self, keys: str = "web-key", names: tuple[str, ...] = ("shop",), more: str = "") -> None:
        lines = [
            f"{name}: {{ destination: ./shop.yaml, settings: {{ url: '{self.url}', key: k-secret }}{more} }}"
            for name in names
        ]
        self.connections.write_text("\n".join([*lines, "sources:", f"  web: {{ write_keys: [{keys}] }}", ""]))

    @property
    def options(self) -> tuple[str, ...]:
        return ("--connections", str(self.connections), "--outbox", str(self.folder / "outbox.db"), *TOKEN)


def logged(log: Path, event: str) -> list[dict]:
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    return [line for line in lines if line["event"] == event]


class Clients:
    """Send events all the time, each on a connection that stays open; whatever is not answered 200 is kept."""

    def __init__(self, server: Server, count: int = 3) -> None:
        self.answered: set[int] = set()
        self.failures: list[str] = []
        self._server, self._done = server, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n * 1_000_000,)) for n in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        until(lambda: len(self.answered) > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self) -> None:
        """Wait until more has been answered."""
        had = len(self.answered)
        until(lambda: len(self.answered) > had + 20)

    def _send(self, number: int) -> None:
        with httpx.Client(auth=("web-key", ""), timeout=STARTUP) as client:
            while not self._done.is_set():
                try:
                    answer = client.post(f"{self._server.url}/v1/batch", content=tracks(number, 5))
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.answered.update(range(number, number + 5))
                else:
                    self.failures.append(answer.text)
                number += 5


def post(server: Server, key: str, number: int = 0) -> int:
    answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(number, 1), auth=(key, ""), timeout=STARTUP)
    return answer.status_code


@pytest.mark.parametrize(
    "workers", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(3, marks=pytest.mark.slow)]
)
def test_signals_under_load(tmp_path: Path, workers: int) -> None:
    log = tmp_path / "log"
    with vendor_in_a_thread() as vendor:
        files = Files(tmp_path, vendor.url)
        with serving(*files.options, mappings=[], sandbox=False, log=log, workers=workers) as server:
            server.process.send_signal(signal.SIGHUP)  # as early as it can come
            until(lambda: len(logged(log, "reloaded")) == 1)
            with Clients(server) as clients:
                until(lambda: sent(vendor, 0))
                for version in (1, 2):
                    files.mapping(version)
                    files.write("web-key, another-key")
                    server.process.send_signal(signal.SIGHUP)
                    until(lambda version=version: len(logged(log, "reloaded")) == version + 1)
                    assert post(server, "another-key", 9_000_000 + version) == 200
                    until(lambda version=version: sent(vendor, version))
                    files.connections.write_text("shop: {destinatoin: shop}\n")
                    server.process.send_signal(signal.SIGHUP)
                    until(lambda version=version: len(logged(log, "reload refused")) == version)
                    clients.more()
            assert clients.failures == []
            expected = {f"m{number}" for number in clients.answered} | {"m9000001", "m9000002"}
            until(lambda: {item["id"] for each in vendor.requests for item in each.body} >= expected)
            assert server.stop() == 0
    assert Counter(item["id"] for each in vendor.requests for item in each.body) == dict.fromkeys(expected, 1)
    paths = [each.path for each in vendor.requests]
    assert paths == sorted(paths), "no version sends when the next one has begun"
    assert {line["trigger"] for line in logged(log, "reloaded")} == {"signal"}
    place = f"{files.connections}:1:8  shop.destinatoin\n  A connection has no key"
    assert all(line["problems"][0].startswith(place) for line in logged(log, "reload refused"))


def sent(vendor: Vendor, version: int) -> bool:
    return any(each.path == f"/many/{version}" for each in vendor.requests)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["reload", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


MISSING = """{file}:1:22  shop.destination
  Mapping file {folder}/shop.yaml does not exist.
{file}:2:21  crm.destination
  Mapping file {folder}/shop.yaml does not exist.

2 problems. Nothing was changed: the server goes on with what it had. Correct this and reload again.
"""


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_command_says_what_changed_or_what_is_wrong(
    tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    with vendor_in_a_thread() as vendor:
        files = Files(tmp_path, vendor.url)
        files.write(names=("shop", "old", "crm"))
        with serving(*files.options, mappings=[], sandbox=False, log=log, workers=workers) as server:
            reload = ("--admin-url", server.admin, *TOKEN)
            assert asked(capsys, *reload) == (
                0,
                "Reloaded.\n  shop  unchanged\n  old   unchanged\n  crm   unchanged\n",
                "",
            )
            files.write("rotated-key", names=("shop", "crm"), more=", rate_limit: 100/s")
            code, printed, errors = asked(capsys, *reload)
            assert (code, errors) == (0, "")
            assert printed == (
                "Reloaded.\n  shop  changed: rate_limit\n  crm   changed: rate_limit\n  old   removed\nSources: web changed\n"
            )
            assert (post(server, "web-key"), post(server, "rotated-key")) == (401, 200)
            files.mapping(1)
            code, printed, errors = asked(capsys, *reload)
            old, new = printed.split()[4], printed.split()[6]
            assert (
                printed
                == f"Reloaded.\n  shop  changed: mapping {old} -> {new}\n  crm   changed: mapping {old} -> {new}\n"
            )
            (tmp_path / "shop.yaml").unlink()
            assert asked(capsys, *reload) == (1, "", MISSING.format(file=files.connections, folder=tmp_path))
            assert post(server, "rotated-key", 1) == 200
            until(lambda: len([item for each in vendor.requests for item in each.body]) == 4)
            assert asked(capsys, "--admin-url", server.admin, "--admin-token", "wrong")[0] == 2
            files.mapping(1)
            vendor.answer = lambda _: Answer(409, {"why": "closed"})
            assert post(server, "rotated-key", 2) == 200
            outbox = OutboxFile(tmp_path / "outbox.db")  # the log speaks before the outbox has it
            until(lambda: all(each.held for each in outbox.look(connection_rows) if each.name != "old"))
            code, printed, errors = asked(capsys, *reload)
            words = " ".join(printed.split())
            for name in ("shop", "crm"):
                to_do = f"the vendor answered 409: closed. Ask for access. Then: engine outbox resume {name} --outbox {tmp_path}/outbox.db"
                assert f"{name} unchanged; still held: {to_do}" in words
            text = server.metrics()
            assert 'waybill_reloads_total{result="reloaded"} 4.0' in text
            assert 'waybill_reloads_total{result="refused"} 1.0' in text
            assert server.stop() == 0


def test_watching_with_mappings_on_the_command_line(tmp_path: Path) -> None:
    """The same arguments are loaded again; what is half written is reported once, and mended by the rest."""
    log, settings = tmp_path / "log", tmp_path / "settings.yaml"
    with vendor_in_a_thread() as vendor:
        files = Files(tmp_path, vendor.url)
        mapping = tmp_path / "shop.yaml"
        settings.write_text(f"shop: {{ url: '{vendor.url}', key: first-key }}\n")
        own = ("--settings", str(settings), "--write-key", "wk", "--outbox", str(tmp_path / "outbox.db"), "--watch")
        with serving(*own, mappings=[str(mapping)], sandbox=False, log=log) as server:
            assert post(server, "wk") == 200
            until(lambda: sent(vendor, 0))
            half = mapping.read_text()[:700]
            put(mapping, half)
            until(lambda: len(logged(log, "reload refused")) == 1)
            put(settings, f"shop: {{ url: '{vendor.url}', key: second-key }}\n")
            files.mapping(1)
            until(lambda: "second-key" in key_of_next(server, vendor))
            assert server.stop() == 0
    assert len(logged(log, "reload refused")) == 1
    found = {(each.path, each.headers["authorization"]) for each in vendor.requests}
    assert found <= {("/many/0", "Bearer first-key"), ("/many/1", "Bearer first-key"), ("/many/1", "Bearer second-key")}
    assert "second-key" not in log.read_text()


def key_of_next(server: Server, vendor: Vendor) -> str:
    """Send an event and return the header that its request had."""
    had = len(vendor.requests)
    assert post(server, "wk", had) == 200
    until(lambda: len(vendor.requests) > had)
    return vendor.requests[-1].headers["authorization"]


def test_in_the_sandbox_a_vendor_is_made_for_a_connection_that_comes_later(tmp_path: Path) -> None:
    with ExitStack() as stack:
        vendors = EmulatedVendors(stack)
        for version, names in enumerate([("shop",), ("shop", "later"), ("later",)]):
            more = BATCHES.replace("path: /many", f"path: /many/{version}")
            given = [shop(tmp_path, "http://127.0.0.1:9/v1", name=name, more=more) for name in names]
            served = vendors.redirect(Served([], given))
            assert vendors.sandbox is not None
            url = vendors.sandbox.url
            assert [base_url(each.connection) for each in served.connections] == [f"{url}/{name}/v1" for name in names]
            for name in ("shop", "later"):
                answer = CLIENT.post(
                    f"{url}/{name}/v1/many/{version}",
                    json={"items": [{"id": "m", "user": "u"}]},
                    headers={"authorization": "Bearer top-secret-key"},
                )
                assert (answer.status_code == 200) is (name in names), (version, name)
        assert vendors.sandbox.inject({"kind": "status", "status": 500, "vendor": "later"}) == [1]


@pytest.mark.slow
def test_a_server_with_a_sandbox_reloads(tmp_path: Path) -> None:
    files = Files(tmp_path, "http://127.0.0.1:9")
    with serving(*files.options, mappings=[]) as server:
        files.mapping(1)
        files.write(names=("shop", "later"))
        answer = CLIENT.post(f"{server.admin}/reload", headers={"authorization": "Bearer sandbox"})
        assert [each["change"] for each in answer.json()["connections"]] == ["changed", "added"]
        assert post(server, "web-key") == 200
        until(lambda: all(orjson.dumps(server.state(name)).count(b"/many/1") == 1 for name in ("shop", "later")))
        assert server.stop() == 0


TAKING_THE_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "engine", *sys.argv[2:]])
"""


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    """It sends SIGHUP too, and nobody would look after the server any more."""
    files = Files(tmp_path, "http://127.0.0.1:9")
    mine, its = os.openpty()
    command = [sys.executable, "-c", TAKING_THE_TERMINAL, str(its), "serve", *files.options, "--workers", "0"]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", "0", "--admin-port", "0"], cwd=ROOT, stdout=out, stderr=out, pass_fds=(its,)
        )
    try:
        os.close(its)
        until(lambda: b"collector listens" in (tmp_path / "out").read_bytes())
        os.close(mine)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def answering(response: bytes) -> Iterator[str]:
    """Answer one request with these bytes; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            with listener.accept()[0] as wire:
                wire.recv(65536)
                wire.sendall(response)

        thread = threading.Thread(target=work)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def whole(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


NOT_ADMIN = (
    "{url} answered with status {status}, and not as the admin address of `engine serve` does. It prints that address "
    "when it starts; name it with --admin-url.\n"
)
REFUSED = "{url} refuses the admin token. It must be the one that `engine serve` was started with.\n"
UNREACHABLE = (
    "{url} cannot be reached ({reason}). Is `engine serve` running, with an admin token? It prints its admin address "
    "when it starts; --admin-url names another one than the default.\n"
)
ANSWERS: list[tuple[bytes, Callable[[str], str]]] = [
    (whole(401, b"{}"), lambda url: REFUSED.format(url=url)),
    (whole(404, b"{}"), lambda url: NOT_ADMIN.format(url=url, status=404)),
    (whole(200, b"<html>"), lambda url: NOT_ADMIN.format(url=url, status=200)),
    (whole(200, b"[1]"), lambda url: NOT_ADMIN.format(url=url, status=200)),
    (whole(200, b'{"result":"reloaded","connections":[{"x":1}]}'), lambda url: NOT_ADMIN.format(url=url, status=200)),
    (whole(200, b'{"result":"reloaded","connections":7}'), lambda url: NOT_ADMIN.format(url=url, status=200)),
    (b"", lambda url: UNREACHABLE.format(url=url, reason="Remote end closed connection without response")),
]


@pytest.mark.parametrize(("response", "expected"), ANSWERS)
def test_what_answers_otherwise(
    response: bytes, expected: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(response) as url:
        assert asked(capsys, "--admin-url", url, *TOKEN) == (2, "", expected(url))


def test_no_text_of_the_answer_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    body = orjson.dumps({"result": "refused", "problems": ["a\x1b[31mb\u202ec\nline"]})
    with answering(whole(422, body)) as url:
        code, _, errors = asked(capsys, "--admin-url", url, *TOKEN)
    assert (code, errors.splitlines()[:2]) == (1, ["a\\u001b[31mb\\u202ec", "line"])


PAGE = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")
HELD = "the vendor answered 401. Check the API key. Then: engine outbox resume crm"
CHANGES = ReloadReport(
    (),
    (
        ConnectionChange("shop", "changed", "9a8b7c6d5e4f3a2b", "5e0c1a2b3c4d5e6f", ("mapping", "settings")),
        ConnectionChange("crm", "unchanged", "0a1b2c3d4e5f6a7b", "0a1b2c3d4e5f6a7b", held=HELD),
        ConnectionChange("trial", "added", "1a2b3c4d5e6f7a8b"),
        ConnectionChange("old", "removed", "", "2a3b4c5d6e7f8a9b", (), 12),
    ),
    (SourceChange("web", "changed"), SourceChange("app", "unchanged")),
)
PROBLEM = 'connections.yaml:4:3  shop.settinks\n  A connection has no key "settinks". Did you mean settings?'


@pytest.mark.parametrize(("status", "report"), [(200, CHANGES), (422, ReloadReport((PROBLEM,)))])
def test_the_documentation_shows_what_is_printed(
    status: int, report: ReloadReport, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(whole(status, orjson.dumps(report.json()))) as url:
        _, printed, errors = asked(capsys, "--admin-url", url, *TOKEN)
    assert f"```console\n$ engine reload\n{printed}{errors}```\n" in PAGE


URL = "--admin-url must be http://HOST:PORT or https://HOST, without a path, a user or a query.\n"
USAGE = [
    ((), "The admin token is missing: give WAYBILL_ADMIN_TOKEN or --admin-token the one that `engine serve` has.\n"),
    (
        ("--admin-token", "a b"),
        "An admin token has printable ASCII characters, without spaces; the one given has others.\n",
    ),
    *(
        ((*TOKEN, "--admin-url", url), URL)
        for url in (
            "127.0.0.1:8911",
            "ftp://h",
            "http://",
            "http://h/reload",
            "http://u:p@h",
            "http://h:x",
            "http://h?a",
        )
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), USAGE)
def test_wrong_usage(
    arguments: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WAYBILL_ADMIN_TOKEN", raising=False)
    assert asked(capsys, *arguments) == (2, "", expected)


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert asked(capsys, "--admin-url", url, *TOKEN) == (
        2,
        "",
        UNREACHABLE.format(url=url, reason="Connection refused"),
    )
