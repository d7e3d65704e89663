"""HTTP as uvicorn speaks it, within bounds, and uvicorn's settings: the same for the collector and its admin listener.

What comes before a body is held in memory, and uvicorn sets no limit; `LimitedProtocol` does.  It overrides internals
of uvicorn, so its version is bounded; tests/collector/test_uvicorn_internals.py lists what is relied on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.collector.app import ANY_ORIGIN
from engine.collector.responses import CollectorLimits, RequestRefused, bad_request, retry_later

if TYPE_CHECKING:
    import uvicorn

UNREAD_FACTOR = 4
"""How many times the size limit of a body is read and thrown away after a refusal, before the connection is closed."""
NOT_HTTP = "This is not a valid HTTP request."


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    limits = CollectorLimits()
    shared: tuple[tuple[bytes, bytes], ...] = (ANY_ORIGIN,)
    """Headers of every refusal: pages of all sites may send events, and read what is wrong with them."""
    transport: asyncio.Transport
    _data = b""
    _head_bytes = 0
    _head_complete = False
    _thrown_away = 0
    _unparsed = 0  # bytes since the parser last called back: those of a line without an end
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait no longer for the first request than for the next one."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timers."""
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; what the parser buffers is limited too."""
        self._data = data
        self._unparsed += len(data)
        super().data_received(data)
        self._data = b""
        if self._unparsed > self.limits.head_bytes and not self.transport.is_closing():
            self._refuse(self._head_too_large(431))

    def on_message_begin(self) -> None:
        """Start counting for a request."""
        super().on_message_begin()
        self._head_complete = False
        self._head_bytes = self._unparsed = self._thrown_away = 0
        self._cancel_head_timer()
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_timed_out)
        if len(self.pipeline) >= self.limits.pipelined:
            text = f"More than {self.limits.pipelined} requests are waiting on this connection. Read the answers first."
            raise retry_later(429, "too_many_requests", text, self.limits.retry_after)

    def on_url(self, url: bytes) -> None:
        """Count a piece of the URL."""
        super().on_url(url)
        self._count(len(url), 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer after chunks, which changes nothing: uvicorn would take it for a header.

        One that would end the connection is refused, as the parser refuses lengths and encodings there.
        """
        if not self._head_complete:
            super().on_header(name, value)
        elif name.lower() == b"connection":
            raise bad_request(NOT_HTTP)
        self._count(len(name) + len(value), 431)
        if len(self.headers) > self.limits.headers:
            raise self._head_too_large(431)

    def on_headers_complete(self) -> None:
        """Start the request, unless `_unsupported_upgrade_warning` is going to parse it again."""
        self._unparsed = 0
        self._head_complete = True
        self._cancel_head_timer()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body; after a refusal, read some more, so that the client gets to the response."""
        self._unparsed = 0
        if self.cycle.response_complete:
            self._thrown_away += len(body)
            if self._thrown_away > UNREAD_FACTOR * self.limits.batch_bytes:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless `_unsupported_upgrade_warning` is going to parse it again."""
        self._unparsed = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Parse the request again without the upgrade offer: after one, the parser stops at the end of the headers."""
        error = sys.exception()
        assert error is not None
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response(NOT_HTTP)
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        lines += [b"%s: %s\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        self.parser = type(self.parser)(self)  # the old one reads no more after `Connection: close`
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        self.data_received(b"".join([*lines, b"\r\n", self._data[error.args[0] :]]))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's message
        """Refuse what cannot be parsed, or whatever a callback above refused: the parser wraps its exception."""
        error = sys.exception()
        reason = error.__context__ if error else None
        self._refuse(reason if isinstance(reason, RequestRefused) else bad_request(NOT_HTTP))

    def _count(self, size: int, status: int) -> None:
        self._unparsed = 0
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            raise self._head_too_large(status)

    def _head_too_large(self, status: int) -> RequestRefused:
        limit = f"{self.limits.head_bytes} bytes and {self.limits.headers} headers"
        return RequestRefused(status, "head_too_large", f"The URL and headers of a request are limited to {limit}.")

    def _head_timed_out(self) -> None:
        message = f"The headers did not arrive within {self.limits.head_seconds:g} seconds."
        self._refuse(RequestRefused(408, "timeout", message))

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refused: RequestRefused) -> None:
        status, body, headers = refused.response
        lines = [b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%s: %s\r\n" % each for each in (*headers, *self.shared)]
        lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body))
        self._cancel_head_timer()
        self.transport.write(b"".join([*lines, body]))
        self.transport.close()


class AdminProtocol(LimitedProtocol):
    """A connection to the admin address, of which no page of another site may read anything."""

    shared = ()


LISTEN_BACKLOG = 2048
REQUEST_GRACE = 10
"""Seconds that running requests get at shutdown."""
BODY_GRACE = 5.0
"""Seconds that bodies still arriving get at shutdown; less than `REQUEST_GRACE`, so that they are answered."""
OPEN_FILES = 65536


def config(
    app: ASGIApp,
    *,
    proxies: str = "",
    lifespan: Literal["on", "off"] = "off",
    workers: int = 1,
    protocol: type[LimitedProtocol] = LimitedProtocol,
) -> uvicorn.Config:
    """Return how an application is served."""
    import uvicorn

    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        log_level="critical",  # the application logs what is wrong with requests, in its own format
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        backlog=LISTEN_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=REQUEST_GRACE,
        workers=workers,
    )


def server(config: uvicorn.Config) -> uvicorn.Server:
    """Return a server that leaves signals to us: delivery has to end after it, not with it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(config)


def allow_many_connections() -> None:
    """Raise the limit of open files, one for each connection: it is usually 1,024 where the system allows far more."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if 0 <= soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
