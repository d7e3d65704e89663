"""HTTP as uvicorn speaks it, within bounds: what comes before a body is held in memory, and uvicorn sets no limit.

The head of a request has so many bytes, headers and seconds, and a connection so many requests that wait; whoever
wants more is refused.  Who offers HTTP/2 on the way (`Upgrade: h2c`, as Java's client does) is answered in HTTP/1.1:
uvicorn alone would answer such a request without its body.

This module needs uvicorn and httptools, so it is imported where the server is made.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.collector.app import EVERYONE
from engine.collector.responses import CollectorLimits, RequestRefused, bad_request, try_later

UNWANTED = 4
NO_HTTP = "This is no HTTP request."


class Protocol(HttpToolsProtocol):
    """One connection."""

    limits = CollectorLimits()
    transport: asyncio.Transport
    _data = b""
    _head_bytes = 0
    _unwanted = 0
    _unseen = 0  # bytes since the parser last told something: those of a line without an end
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait no longer for a first request than for the next one."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop_clock()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; what the parser keeps to itself is bounded too."""
        self._data = data
        self._unseen += len(data)
        super().data_received(data)
        self._data = b""
        if self._unseen > self.limits.head_bytes and not self.transport.is_closing():
            self._refuse(self._too_large(431))

    def on_message_begin(self) -> None:
        """Start to count."""
        super().on_message_begin()
        self._head_bytes = self._unseen = self._unwanted = 0
        self._stop_clock()
        self._clock = self.loop.call_later(self.limits.head_seconds, self._late)
        if len(self.pipeline) >= self.limits.pipelined:
            text = f"More than {self.limits.pipelined} requests wait on this connection; read the answers first."
            raise try_later(429, "too_many_requests", text, self.limits.retry_after)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        super().on_url(url)
        self._count(len(url), 414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or one that comes behind chunks."""
        super().on_header(name, value)
        self._count(len(name) + len(value), 431)
        if len(self.headers) > self.limits.headers:
            raise self._too_large(431)

    def on_headers_complete(self) -> None:
        """Start the request, unless it is going to be read once more."""
        self._unseen = 0
        self._stop_clock()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; of one that was refused some more is read, so that the client reads the answer."""
        self._unseen = 0
        if self.cycle.response_complete:
            self._unwanted += len(body)
            if self._unwanted > UNWANTED * self.limits.batch_bytes:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it is going to be read once more."""
        self._unseen = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Read the request again without the offer: the parser takes all that follows one for another protocol."""
        error = sys.exception()
        assert error is not None
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response(NO_HTTP)
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        lines += [b"%s: %s\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        self.data_received(b"".join([*lines, b"\r\n", self._data[error.args[0] :]]))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words
        """Refuse what cannot be parsed, or for the reason that one of the methods above gave."""
        error = sys.exception()
        reason = error.__context__ if error else None
        self._refuse(reason if isinstance(reason, RequestRefused) else bad_request(NO_HTTP))

    def _count(self, size: int, status: int) -> None:
        self._unseen = 0
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            raise self._too_large(status)

    def _too_large(self, status: int) -> RequestRefused:
        most = f"{self.limits.head_bytes} bytes and {self.limits.headers} headers"
        return RequestRefused(
            status, "head_too_large", f"The address and the headers of a request have {most} at most."
        )

    def _late(self) -> None:
        message = f"The headers did not arrive within {self.limits.head_seconds:g} seconds."
        self._refuse(RequestRefused(408, "timeout", message))

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self, refused: RequestRefused) -> None:
        status, body, headers = refused.reply
        length = (b"content-length", b"%d" % len(body))
        every: Sequence[tuple[bytes, bytes]] = (*headers, EVERYONE, length, (b"connection", b"close"))
        lines = [b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%s: %s\r\n" % each for each in every]
        self._stop_clock()
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()
