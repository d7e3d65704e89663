"""Streams of server-sent events: what moves on a page without a reload.

One `Feed` reads for all browsers that look at the same thing, and nothing is read while nobody looks. A stream ends
with its session, and all end with the server, which could not stop while a response goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.console.security import NAME

T = TypeVar("T")
MOST_STREAMS = 20
"""Streams at once, of all browsers."""
PING_SECONDS = 15
RETRY_MILLISECONDS = 1000
"""How long a browser waits before it connects again."""
SLOWNESS = 20
"""A pause is at least 20 times as long as the reading before it."""
TOO_MANY = "20 pages of this console are already open and live. Close some of them, then reload this one."

logger = logging.getLogger(NAME)


def stream(request: Request, messages: AsyncIterator[ServerSentEvent]) -> Response:
    """Return a response that sends messages until they, the session or the server end; HTTPException for one too many.

    A message is `ServerSentEvent(data, event="name")`, its data a part of a page for `sse-swap="name"`.
    """
    streams: Streams = request.app.state.streams
    return streams.response(request, messages)


class Streams:
    """The open streams of one console."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self.open = 0

    def response(self, request: Request, messages: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
        """Return a response that sends messages until they, the session or the server end."""
        if self.open >= MOST_STREAMS:
            raise HTTPException(503, TOO_MANY)
        return EventSourceResponse(self._until_ended(request, messages), ping=PING_SECONDS, sep="\n")

    def close(self) -> None:
        """End all streams."""
        self._closed.set()

    async def _until_ended(
        self, request: Request, messages: AsyncIterator[ServerSentEvent]
    ) -> AsyncIterator[ServerSentEvent]:
        self.open += 1
        ends = [asyncio.create_task(event.wait()) for event in (self._closed, request.state.session.ended)]
        try:
            yield ServerSentEvent(comment="open", retry=RETRY_MILLISECONDS)
            while (message := await _next_or_end(messages, ends)) is not None:
                yield message
        finally:
            self.open -= 1
            for end in ends:
                end.cancel()


async def _next_or_end(
    messages: AsyncIterator[ServerSentEvent], ends: list[asyncio.Task[bool]]
) -> ServerSentEvent | None:
    """Return the next message, None once one of the tasks or the messages have ended."""
    coming = asyncio.ensure_future(anext(messages, None))
    try:
        await asyncio.wait([coming, *ends], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not coming.done():
            coming.cancel()
            await asyncio.wait([coming])
    return None if coming.cancelled() else coming.result()


class Feed(Generic[T]):
    """Reads again and again while somebody looks, and hands each reading to all who do."""

    def __init__(self, read: Callable[[], Awaitable[T]], interval: float) -> None:
        """Read every `interval` seconds, less often where that is slow: delivery needs the disk more.

        Where `read` raises, the log has it and the next round tries again.
        """
        self._read, self._interval = read, interval
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._latest: tuple[int, T] | None = None
        self._news = asyncio.Event()

    async def readings(self) -> AsyncIterator[T]:
        """Yield the newest reading, and each new one."""
        self._watchers += 1
        if self._task is None:
            self._latest = None
            self._task = asyncio.create_task(self._poll())
        seen = 0
        try:
            while True:
                while self._latest is None or self._latest[0] == seen:
                    await self._news.wait()
                seen, reading = self._latest
                yield reading
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._task.cancel()
                self._task = None

    async def _poll(self) -> None:
        number = 0
        while True:
            began = time.monotonic()
            try:
                reading = await self._read()
            except Exception:
                logger.exception("reading for a page failed")
            else:
                number += 1
                self._latest = (number, reading)
                news, self._news = self._news, asyncio.Event()
                news.set()
            await asyncio.sleep(max(self._interval, SLOWNESS * (time.monotonic() - began)))
