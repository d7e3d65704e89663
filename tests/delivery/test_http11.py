"""A direct connection does what httpcore's does: the same bytes to the vendor, the same response, closed alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import h11
import httpcore
import pytest

from engine.delivery.sending.http11 import DirectConnection

ORIGIN = httpcore.Origin(b"http", b"vendor.example", 80)
URL = httpcore.URL(scheme=b"http", host=b"vendor.example", port=None, target=b"/in?x=1")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RESPONSES = {
    "with a length": [OK],
    "byte by byte": [bytes([each]) for each in OK],
    "in chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"1\r\n!\r\n0\r\n\r\n"],
    "after hints": [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK],
    "without a body": [b"HTTP/1.1 204 No Content\r\n\r\n"],
    "then closed": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"],
    "until the end": [b"HTTP/1.1 200 OK\r\n\r\nok", b""],
    "of HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    "that switches": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
    "cut off": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b""],
    "no HTTP": [b"220 mail.example ESMTP\r\n\r\n"],
}
BODIES = {"a body": b'{"a":1}', "an empty body": b"", "a large body": b"x" * 300_000}


class Vendor(httpcore.AsyncNetworkStream, httpcore.AsyncNetworkBackend):
    """Plays pieces of responses back, and keeps what it got."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces, self.got, self.closed = list(pieces), b"", False

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        return self

    async def read(self, *_: Any, **__: Any) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        self.got += buffer

    async def aclose(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


async def exchanged(connection: httpcore.AsyncConnectionInterface, vendor: Vendor, body: bytes) -> list[Any]:
    """Send one request and close; return all that can be seen."""
    headers = [(b"Host", b"vendor.example"), (b"Content-Length", str(len(body)).encode()), (b"X-Any", b"1")]
    seen: list[Any] = []
    try:
        response = await connection.handle_async_request(httpcore.Request("POST", URL, headers=headers, content=body))
        seen += [response.status, response.headers]
        seen.append(b"".join([each async for each in response.aiter_stream()]))
        await response.aclose()
    except httpcore.RemoteProtocolError as error:
        seen.append(str(error))
    usable = connection.is_available()
    seen += [usable, usable and connection.has_expired(), vendor.got]
    await connection.aclose()
    return [*seen, vendor.closed]


@pytest.mark.parametrize("pieces", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_direct_connection_does_what_that_of_httpcore_does(body, pieces) -> None:
    async def story() -> tuple[list[Any], list[Any]]:
        ours, theirs = Vendor(pieces), Vendor(pieces)
        pool = httpcore.AsyncConnectionPool(network_backend=theirs, keepalive_expiry=5.0)
        direct = DirectConnection(ORIGIN, ours, None)
        return await exchanged(direct, ours, body), await exchanged(pool.create_connection(ORIGIN), theirs, body)

    direct, httpcores = asyncio.run(story())
    assert direct == httpcores


def test_a_direct_connection_is_used_again_after_a_whole_response_only() -> None:
    async def story() -> list[bool]:
        vendor = Vendor([OK, OK])
        connection = DirectConnection(ORIGIN, vendor, None)
        request = httpcore.Request("GET", URL, headers=[(b"Host", b"vendor.example")])
        found = [connection.is_available()]
        first = await connection.handle_async_request(request)
        found.append(connection.is_available())
        await first.aread()
        found.append(connection.is_available())
        await connection.handle_async_request(request)
        return [*found, connection.is_available()]

    assert asyncio.run(story()) == [False, False, True, False]


def test_a_header_that_cannot_be_written_is_refused_before_a_byte_is() -> None:
    vendor = Vendor([OK])
    request = httpcore.Request("GET", URL, headers=[(b"Host", b"vendor.example"), (b"X", b"a\nb")])
    with pytest.raises(h11.LocalProtocolError):
        asyncio.run(DirectConnection(ORIGIN, vendor, None).handle_async_request(request))
    assert vendor.got == b""
