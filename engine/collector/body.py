"""The body of a request, read and unpacked within bounds, and the JSON in it, whatever type the request says it has.

Browsers send JSON as text/plain, some libraries say it is a form: the content type is not asked.  What is read is
counted over all requests, so many slow clients together cannot hold more than `held_bytes`.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import orjson
from starlette.types import Receive

from engine.collector.responses import CollectorLimits, RequestRefused, bad_request, try_later
from engine.records import Json, JsonObject

GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # zlib's word for: a gzip header, and the largest window
PLAIN = ("", "identity")
_HALVES = re.compile(
    rb"(?P<whole>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""An escaped backslash or a whole surrogate pair, which stay; or half of one, where a text was cut in an emoji."""


class Gone(Exception):  # noqa: N818  reads as what happened
    """The client went away before its request was complete."""


class BodyReader:
    """How many bytes of bodies are held at this moment."""

    def __init__(self, limits: CollectorLimits) -> None:
        self._limits = limits
        self._seconds = limits.body_seconds
        self._clocks: set[asyncio.Timeout] = set()
        self.held = 0

    def hurry(self, seconds: float) -> None:
        """Return every body that is on its way, and every one to come, at most so many seconds more."""
        self._seconds = min(self._seconds, seconds)
        end = asyncio.get_running_loop().time() + seconds
        for clock in self._clocks:
            if (clock.when() or end) >= end:
                clock.reschedule(end)

    @contextmanager
    def share(self) -> Iterator[list[bytes]]:
        """Return a list for the pieces of one body; when the request is done, they count no more."""
        pieces: list[bytes] = []
        try:
            yield pieces
        finally:
            self.held -= sum(map(len, pieces))

    async def body(self, receive: Receive, headers: Mapping[bytes, bytes], pieces: list[bytes]) -> bytes:
        """Read a whole body into `pieces`; raises Refused and Gone."""
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and float(said) > self._limits.batch_bytes:  # int() takes 4,300 digits at most
            raise _too_large(self._limits)
        try:
            async with asyncio.timeout(self._seconds) as clock:
                self._clocks.add(clock)
                try:
                    await self._pieces(receive, pieces)
                finally:
                    self._clocks.discard(clock)
        except TimeoutError:
            message = f"The body did not arrive within {self._seconds:g} seconds."
            raise RequestRefused(408, "timeout", message, headers=((b"connection", b"close"),)) from None
        return b"".join(pieces)

    async def _pieces(self, receive: Receive, pieces: list[bytes]) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            if not piece:
                continue
            size += len(piece)
            if size > self._limits.batch_bytes:
                raise _too_large(self._limits)
            if self.held + len(piece) > self._limits.held_bytes:
                text = "Too much is being received at this moment."
                raise try_later(429, "too_many_requests", text, self._limits.retry_after)
            self.held += len(piece)
            pieces.append(piece)


def parsed(
    raw: bytes, encoding: bytes, limits: CollectorLimits, on_mended: Callable[[], None] = lambda: None
) -> JsonObject:
    """Read the object of a body; raises Refused. `on_mended` hears of characters that were none, and are U+FFFD now.

    JavaScript and Python write half a surrogate pair where a text was cut in an emoji, and JSON's grammar has it so;
    one such text must not cost a batch.  Segment's API, which is written in Go, reads it as U+FFFD, too.
    """
    plain = unpacked(raw, encoding, limits)
    try:
        value = orjson.loads(plain)
    except orjson.JSONDecodeError as error:
        value = _mended(plain, error)
        on_mended()
    if type(value) is not dict:
        raise bad_request("The body must be a JSON object.")
    return value


def unpacked(raw: bytes, encoding: bytes, limits: CollectorLimits) -> bytes:
    """Return a body as it was before compression; what would become larger than a batch is refused on the way."""
    said = encoding.decode("latin-1").strip().lower()
    if said in ("gzip", "x-gzip"):
        return _inflated(raw, limits)
    if said not in PLAIN:
        raise RequestRefused(415, "bad_request", "The content encoding is not known here: send gzip, or none.")
    return _inflated(raw, limits) if raw.startswith(GZIP) else raw


def _inflated(raw: bytes, limits: CollectorLimits) -> bytes:
    member = zlib.decompressobj(_GZIP_FORMAT)
    try:
        plain = member.decompress(raw, limits.batch_bytes + 1)
    except zlib.error:
        raise bad_request("The body is said to be gzip, and is not.") from None
    if len(plain) > limits.batch_bytes:
        raise _too_large(limits)
    if not member.eof:
        raise bad_request("The gzip data of the body stop in the middle.")
    if member.unused_data.strip(b"\0"):
        raise bad_request("Something stands behind the gzip data of the body.")
    return plain


def _mended(plain: bytes, error: orjson.JSONDecodeError) -> Json:
    """Read JSON in which some characters are none; raises Refused with what was wrong at first if it is no JSON."""
    whole = plain.decode(errors="replace").encode()
    try:
        value: Json = orjson.loads(_HALVES.sub(lambda found: found["whole"] or b"\\ufffd", whole))
    except orjson.JSONDecodeError:
        raise bad_request(f"The body is not JSON: {error}.") from None
    return value


def _too_large(limits: CollectorLimits) -> RequestRefused:
    message = f"The body is larger than {limits.batch_bytes} bytes, the limit of a batch; send fewer events at a time."
    return RequestRefused(413, "payload_too_large", message)
