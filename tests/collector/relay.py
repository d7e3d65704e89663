"""What clients say to the collector: bytes pass unchanged in both directions, and are read as HTTP afterwards."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import httptools
import orjson


class Heard(NamedTuple):
    """A request as a client wrote it; names of headers are small."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict]:
        """Return its calls, of a batch or the one."""
        packed = self.headers.get("content-encoding") == "gzip"
        said = orjson.loads(gzip.decompress(self.body) if packed else self.body)
        return said.get("batch", [said])


class Relay:
    """An address that leads to a port of this machine, and what was said there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._said: list[bytearray] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._open = True
        self._door = socket.create_server(("127.0.0.1", 0))
        self._start(self._take)
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"

    def heard(self) -> list[Heard]:
        """Return the requests so far, connection by connection."""
        return [request for said in self._said for request in _read(bytes(said))]

    def close(self) -> None:
        self._open = False
        socket.create_connection(self._door.getsockname()).close()  # so that it waits for no other
        self._threads[0].join(10)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in [self._door, *self._sockets]:
            each.close()

    def _start(self, work: object, *args: object) -> None:
        self._threads.append(threading.Thread(target=work, args=args))  # type: ignore[arg-type]
        self._threads[-1].start()

    def _take(self) -> None:
        while self._open:
            client, _ = self._door.accept()
            collector = socket.create_connection(("127.0.0.1", self._port))
            said = bytearray()
            self._said.append(said)
            self._sockets += [client, collector]
            self._start(_pass, client, collector, said)
            self._start(_pass, collector, client, bytearray())


def _pass(here: socket.socket, there: socket.socket, noted: bytearray) -> None:
    with suppress(OSError):
        while piece := here.recv(65536):
            noted += piece
            there.sendall(piece)
        there.shutdown(socket.SHUT_WR)


class _Reader:
    def __init__(self) -> None:
        self.requests: list[Heard] = []

    def on_message_begin(self) -> None:
        self._path, self._body, self._headers = b"", b"", {}

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self.parser.get_method().decode()
        self.requests.append(Heard(method, self._path.decode(), self._headers, self._body))

    parser: httptools.HttpRequestParser


def _read(said: bytes) -> list[Heard]:
    reader = _Reader()
    reader.parser = httptools.HttpRequestParser(reader)
    reader.parser.feed_data(said)
    return reader.requests


@contextmanager
def relayed(port: int) -> Iterator[Relay]:
    """Lead to a port as long as the `with` lasts."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
