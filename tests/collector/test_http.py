"""HTTP on a port of this process, with seconds made short: who is too slow, and who offers another protocol."""

from __future__ import annotations

import gc
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
import uvicorn

from engine.collector.http import LimitedProtocol
from engine.collector.responses import CollectorLimits
from engine.sandbox.server import listen
from tests.collector.harness import Inside, basic
from tests.collector.running import until

EVENT = {"userId": "u", "event": "E", "properties": {"a": "x" * 1000}}
BODY = orjson.dumps(EVENT)
HEAD = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n" % basic("wk:").encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


@contextmanager
def listening(inside: Inside, *, keep_alive: int = 75) -> Iterator[socket.socket]:
    """Serve a collector with its limits, and give a connection to it."""

    class Short(LimitedProtocol):
        limits = inside.limits

    config = uvicorn.Config(
        inside.collector, http=Short, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive
    )
    listener, server = listen("127.0.0.1", 0), uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=10) as wire:
            yield wire
    finally:
        until(lambda: server.started or not thread.is_alive())
        server.should_exit = True
        thread.join()


def to_the_end(wire: socket.socket) -> bytes:
    """Read until the other side hangs up."""
    return b"".join(iter(lambda: wire.recv(65536), b""))


def refusal(answer: bytes) -> tuple[int, dict]:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in top
    assert b"\r\ncontent-type: application/json" in top
    assert b"\r\naccess-control-allow-origin: *" in top
    return int(top.split()[1]), orjson.loads(body)


SLOW = [
    (HEAD, "The headers did not arrive within 0.2 seconds."),
    (b"POST /v1/tr", "The headers did not arrive within 0.2 seconds."),
    (HEAD + LENGTH + b"\r\n" + BODY[:-1], "The body did not arrive within 0.3 seconds."),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\n", "The body did not arrive within 0.3 seconds."),
]


@pytest.mark.parametrize(("data", "message"), SLOW)
def test_who_is_too_slow(data: bytes, message: str) -> None:
    with listening(Inside(CollectorLimits(head_seconds=0.2, body_seconds=0.3))) as wire:
        wire.sendall(data)
        assert refusal(to_the_end(wire)) == (408, {"success": False, "code": "timeout", "message": message})


def test_a_head_a_byte_at_a_time_is_too_slow_too() -> None:
    with listening(Inside(CollectorLimits(head_seconds=0.2))) as wire:
        wire.settimeout(0.02)
        got = b""
        for byte in HEAD * 10:
            wire.send(bytes([byte]))
            try:
                got = wire.recv(65536)
                break
            except TimeoutError:
                continue
        assert refusal(got)[0] == 408


def test_who_never_says_anything() -> None:
    with listening(Inside(), keep_alive=1) as wire:
        assert to_the_end(wire) == b""


def test_a_connection_that_was_reset_is_forgotten() -> None:
    with listening(Inside()) as wire:
        until(lambda: kept() == 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
        until(lambda: kept() == 0)


def kept() -> int:
    """Return how many connections are in memory."""
    gc.collect()
    return sum(isinstance(each, LimitedProtocol) for each in gc.get_objects())


TOO_MUCH = [
    (
        HEAD + b"X: " + b"a" * 100 + b"\r\nY: b\r\n",
        431,
        "head_too_large",
        "The URL and headers of a request are limited to 100 bytes and 5 headers.",
    ),
    (
        b"GET /" + b"a" * 100,
        414,
        "head_too_large",
        "The URL and headers of a request are limited to 100 bytes and 5 headers.",
    ),
    (
        b"GET / HTTP/1.1\r\n\r\n" * 20,
        429,
        "too_many_requests",
        "More than 3 requests are waiting on this connection. Read the answers first.",
    ),
    (b"\x00", 400, "bad_request", "This is not a valid HTTP request."),
]


@pytest.mark.parametrize(("data", "status", "code", "message"), TOO_MUCH)
def test_refusals(data: bytes, status: int, code: str, message: str) -> None:
    with listening(Inside(CollectorLimits(head_bytes=100, headers=5, pipelined=3))) as wire:
        wire.sendall(data)
        assert refusal(to_the_end(wire)) == (status, {"success": False, "code": code, "message": message})


@pytest.mark.parametrize("connection", [b"Upgrade, close", b"close, Upgrade", b"close\r\nConnection: Upgrade"])
def test_an_offer_of_another_protocol_and_the_end_of_the_connection(connection: bytes) -> None:
    inside = Inside()
    with listening(inside) as wire:
        wire.sendall(HEAD + b"Upgrade: h2c\r\nConnection: " + connection + b"\r\n" + LENGTH + b"\r\n" + BODY)
        got = to_the_end(wire)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [event["properties"] for event in inside.events()] == [EVENT["properties"]]


OFFERS = {
    "Java's client, curl --http2": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "a WebSocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "anything": b"Upgrade: anything\r\nConnection: upgrade\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_offer_of_another_protocol_loses_no_body(offer: bytes, size: int, chunked: bool) -> None:
    inside = Inside()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    request = HEAD + offer + (b"Transfer-Encoding: chunked\r\n" if chunked else LENGTH) + b"\r\n" + body
    data = request * 3  # the connection goes on, and several may come at once
    with listening(inside) as wire:
        for start in range(0, len(data), size):
            wire.sendall(data[start : start + size])
        got = b""
        while got.count(b'{"success":true}') < 3:
            piece = wire.recv(65536)
            assert piece, got
            got += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200"] * 3
    assert [event["properties"] for event in inside.events()] == [EVENT["properties"]] * 3
