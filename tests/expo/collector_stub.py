"""A collector on loopback that keeps what it is sent and answers as told; and a client with still seams."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from engine.expo import Segment

NOW = 1767323045.678  # 2026-01-02T03:04:05.678Z


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


class Reply(NamedTuple):
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012
    text: str = '{"success":true}'
    hang: threading.Event | None = None  # wait for it before answering


class Stub:
    """`replies` are given in order, then 200 for ever."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.arrived = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def events(self) -> list[Any]:
        return [event for request in self.requests for event in request.body["batch"]]

    def wait_for(self, requests: int, seconds: float = 5.0) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.requests) >= requests, seconds)

    def keep(self, request: Request) -> Reply:
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()
            return self.replies.pop(0) if self.replies else Reply()


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            reply = stub.keep(Request(self.path, dict(self.headers), json.loads(body)))
            if reply.hang is not None:
                reply.hang.wait(5)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def collector() -> Iterator[Stub]:
    stub = Stub()
    thread = threading.Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        stub.server.shutdown()
        stub.server.server_close()
        thread.join()


class Time:
    """A clock that goes on only when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def client(stub: Stub, storage: Path, platform: str = "ios", **options: Any) -> Segment:
    """Make a client whose time stands still, whose ids are numbered and which has no thread of its own."""
    numbers = count(1)
    time = options.pop("time", Time())
    still = {
        "start": False,
        "clock": time,
        "monotonic": time,
        "random": lambda: 0.5,
        "new_id": lambda: f"id-{next(numbers)}",
    }
    return Segment(platform, stub.endpoint, storage, **{**still, **options})


def codes(segment: Segment) -> list[tuple[str, str]]:
    return [(report.code, report.place) for report in segment.reports]
