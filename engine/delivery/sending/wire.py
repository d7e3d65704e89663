"""HTTP/1.1 to one vendor, on httpcore: every response is bounded, and every failure is said in plain words.

httpx's own client stands on the same connections but leaves four things open, so the streams below are between these
and the sockets.  A connection given up during its TLS handshake is closed.  `1xx` responses cannot follow one another
without end, because all headers of a response count together.  A response that a vendor sends before it has read the
request, and then closes, is read.  And a connection on which more came than one response is not used again: the rest
would be taken for the response to the next request.  There are no redirects and no cookies.  The time is the caller's
to bound.
"""

# ruff: noqa: ARG002, ASYNC109, S610  the parameters are those of httpcore, and no `extra` here is of Django

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.request import getproxies, proxy_bypass

import anyio
import h11
import httpcore
import httpx
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

LONGEST_RESPONSE = 4 * 1024 * 1024
MOST_CHUNKS = 16_384
"""Pieces of a response that are read: in pieces of one byte, 4 MB would take a minute of work."""
LONGEST_HEADERS = 100 * 1024
LARGE_WRITE = 64 * 1024
HEADERS_END = b"\r\n\r\n"
GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)

CLOSED_BEFORE = "the vendor closed the connection before it responded"
CLOSED_WITHIN = "the vendor closed the connection in the middle of its response"
NOT_HTTP = "the response is not valid HTTP"
TOO_MANY_HEADERS = f"the headers of the response are longer than {LONGEST_HEADERS // 1024} KB"
UNREQUESTED = "the vendor sent more than one response to a request"


class Failed(Exception):  # noqa: N818  reads as what happened
    """No usable response came back; the message says why, without a word of the vendor's."""


class Unwritable(Exception):  # noqa: N818  reads as what it is
    """A request that cannot be written as HTTP; the message names what is wrong and shows no value."""


class RawResponse(NamedTuple):
    """A response; `body` is None if it is longer than the pool reads or came in more than MOST_CHUNKS pieces."""

    status: int
    headers: dict[str, str]
    body: bytes | None


class HttpPool:
    """The connections to one origin, at most `slots`; must be closed.

    `before_write` is called right before bytes of a request are written, and may raise to prevent it. A `local` vendor
    is not reached through the proxies of the environment. `longest` is how many bytes of a response are read, by
    default LONGEST_RESPONSE.
    """

    def __init__(
        self,
        scheme: str,
        host: str,
        *,
        slots: int,
        local: bool,
        before_write: Callable[[], None],
        longest: int | None = None,
    ) -> None:
        self._longest = longest
        # httpcore's pool only makes the connections.  For each request it would look three times through all of them,
        # with a system call for each idle one: a third of the time of a request with eight slots.
        self._maker = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=not local) if scheme == "https" else None,
            proxy=None if local else _proxy(scheme, host),
            keepalive_expiry=5.0,
            network_backend=_Backend(before_write),
        )
        self._idle: list[httpcore.AsyncConnectionInterface] = []  # the one that was used last is the last
        self._slots = asyncio.Semaphore(slots)

    async def close(self) -> None:
        """Close the connections; requests must have ended."""
        while self._idle:
            await self._idle.pop().aclose()

    async def exchange(self, request: httpx.Request) -> RawResponse:
        """Send a request and read the response; raises Failed and Unwritable, and what `before_write` raises."""
        try:
            return await self._exchange(request)
        except (httpcore.LocalProtocolError, h11.LocalProtocolError) as error:
            raise Unwritable(_culprit(request)) from error
        except httpcore.ProxyError as error:
            raise Failed("the proxy refused the connection") from error
        except httpcore.ProtocolError as error:
            raise Failed(NOT_HTTP) from error

    async def _exchange(self, request: httpx.Request) -> RawResponse:
        url = request.url
        address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        raw = httpcore.Request(request.method, address, headers=request.headers.raw, content=request.content)
        async with self._slots:
            connection = await self._usable() or self._maker.create_connection(address.origin)
            try:
                return await self._exchange_on(connection, raw)
            finally:
                if connection.is_available():
                    self._idle.append(connection)
                else:  # it failed, or the response was not read to its end
                    await connection.aclose()

    async def _usable(self) -> httpcore.AsyncConnectionInterface | None:
        """Take an idle connection, and close those that were idle for too long or that the vendor has closed."""
        while len(self._idle) > 1 and self._idle[0].has_expired():
            await self._idle.pop(0).aclose()
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def _exchange_on(self, connection: httpcore.AsyncConnectionInterface, raw: httpcore.Request) -> RawResponse:
        response = await connection.handle_async_request(raw)
        stream: _Stream = response.extensions["network_stream"]
        try:
            headers = {name.lower(): value for name, value in httpx.Headers(response.headers).items()}
            longest = LONGEST_RESPONSE if self._longest is None else self._longest
            body = await stream.body_of(response, longest, chunked="transfer-encoding" in headers)
        finally:
            await response.aclose()
        return RawResponse(response.status, headers, body)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection to a vendor. The parser gets headers and body in separate reads, so that each can be counted.

    It stands on anyio's streams: those of httpcore would add timeouts that nobody sets, an eighth of a request's CPU.
    """

    def __init__(self, inner: ByteStream, before_write: Callable[[], None]) -> None:
        self._inner = inner
        self._socket = inner.extra(SocketAttribute.raw_socket)
        self._before_write = before_write
        self._unsent = b""  # the head of a request, until its body comes
        self._writing = False
        self._unread = b""  # came before the parser asked for it
        self._last = b""  # the last four bytes the parser got
        self._in_headers = True
        self._headers = 0
        self._body = 0
        self._ended = False
        self._used_up = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came; raises Failed where no more headers may come or none do."""
        self._writing = False
        try:
            data = self._unread or await self._inner.receive(max_bytes)
        except (anyio.EndOfStream, *GONE):
            data = b""
        self._unread, self._ended = b"", not data
        if self._in_headers:
            if not data:
                raise Failed(CLOSED_WITHIN if self._headers else CLOSED_BEFORE)
            data = self._headers_of(data)
        else:
            self._body += len(data)
        self._last = (self._last + data[-4:])[-4:]
        return data

    def _headers_of(self, data: bytes) -> bytes:
        before = self._last[-3:]
        end = (before + data).find(HEADERS_END)
        if end >= 0:
            end += len(HEADERS_END) - len(before)
            data, self._unread = data[:end], data[end:]
        self._headers += len(data)
        if self._headers > LONGEST_HEADERS:
            raise Failed(TOO_MANY_HEADERS)
        return data

    async def body_of(self, response: httpcore.Response, longest: int, *, chunked: bool) -> bytes | None:
        """Read the body of the response whose headers have just come; None if it is too long."""
        self._in_headers = False
        if not self._headers:  # it came with the response to an earlier request
            self._used_up = True
            raise Failed(UNREQUESTED)
        body, chunks = bytearray(), 0
        try:
            async for chunk in response.aiter_stream():
                body += chunk
                chunks += 1
                if len(body) > longest or chunks > MOST_CHUNKS:
                    return None
        except httpcore.RemoteProtocolError as error:
            raise Failed(CLOSED_WITHIN if self._ended else NOT_HTTP) from error
        self._used_up = self._last != HEADERS_END if chunked else self._body != len(body)
        return bytes(body)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write a part of a request; its head waits for the part that follows, which may be empty, to go together."""
        self._before_write()
        if not self._writing:
            self._writing, self._unsent = True, buffer
            self._in_headers, self._headers, self._body, self._last = True, 0, 0, b""
            return
        buffer, self._unsent = self._unsent + buffer, b""
        if len(buffer) <= LARGE_WRITE:
            if buffer:
                await self._send(buffer)
            return
        # A vendor may respond and close before it has read everything; once writing has failed, it is too late to read.
        listening = asyncio.ensure_future(self._inner.receive(LARGE_WRITE))
        try:
            await self._send(buffer)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            if not listening.cancelled() and listening.exception() is None:
                self._unread += listening.result()

    async def _send(self, buffer: bytes) -> None:
        try:
            await self._inner.send(buffer)
        except GONE as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS."""
        try:
            inner = await TLSStream.wrap(
                self._inner, hostname=server_hostname, ssl_context=ssl_context, standard_compatible=False
            )
            return _Stream(inner, self._before_write)
        except BaseException as error:  # also when cancelled, where the socket would stay open
            await self.aclose()
            if isinstance(error, ssl.SSLError | anyio.EndOfStream | anyio.BrokenResourceError):
                raise Failed(f"the TLS handshake failed: {_cause(error)}") from error
            raise

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore wants to know; it closes an idle connection that `is_readable`."""
        if info == "is_readable":
            return self._used_up or bool(self._unread) or _is_readable(self._socket)
        return self._inner.extra(TLSAttribute.ssl_object, None) if info == "ssl_object" else None


def _is_readable(connected: socket.socket) -> bool:
    """Whether a socket is closed, or has something to read: also its end."""
    number = connected.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # as on Windows
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, before_write: Callable[[], None]) -> None:
        self._before_write = before_write

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            inner = await anyio.connect_tcp(host, port, local_host=local_address)
        except (OSError, anyio.BrokenResourceError) as error:
            raise Failed(f"the connection failed: {_cause(error)}") from error
        return _Stream(inner, self._before_write)


def _proxy(scheme: str, host: str) -> httpcore.Proxy | None:
    """Return the proxy that the environment names for a vendor."""
    found = getproxies()
    address = found.get(scheme) or found.get("all")
    if not address or proxy_bypass(host):
        return None
    proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    return httpcore.Proxy(url=str(proxy.url), auth=proxy.raw_auth, headers=proxy.headers.raw)


def _cause(error: BaseException) -> str:
    """Return what the system says about a failed connection."""
    while True:
        if isinstance(error, socket.gaierror):
            return "the name of the host cannot be resolved"
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError):
            return (error.reason or "protocol error").replace("_", " ").lower()
        if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
            return os.strerror(error.errno).lower()
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        if inner is None:
            return "the vendor closed it"
        error = inner


def _culprit(request: httpx.Request) -> str:
    """Return which part of a request h11 refuses to write."""
    for name, value in request.headers.raw:
        try:
            h11.Response(status_code=200, headers=[(name, value)])  # its headers have the same rules, and it needs none
        except h11.LocalProtocolError:
            return f"the header {name.decode('latin-1')!a} cannot be written as HTTP"
    return "the request cannot be written as HTTP"
