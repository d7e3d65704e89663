"""Putting an answer on the wire, whole or broken.

A broken answer needs the connection itself, which ASGI hides: `server` gives it to the scope as an extension.
Within a process (`httpx.ASGITransport`) there is none, and a broken answer is a `ConnectionResetError`.
"""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from engine.sandbox.exchange import Answer

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

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        body, headers = answer.encoded()
        await self._start(answer.status, headers, len(body))
        bare = self.scope["method"] == "HEAD" or answer.status in NO_BODY
        await self.send({"type": "http.response.body", "body": b"" if bare else body})

    async def half(self, answer: Answer) -> None:
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
