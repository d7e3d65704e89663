"""Reads the body of a request within limits, decompresses it and parses its JSON, whatever its Content-Type.

Browsers send JSON as text/plain and some libraries label it a form, so the content type is ignored.  The bytes of all
bodies in progress are counted together: a crowd of slow clients cannot hold more than `held_bytes`.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.collector.responses import CollectorLimits, RequestRefused, bad_request, retry_later
from engine.events.json_repairs import read_repaired
from engine.records import JsonObject, Report

if TYPE_CHECKING:
    from starlette.types import Receive  # imports and backfills shape events without the extra `server`

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 31  # for zlib: a gzip header, and the largest window


class ClientDisconnected(Exception):  # noqa: N818  reads as what happened
    """The client went away before its request was complete."""


class BodyReader:
    """Reads bodies, and counts the bytes of all that are in progress: `held`."""

    def __init__(self, limits: CollectorLimits) -> None:
        self._limits = limits
        self._seconds = limits.body_seconds
        self._timeouts: set[asyncio.Timeout] = set()
        self.held = 0

    def shorten_timeouts(self, seconds: float) -> None:
        """Allow every body, in progress or new, at most these seconds from now on."""
        self._seconds = min(self._seconds, seconds)
        end = asyncio.get_running_loop().time() + seconds
        for timeout in self._timeouts:
            if (timeout.when() or end) >= end:
                timeout.reschedule(end)

    @contextmanager
    def pieces(self) -> Iterator[list[bytes]]:
        """Provide a list for the pieces of one body; they count in `held` until the block ends."""
        pieces: list[bytes] = []
        try:
            yield pieces
        finally:
            self.held -= sum(map(len, pieces))

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], pieces: list[bytes]) -> bytes:
        """Read a whole body into `pieces`; raise RequestRefused or ClientDisconnected."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and float(length) > self._limits.batch_bytes:  # int() accepts 4,300 digits at most
            raise _too_large(self._limits)
        try:
            async with asyncio.timeout(self._seconds) as timeout:
                self._timeouts.add(timeout)
                try:
                    await self._read(receive, pieces)
                finally:
                    self._timeouts.discard(timeout)
        except TimeoutError:
            message = f"The body did not arrive within {self._seconds:g} seconds."
            raise RequestRefused(408, "timeout", message, headers=((b"connection", b"close"),)) from None
        return b"".join(pieces)

    async def _read(self, receive: Receive, pieces: list[bytes]) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            if not piece:
                continue
            size += len(piece)
            if size > self._limits.batch_bytes:
                raise _too_large(self._limits)
            if self.held + len(piece) > self._limits.held_bytes:
                text = "The collector is receiving too much data right now. Send the request again later."
                raise retry_later(429, "too_many_requests", text, self._limits.retry_after)
            self.held += len(piece)
            pieces.append(piece)


class Body(NamedTuple):
    """The JSON object of a body; its bytes as `repaired` and what was changed in it, if it was not quite JSON."""

    value: JsonObject
    repaired: bytes | None = None
    reports: tuple[Report, ...] = ()


def parse_body(raw: bytes, encoding: bytes, limits: CollectorLimits) -> Body:
    """Return the JSON object of a body; raise RequestRefused.

    What JSON cannot represent is repaired as in files: one bad event must not cost its batch.
    """
    plain = decompress(raw, encoding, limits)
    try:
        body = Body(orjson.loads(plain))
    except orjson.JSONDecodeError as error:
        repaired = read_repaired(plain)
        if repaired is None:
            raise bad_request(f"The body is not valid JSON: {error}.") from None
        body = Body(repaired.value, plain, repaired.reports)  # type: ignore[arg-type]  # checked below
    if type(body.value) is not dict:
        raise bad_request("The body must be a JSON object.")
    return body


def decompress(raw: bytes, encoding: bytes, limits: CollectorLimits) -> bytes:
    """Return a body without its gzip compression; decompression stops once the result exceeds the limit of a batch."""
    name = encoding.decode("latin-1").strip().lower()
    if name in ("gzip", "x-gzip"):
        return _gunzip(raw, limits)
    if name not in ("", "identity"):
        raise RequestRefused(415, "bad_request", "This Content-Encoding is not supported. Send gzip or none.")
    return _gunzip(raw, limits) if raw.startswith(GZIP_MAGIC) else raw


def _gunzip(raw: bytes, limits: CollectorLimits) -> bytes:
    member = zlib.decompressobj(_GZIP_FORMAT)
    try:
        plain = member.decompress(raw, limits.batch_bytes + 1)
    except zlib.error:
        raise bad_request("The body is not valid gzip data.") from None
    if len(plain) > limits.batch_bytes:
        raise _too_large(limits)
    if not member.eof:
        raise bad_request("The gzip data in the body is incomplete.")
    if member.unused_data.strip(b"\0"):
        raise bad_request("The body continues after the end of its gzip data.")
    return plain


def _too_large(limits: CollectorLimits) -> RequestRefused:
    message = f"The body is larger than {limits.batch_bytes} bytes, the limit of a batch. Send fewer events at a time."
    return RequestRefused(413, "payload_too_large", message)
