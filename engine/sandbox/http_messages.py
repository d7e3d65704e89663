"""What passes between the web server and a vendor, and how an answer is put on the wire, whole or broken."""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.types import Receive, Scope, Send

from engine.records import Json

JSON_TYPE = "application/json"


def _no_item_fails() -> list[str] | None:
    return None


@dataclass(slots=True, kw_only=True)
class VendorRequest:
    """One request, with the vendor's own part of the path (`/track/v2/...`) and header names in lower case.

    `segments` are decoded one by one, so that an id may hold a slash.  `item_error` is asked once for every
    item of a batch: the errors a fault ordered for it, or None.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    now: float = 0.0
    item_error: Callable[[], list[str] | None] = _no_item_fails


class VendorResponse(NamedTuple):
    """What a vendor says: JSON, or bytes as they are."""

    status: int
    body: Json | bytes = None
    headers: dict[str, str] = {}  # noqa: RUF012  never changed: `with_headers` makes another

    def with_headers(self, headers: dict[str, str]) -> VendorResponse:
        """Copy with `headers` added."""
        return VendorResponse(self.status, self.body, {**self.headers, **headers})

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """Return the body's bytes, and the headers with its type."""
        if isinstance(self.body, bytes):
            return self.body, self.headers
        return orjson.dumps(self.body), {"content-type": JSON_TYPE, **self.headers}


class Refusal(Exception):  # noqa: N818  reads as what it is
    """A request the vendor does not take; carries the answer and undoes what the request had begun."""

    def __init__(self, answer: VendorResponse) -> None:
        self.answer = answer
        super().__init__(f"refused with {answer.status}")


def segments_of(path: str) -> tuple[str, ...]:
    """Split a raw path; each segment is decoded by itself."""
    if "%" not in path:
        return tuple(path.removeprefix("/").split("/"))
    return tuple(unquote(segment) for segment in path.removeprefix("/").split("/"))


def query_of(text: str) -> dict[str, str]:
    """Read a query string; of a name given twice the last counts."""
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}


EXTENSION = "waybill.transport"
CUT = "the sandbox was told to cut this connection"
# Linger on, for zero seconds: closing sends a RST instead of a FIN.
AT_ONCE = struct.pack("ii", 1, 0)
NO_BODY = (204, 304)
MAX_BODY = 32 * 1024 * 1024


class Wire(NamedTuple):
    """The three things ASGI gives for one request."""

    scope: Scope
    receive: Receive
    send: Send

    async def body(self) -> bytes | None:
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

    async def answer(self, answer: VendorResponse) -> None:
        """Send a whole answer."""
        body, headers = answer.encoded()
        await self._start(answer.status, headers, len(body))
        bare = self.scope["method"] == "HEAD" or answer.status in NO_BODY
        await self.send({"type": "http.response.body", "body": b"" if bare else body})

    async def half(self, answer: VendorResponse) -> None:
        """Announce a whole body, send half of it, and close."""
        body, headers = answer.encoded()
        await self._start(answer.status, headers, len(body))
        await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        self._transport().close()
        await self._gone()

    async def reset(self) -> None:
        """Cut the connection with a RST, before any byte of an answer."""
        transport = self._transport()
        held: socket.socket | None = transport.get_extra_info("socket")
        if held is not None:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        transport.abort()
        await self._gone()

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

    async def _gone(self) -> None:
        """Wait until the server has noticed: it would complain about an answer never finished."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
