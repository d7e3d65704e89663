"""Vendors that drip, flood, lie about lengths or break off: one reply each, in bounded time and memory, and no harm
to what else is being sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from engine.delivery.outbox.base import LeaseLost
from engine.delivery.sending.http import Sender, Unsendable, VendorReply
from engine.delivery.status import CredentialsCheck, check_credentials
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_http import planned
from tests.delivery.test_process import until
from tests.delivery.vendor import QUICK, Answer, Vendor, _request, delivered, event, results, shop

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Speak = Callable[[Reader, Writer], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BEFORE = "the vendor closed the connection before it responded"
WITHIN = "the vendor closed the connection in the middle of its response"
NOT_HTTP = "the response is not valid HTTP"
HEADERS = "the headers of the response are longer than 100 KB"
TIMEOUT = "the vendor did not answer within 0.15s"
MB = 1024 * 1024


class Raw:
    """A vendor of raw bytes; `closed` counts the connections that the engine has closed."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self.connections = 0
        self.closed = 0
        self.written = 0

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            await self._speak(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed += 1
        finally:
            writer.transport.abort()

    async def all_closed(self) -> None:
        """Wait until the engine has closed every connection."""
        await until(lambda: self.closed >= self.connections)


@asynccontextmanager
async def raw(speak: Speak, **given) -> AsyncIterator[tuple[Raw, Sender]]:
    """Yield a vendor, and a sender that knows it."""
    vendor = Raw(speak)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: Reader, writer: Writer) -> None:
        tasks.add(asyncio.get_running_loop().create_task(vendor.serve(reader, writer)))

    tls = given.pop("tls", None)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, ssl_handshake_timeout=5 if tls else None)
    scheme = given.pop("scheme", "http")
    vendor.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sender = Sender(vendor.url, **{"timeout": 5.0, **given})
    try:
        yield vendor, sender
    finally:
        await sender.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn of the loop


async def dripping(writer: Writer, data: bytes, *, for_ever: bytes = b"") -> None:
    """Write one byte after the other, more often than any timeout for a single read would notice."""
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)
    while for_ever:
        await dripping(writer, for_ever)


def reply_to(answer: bytes, path: str = "/x", **given) -> VendorReply:
    """Send a request to a vendor that reads it, writes some bytes, and closes."""

    async def speak(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def story() -> VendorReply:
        async with raw(speak) as (vendor, sender):
            return await sender.send(planned(vendor.url + path, **given))

    return asyncio.run(story())


WRONG = {
    "nothing": (b"", BEFORE),
    "half a status line": (HEAD[:9], WITHIN),
    "half the headers": (HEAD + b"A: b", WITHIN),
    "half a body": (HEAD + b"Content-Length: 50\r\n\r\n{}", WITHIN),
    "a chunk cut off": (CHUNKED + b"5\r\nab", WITHIN),
    "no last chunk": (CHUNKED + b"2\r\n{}\r\n", WITHIN),
    "a chunk without a size": (CHUNKED + b"\r\n{}\r\n0\r\n\r\n", NOT_HTTP),
    "a chunk size that is no number": (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", NOT_HTTP),
    "a chunk that is longer than its size": (CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", NOT_HTTP),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", NOT_HTTP),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n{}", NOT_HTTP),
    "HTTP/0.9": (b"<html>fine</html>\r\n", WITHIN),
    "HTTP/0.9, longer": (b"<html>\r\n\r\nfine</html>\r\n", NOT_HTTP),
    "another protocol": (b"220 mail.example ESMTP\r\n\r\n", NOT_HTTP),
    "only 1xx": (CONTINUE, WITHIN),
    "another protocol after 101": (b"HTTP/1.1 101 Switching Protocols\r\n\r\nx", NOT_HTTP),
    "5 MB of headers": (HEAD + b"A: b\r\n" * (5 * MB // 6) + b"\r\n", HEADERS),
    "a header of 5 MB": (HEAD + b"A: " + b"b" * 5 * MB + b"\r\n\r\n", HEADERS),
    "1xx, ten thousand times": (CONTINUE * 10_000 + OK, HEADERS),
    "a chunk's extension of 5 MB": (CHUNKED + b"2;a=" + b"b" * 5 * MB + b"\r\n{}\r\n0\r\n\r\n", NOT_HTTP),
    "trailers of 5 MB": (CHUNKED + b"0\r\nA: " + b"b" * 5 * MB + b"\r\n\r\n", NOT_HTTP),
}


@pytest.mark.parametrize(("answer", "reason"), WRONG.values(), ids=WRONG)
def test_a_response_that_is_wrong_or_not_whole(answer, reason) -> None:
    assert reply_to(answer) == VendorReply(failure=reason)


UNUSUAL = {
    "1xx before the response": CONTINUE * 3 + OK,
    "a response in HTTP/1.0, until the end": b"HTTP/1.0 200 OK\r\n\r\ntrue",
    "lines that end with LF": b"HTTP/1.1 200 OK\nContent-Length: 4\n\ntrue",
    "chunks with trailers": CHUNKED + b"4;a=b\r\ntrue\r\n0\r\nA: b\r\n\r\n",
    "headers of nearly 100 KB": HEAD + b"A: " + b"b" * (100 * 1024 - 60) + b"\r\nContent-Length: 4\r\n\r\ntrue",
}


@pytest.mark.parametrize("answer", UNUSUAL.values(), ids=UNUSUAL)
def test_a_response_that_is_unusual(answer) -> None:
    reply = reply_to(answer)
    assert reply._replace(headers={}) == VendorReply(200, body=True)


def flood(start: bytes, block: bytes) -> tuple[VendorReply, int]:
    """Return the reply to a response without an end, and how much of it was taken."""

    async def speak(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        writer.write(start)
        while True:
            writer.write(block)
            await writer.drain()
            vendor.written += len(block)

    async def story() -> tuple[VendorReply, int]:
        nonlocal vendor
        async with raw(speak) as (vendor, sender):
            reply = await sender.send(planned(vendor.url))
            await vendor.all_closed()
            return reply._replace(headers={}), vendor.written

    vendor: Raw
    return asyncio.run(story())


GIGABYTE = HEAD + b"Content-Length: 1073741824\r\n\r\n"
FLOODS = {
    "a body of 1 GB": (GIGABYTE, b"x" * 65536, VendorReply(200, readable=False)),
    "chunks without end": (CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n", VendorReply(200, readable=False)),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n" * 1000, VendorReply(200, readable=False)),
    "headers without end": (HEAD, b"A: b\r\n" * 1000, VendorReply(failure=HEADERS)),
    "1xx without end": (b"", CONTINUE * 1000, VendorReply(failure=HEADERS)),
    "a line without end": (b"", b"H" * 65536, VendorReply(failure=HEADERS)),
}


@pytest.mark.parametrize(("start", "block", "expected"), FLOODS.values(), ids=FLOODS)
def test_a_response_without_an_end_is_given_up_and_the_connection_closed(start, block, expected) -> None:
    reply, taken = flood(start, block)
    assert reply == expected
    assert taken < 16 * MB, "the most that the system's buffers hold, besides the 4 MB that are read"


DRIPS = {
    "in the headers": (HEAD, b"A"),
    "in the body": (GIGABYTE, b"x"),
    "in chunks": (CHUNKED, b"1\r\nx\r\n"),
    "1xx": (b"", CONTINUE),
}


@pytest.mark.parametrize(("start", "for_ever"), DRIPS.values(), ids=DRIPS)
def test_a_response_that_drips_ends_with_the_timeout_and_the_connection_is_closed(start, for_ever) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        if (await _request(reader)).path == "/well":
            writer.write(OK)
            return
        writer.write(start)
        await dripping(writer, b"", for_ever=for_ever)

    async def story() -> None:
        async with raw(speak, timeout=0.15, slots=2) as (vendor, sender):
            slow = asyncio.create_task(sender.send(planned(vendor.url)))
            await asyncio.sleep(0.05)
            assert (await sender.send(planned(vendor.url + "/well"))).body is True, "the other slot goes on"
            assert not slow.done()
            assert await slow == VendorReply(failure=TIMEOUT, timed_out=True)
            vendor.closed += 1  # the good one, which the vendor closed itself
            await vendor.all_closed()
            assert (await sender.send(planned(vendor.url + "/well"))).body is True, "its slot is free again"
            assert vendor.connections == 3

    asyncio.run(story())


def test_a_vendor_that_does_not_read_ends_with_the_timeout() -> None:
    async def speak(_: Reader, writer: Writer) -> None:
        writer.transport.pause_reading()
        await asyncio.sleep(60)

    async def story() -> VendorReply:
        async with raw(speak, timeout=0.15) as (vendor, sender):
            return await sender.send(planned(vendor.url, body="x" * 16 * MB))

    assert asyncio.run(story()) == VendorReply(failure=TIMEOUT, timed_out=True)


def test_a_vendor_that_refuses_before_it_has_read_the_request_and_closes() -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\ntrue")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async def story() -> None:
        async with raw(speak) as (vendor, sender):
            for count in (1, 2):
                reply = await sender.send(planned(vendor.url, body="x" * 16 * MB))
                assert reply._replace(headers={}) == VendorReply(413, body=True)
                assert vendor.connections == count, "a connection with half a request on it is not used again"

    asyncio.run(story())


@pytest.mark.parametrize("body", [None, {"a": 1}])
def test_the_head_of_a_request_goes_together_with_its_body(body) -> None:
    pieces = []

    async def speak(reader: Reader, writer: Writer) -> None:
        while piece := await reader.read(65536):
            pieces.append(piece)
            writer.write(OK)

    async def story() -> None:
        async with raw(speak) as (vendor, sender):
            for _ in range(2):
                assert (await sender.send(planned(vendor.url, body=body))).body is True
            assert vendor.connections == 1

    asyncio.run(story())
    assert [piece.partition(b"\r\n\r\n")[2] for piece in pieces] == [b"" if body is None else b'{"a":1}'] * 2


def test_nothing_of_a_request_is_written_that_may_no_longer_be_sent() -> None:
    """The lease is asked before the head and before the body; it may end in between."""
    pieces, left = [], [True, False]

    async def speak(reader: Reader, _: Writer) -> None:
        pieces.append(await reader.read(100))
        raise ConnectionError

    def before_write() -> None:
        if not left.pop(0):
            raise LeaseLost

    async def story() -> None:
        async with raw(speak, before_write=before_write) as (vendor, sender):
            with pytest.raises(LeaseLost):
                await sender.send(planned(vendor.url, body={}))
            await vendor.all_closed()

    asyncio.run(story())
    assert pieces == [b""]


def test_no_more_connections_than_slots_and_the_next_requests_use_them_again() -> None:
    now, most = 0, 0

    async def speak(reader: Reader, writer: Writer) -> None:
        nonlocal now, most
        while True:
            await _request(reader)
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            writer.write(OK)

    async def story() -> None:
        async with raw(speak, slots=3) as (vendor, sender):
            for _ in range(2):
                replies = await asyncio.gather(*(sender.send(planned(vendor.url)) for _ in range(10)))
                assert {reply.body for reply in replies} == {True}
            assert vendor.connections == most == 3
            await sender.close()
            await vendor.all_closed()

    asyncio.run(story())


LEFTOVERS = {
    "a body longer than its length": (HEAD + b"Content-Length: 4\r\n\r\ntrue, and more", 2),
    "more after a response without a body": (b"HTTP/1.1 204 No Content\r\n\r\nmore", 2),
    "more after the last chunk": (CHUNKED + b"4\r\ntrue\r\n0\r\n\r\nmore", 2),
    "a second response": (OK + OK.replace(b"200 OK", b"500 No"), 2),
    "one response": (OK, 1),
    "one response in chunks": (CHUNKED + b"4\r\ntrue\r\n0\r\n\r\n", 1),
}


@pytest.mark.parametrize(("first", "connections"), LEFTOVERS.values(), ids=LEFTOVERS)
def test_what_is_left_of_a_response_is_not_the_response_to_the_next_request(first, connections) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        while True:
            writer.write(first if (await _request(reader)).path == "/first" else OK)

    async def story() -> None:
        async with raw(speak) as (vendor, sender):
            assert (await sender.send(planned(vendor.url + "/first"))).status in (200, 204)
            assert (await sender.send(planned(vendor.url + "/second")))._replace(headers={}) == VendorReply(
                200, body=True
            )
            assert vendor.connections == connections

    asyncio.run(story())


def test_a_response_that_came_with_an_earlier_one_in_chunks_counts_for_nothing() -> None:
    chunks = CHUNKED + b"4\r\ntrue\r\n0\r\n\r\n"

    async def speak(reader: Reader, writer: Writer) -> None:
        while True:
            writer.write(chunks * (2 if (await _request(reader)).path == "/first" else 1))

    async def story() -> None:
        async with raw(speak) as (vendor, sender):
            assert (await sender.send(planned(vendor.url + "/first"))).body is True
            failed = await sender.send(planned(vendor.url + "/second"))
            assert failed == VendorReply(failure="the vendor sent more than one response to a request")
            assert (await sender.send(planned(vendor.url + "/second"))).body is True
            assert vendor.connections == 2

    asyncio.run(story())


def test_a_name_that_is_not_resolved(monkeypatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def story() -> VendorReply:
        sender = Sender("http://vendor.invalid")
        try:
            return await sender.send(planned("http://vendor.invalid/x"))
        finally:
            await sender.close()

    assert asyncio.run(story()) == VendorReply(failure="the connection failed: the name of the host cannot be resolved")


async def silent(reader: Reader, _: Writer) -> None:
    """Read and say nothing."""
    while await reader.read(65536):
        pass
    raise ConnectionError


async def closing(reader: Reader, _: Writer) -> None:
    """Read a little, and close."""
    await reader.read(100)


async def plain(reader: Reader, writer: Writer) -> None:
    """Answer in plain text."""
    await reader.read(100)
    writer.write(OK)


HANDSHAKES = {
    "nothing comes": (silent, VendorReply(failure=TIMEOUT, timed_out=True)),
    "the vendor closes": (closing, VendorReply(failure="the TLS handshake failed: the vendor closed it")),
    "the vendor has no TLS": (plain, VendorReply(failure="the TLS handshake failed: wrong version number")),
}


@pytest.mark.parametrize(("speak", "expected"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_tls_handshake_that_breaks(speak, expected) -> None:
    async def story() -> None:
        async with raw(speak, scheme="https", timeout=0.15) as (vendor, sender):
            assert await sender.send(planned(vendor.url)) == expected
            if speak is silent:
                await vendor.all_closed()

    asyncio.run(story())


CERTIFICATE = Path(__file__).with_name("vendor.pem")
"""Signed by itself for 127.0.0.1 until 2126, with its key."""


def test_a_certificate_that_nobody_vouches_for() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)

    async def story() -> VendorReply:
        async with raw(silent, tls=tls, scheme="https") as (vendor, sender):
            return await sender.send(planned(vendor.url))

    reason = "the TLS handshake failed: self-signed certificate"
    assert asyncio.run(story()) == VendorReply(failure=reason)


TLS_BREAKS = {
    "before the response": (b"", VendorReply(failure=BEFORE)),
    "in the middle of the response": (GIGABYTE + b"x", VendorReply(failure=WITHIN)),
    "not at all": (OK, VendorReply(200, body=True)),
}


@pytest.mark.parametrize(("answer", "expected"), TLS_BREAKS.values(), ids=TLS_BREAKS)
def test_tls_that_breaks(monkeypatch, answer, expected) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trusting)

    async def speak(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        writer.write(answer)
        await asyncio.sleep(0.02)
        writer.transport.abort()  # without the end that TLS asks for

    async def story() -> VendorReply:
        async with raw(speak, tls=tls, scheme="https") as (vendor, sender):
            return await sender.send(planned(vendor.url))

    assert asyncio.run(story())._replace(headers={}) == expected


def test_no_cookie_of_a_vendor_comes_back() -> None:
    async def story() -> None:
        async with Vendor(lambda _: Answer(200, None, {"Set-Cookie": "a=b; Path=/"})) as vendor:
            sender = Sender(vendor.url)
            for _ in range(2):
                await sender.send(planned(vendor.url))
            await sender.close()
            assert [request.headers.get("cookie") for request in vendor.requests] == [None, None]

    asyncio.run(story())


def test_a_redirect_to_another_host_is_not_followed(tmp_path) -> None:
    async def story() -> None:
        async with Vendor() as other:
            answer = Answer(307, None, {"Location": f"{other.url}/elsewhere"})
            ran = await delivered(tmp_path, [event(1, call="identify")], lambda _: answer)
            assert ran.outcomes == {"m1": "rejected"}
            assert other.requests == []

    asyncio.run(story())


PROXIED = {
    "http": ("GET http://vendor.invalid/x", VendorReply(403, body="no")),
    "https": ("CONNECT vendor.invalid:443", VendorReply(failure="the proxy refused the connection")),
}


@pytest.mark.parametrize(("scheme", "line", "expected"), [(each, *given) for each, given in PROXIED.items()])
def test_a_proxy_of_the_environment_is_used(monkeypatch, scheme, line, expected) -> None:
    async def story() -> None:
        async with Vendor(lambda _: Answer(403, "no")) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.delenv(name, raising=False)
            sender = Sender(f"{scheme}://vendor.invalid")
            reply = await sender.send(planned(f"{scheme}://vendor.invalid/x", method="GET"))
            await sender.close()
            assert [f"{request.method} {request.path}" for request in proxy.requests] == [line]
            assert reply._replace(headers={}) == expected

    asyncio.run(story())


UNWRITABLE = {
    "a blank at the start": ({"X-User": " u1"}, "the header 'X-User' cannot be written as HTTP"),
    "a blank at the end": ({"X-User": "u1 "}, "the header 'X-User' cannot be written as HTTP"),
    "a line's end": ({"X-User": "u1\r\nX-Admin: yes"}, "the header 'X-User' cannot be written as HTTP"),
    "NUL": ({"X-User": "u\0"}, "the header 'X-User' cannot be written as HTTP"),
    "no name": ({"": "u1"}, "the header '' cannot be written as HTTP"),
    "a blank in the name": ({"X User": "u1"}, "the header 'X User' cannot be written as HTTP"),
    "not ASCII": ({"X-User": "żółw"}, "the header 'X-User' has characters that HTTP does not allow"),
    "two lengths": ({"Content-Length": "5, 6"}, "the header 'Content-Length' cannot be written as HTTP"),
    "another length": ({"Content-Length": "2"}, "the request cannot be written as HTTP"),
    "an encoding": ({"Transfer-Encoding": "gzip"}, "the header 'Transfer-Encoding' cannot be written as HTTP"),
}


@pytest.mark.parametrize(("headers", "message"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_the_client_refuses_is_the_requests_fault_and_its_event_ends(headers, message) -> None:
    async def story() -> None:
        async with Vendor() as vendor:
            sender = Sender(vendor.url)
            with pytest.raises(Unsendable) as raised:
                await sender.send(planned(vendor.url, body={"a": 1}, headers=headers))
            assert str(raised.value) == message
            assert vendor.requests == []
            assert (await sender.send(planned(vendor.url))).status == 200
            await sender.close()

    asyncio.run(story())


def test_an_address_that_is_too_long() -> None:
    async def story() -> None:
        sender = Sender("http://127.0.0.1:1")
        with pytest.raises(Unsendable) as raised:
            await sender.send(planned("http://127.0.0.1:1/" + "x" * 70_000))
        await sender.close()
        assert str(raised.value) == "URL too long"

    asyncio.run(story())


def test_a_worker_stops_within_its_grace_while_every_slot_drips(tmp_path) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        await dripping(writer, HEAD, for_ever=b"A")

    async def story() -> None:
        outbox = MemoryOutbox()
        outbox.take_in([event(n, call="identify") for n in range(20)], ["shop"], 1.0)
        async with raw(speak) as (vendor, _):
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], replace(QUICK, grace=0.2))
            task = asyncio.create_task(delivery.run())
            await until(lambda: vendor.connections >= 8)
            delivery.stop()
            await asyncio.wait_for(task, 5)
            await vendor.all_closed()
        assert set(results(outbox)[0].values()) == {"waiting"}

    asyncio.run(story())


def test_many_timeouts_use_no_slot_up() -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        if (await _request(reader)).path == "/well":
            writer.write(OK)
        else:
            await silent(reader, writer)

    async def story() -> None:
        async with raw(speak, timeout=0.02, slots=2) as (vendor, sender):
            for _ in range(10):
                slow = await asyncio.gather(*[sender.send(planned(vendor.url)) for _ in range(2)])
                assert all(reply.timed_out for reply in slow)
            sender._timeout = 5.0
            assert (await sender.send(planned(vendor.url + "/well"))).status == 200

    asyncio.run(story())


CHECK = """  timeout: 100ms
requests: {{ me: {{ path: /me, method: GET }} }}
check: me
calls: {{ track: [{{ request: me }}] }}
"""


def test_a_check_of_credentials_ends_with_the_timeout_too(tmp_path) -> None:
    async def speak(reader: Reader, writer: Writer) -> None:
        await _request(reader)
        await dripping(writer, b"", for_ever=b"A")

    async def story() -> CredentialsCheck:
        async with raw(speak) as (vendor, _):
            return await check_credentials(shop(tmp_path, vendor.url, more=CHECK))

    reason = "no response from the vendor: the vendor did not answer within 0.1s."
    assert asyncio.run(story()) == CredentialsCheck(False, reason)
