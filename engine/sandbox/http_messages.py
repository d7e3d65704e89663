"""Requests and responses of the vendors, and sending a response: whole, cut in half, or not at all."""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

from engine.records import Json

if TYPE_CHECKING:  # `engine send` finds out what can be emulated without the extra `server`
    from starlette.types import Receive, Scope, Send

JSON_TYPE = "application/json"


def _no_item_fails() -> list[str] | None:
    return None


@dataclass(slots=True, kw_only=True)
class VendorRequest:
    """One request, with the vendor's own part of the path (`/track/v2/...`) and lowercase header names.

    `segments` are decoded one by one, so that an ID may contain a slash. `item_error` is called once for every item of
    a batch and returns the errors that a fault injects, or None. `erased` are the IDs and emails of a person whom the
    request has erased, set by the vendor: the log forgets them.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    now: float = 0.0
    item_error: Callable[[], list[str] | None] = _no_item_fails
    erased: tuple[str, ...] = ()


class VendorResponse(NamedTuple):
    """A vendor's response; the body is JSON, or bytes sent as they are."""

    status: int
    body: Json | bytes = None
    headers: dict[str, str] = {}  # noqa: RUF012  never changed: `with_headers` makes a copy

    def with_headers(self, headers: dict[str, str]) -> VendorResponse:
        """Return a copy with `headers` added."""
        return VendorResponse(self.status, self.body, {**self.headers, **headers})

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """Return the body as bytes, and the headers including its content type."""
        if isinstance(self.body, bytes):
            return self.body, self.headers
        return orjson.dumps(self.body), {"content-type": JSON_TYPE, **self.headers}


class Refusal(Exception):  # noqa: N818  reads as what it is
    """Raised to refuse a request: rolls its transaction back and carries the response."""

    def __init__(self, response: VendorResponse) -> None:
        self.response = response
        super().__init__(f"refused with {response.status}")


def segments_of(path: str) -> tuple[str, ...]:
    """Split a raw path into its decoded segments."""
    if "%" not in path:
        return tuple(path.removeprefix("/").split("/"))
    return tuple(unquote(segment) for segment in path.removeprefix("/").split("/"))


def query_of(text: str) -> dict[str, str]:
    """Parse a query string; the last value of a repeated name wins."""
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}


EXTENSION = "waybill.transport"
CUT = "connection cut by a sandbox fault"
# SO_LINGER with zero seconds: closing sends a RST instead of a FIN.
LINGER_ZERO = struct.pack("ii", 1, 0)
NO_BODY = (204, 304)
MAX_BODY = 32 * 1024 * 1024


class Wire(NamedTuple):
    """The three ASGI arguments of one request."""

    scope: Scope
    receive: Receive
    send: Send

    async def read_body(self) -> bytes | None:
        """Read the whole body; None if it is too large."""
        message = await self.receive()
        parts = [message.get("body", b"")]
        size = len(parts[0])
        while message.get("more_body"):
            message = await self.receive()
            size += len(message.get("body", b""))
            if size <= MAX_BODY:
                parts.append(message.get("body", b""))
        return b"".join(parts) if size <= MAX_BODY else None

    async def respond(self, response: VendorResponse) -> None:
        """Send a whole response."""
        body, headers = response.encoded()
        await self._start(response.status, headers, len(body))
        no_body = self.scope["method"] == "HEAD" or response.status in NO_BODY
        await self.send({"type": "http.response.body", "body": b"" if no_body else body})

    async def respond_half(self, response: VendorResponse) -> None:
        """Announce a whole body, send half of it, and close the connection."""
        body, headers = response.encoded()
        await self._start(response.status, headers, len(body))
        await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._transport().close()
        await self._disconnected()

    async def reset(self) -> None:
        """Cut the connection with a RST before sending anything."""
        transport = self._transport()
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        transport.abort()
        await self._disconnected()

    async def _start(self, status: int, headers: dict[str, str], length: int) -> None:
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        if status not in NO_BODY:
            raw.append((b"content-length", str(length).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    def _transport(self) -> Transport:
        transport: Transport | None = self.scope.get("extensions", {}).get(EXTENSION)
        if transport is None:
            raise ConnectionResetError(CUT)
        return transport

    async def _disconnected(self) -> None:
        """Wait until the server has noticed; otherwise it would log an unfinished response."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
