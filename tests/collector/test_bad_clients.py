"""Broken, slow and hostile clients against the real process: each is refused with a message, and no other client notices.

After every test the server must be as before: it answers, its log has no exception, and its memory has not
grown by more than `ROOM`.
"""

from __future__ import annotations

import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.collector.raw_requests import HEALTH, TABLE, Raw, chunk, head
from tests.collector.running import Server, connect, raw_request, serving, tracks

ROOM = 40
"""MB.  A body of 500 KB may become 170,000 objects of 64 bytes and more for as long as it is read, which is 20 MB with
the lists around them, and as much again for what the allocator keeps; the bodies of all clients together are bounded by
64 MB, and no test here sends that much."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, int]]:
    log = tmp_path_factory.mktemp("bad") / "log"
    with serving(mappings=["exponea"], log=log) as server:
        assert well(server)
        yield server, log, server.memory()
        assert server.stop() == 0


@pytest.fixture
def server(running: tuple[Server, Path, int]) -> Iterator[Server]:
    server, log, at_first = running
    yield server
    assert well(server)
    assert b"Traceback" not in log.read_bytes()
    assert server.memory() < at_first + ROOM


def well(server: Server) -> bool:
    wire = Wire(server)
    with wire.socket:
        wire.send(raw_request(tracks(0, 1)))
        return wire.status() == 200


class Wire:
    """A connection whose answers are read one by one."""

    def __init__(self, server: Server) -> None:
        self.socket, self.got = connect(server), b""

    def send(self, data: bytes) -> None:
        """Send all, or as much as the server reads before it closes the connection."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return

    def status(self, *, bodiless: bool = False) -> int:
        """Read an answer; 0 where the connection ended."""
        while b"\r\n\r\n" not in self.got:
            if not self._more():
                return 0
        top, _, self.got = self.got.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", top)
        size = int(found[1]) if found and not bodiless else 0
        while len(self.got) < size and self._more():
            pass
        self.got = self.got[size:]
        return int(top.split()[1])

    def _more(self) -> bool:
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.got += piece
        return piece != b""


CASES = [pytest.param(raw, id=f"{kind}: {raw.name}") for kind, raws in TABLE.items() for raw in raws]


@pytest.mark.parametrize("raw", CASES)
def test_raw_requests(server: Server, raw: Raw) -> None:
    wire = Wire(server)
    bodiless = raw.data.startswith(b"HEAD")
    with wire.socket:
        wire.send(raw.data)
        assert tuple(wire.status(bodiless=bodiless) for _ in raw.statuses) == raw.statuses
        wire.send(HEALTH)
        assert wire.status() in (0, 200)  # nothing more was answered: it ended, or goes on with this
        assert wire.got == b""


def send_on(wire: Wire, piece: bytes, *, reading: int = 0) -> None:
    """Send the same on and on, up to 100 MB."""
    for _ in range(100_000_000 // len(piece)):
        wire.socket.sendall(piece)
        if reading:
            wire.socket.recv(reading)


@pytest.mark.parametrize("first", [b"Content-Length: 18446744073709551615", b"Transfer-Encoding: chunked"])
def test_a_body_without_end(server: Server, first: bytes) -> None:
    """What is refused is not read for ever."""
    wire = Wire(server)
    with wire.socket:
        wire.socket.sendall(head(first))
        with pytest.raises(ConnectionError):
            send_on(wire, chunk(b" " * 100_000))
        assert wire.status() == 413


def test_a_thousand_requests_at_once_again_and_again(server: Server) -> None:
    """A client that asks on and on, and reads a little, is not kept in memory."""
    wire = Wire(server)
    with wire.socket, pytest.raises(ConnectionError):
        send_on(wire, HEALTH * 1000, reading=100)


def test_a_byte_at_a_time(server: Server) -> None:
    wire = Wire(server)
    with wire.socket:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw_request(tracks(0, 1)):
            wire.send(bytes([byte]))
        assert wire.status() == 200


MANY = 5000
FILES = MANY + 1000
HALVES = (b"", b"POST /v1/ba", raw_request(tracks(0, 1))[:60], raw_request(tracks(0, 1))[:-20])
EACH = 0.012
"""MB for a connection: its protocol, its parser, and half a request; 6 to 9 KB were measured."""


@contextmanager
def few_files() -> Iterator[None]:
    """Have 1,024 open files allowed for what is started, as systems do, and enough for this process afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, FILES))
        except (OSError, ValueError):
            pytest.fail(f"This test opens {FILES} files and the limit is {hard}: ulimit -Hn {FILES}")
        hard = FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))


@pytest.mark.parametrize("many", [1100, pytest.param(MANY, marks=pytest.mark.slow)])
def test_thousands_of_connections_disturb_no_other(tmp_path: Path, many: int) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        with few_files():
            server = stack.enter_context(serving(mappings=["exponea"], log=log))
        assert well(server)
        before = server.memory()
        wires = [stack.enter_context(connect(server)) for _ in range(many)]
        for number, wire in enumerate(wires):
            wire.sendall(HALVES[number % len(HALVES)])
        assert max(seconds(server) for _ in range(20)) < 2
        assert server.memory() < before + ROOM + many * EACH
        for wire in wires[3::400]:
            wire.sendall(raw_request(tracks(0, 1))[-20:])
            assert wire.recv(4096).startswith(b"HTTP/1.1 200 ")
        for wire in wires:
            wire.close()
        assert well(server)
        assert b"Traceback" not in log.read_bytes()


def seconds(server: Server) -> float:
    """Return how long a usual request takes."""
    began = time.monotonic()
    assert well(server)
    return time.monotonic() - began
