"""How the connections stand, live: what waits, how fast it goes, and what became of the events of the last hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING

from sse_starlette import ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.console.outbox import change
from engine.console.overview import MOST_TROUBLES, ConnectionCard, OverviewReading, read
from engine.console.rendering import page, part
from engine.console.security import audit
from engine.console.streams import Feed, stream
from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from engine.console.site import Site

TITLE = "Overview"
PATH = "/"
ORDER = 10
needs_outbox = True
INTERVAL = 2.0
"""Seconds between two readings, for all browsers together."""
NOT_HELD = "{name} is not held: somebody else resumed it, or there is no such connection. Nothing was changed."
NO_NAME = "The form names no connection. Reload the page and try again."


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    assert site.outbox_file is not None
    overview = _OverviewPage(site, site.outbox_file)
    return [
        Route(PATH, overview.show),
        Route("/overview/stream", overview.stream),
        Route("/overview/resume", overview.resume, methods=["POST"]),
    ]


class _OverviewPage:
    """The handlers, which share one feed."""

    def __init__(self, site: Site, file: Path) -> None:
        self._site, self._file = site, file
        self._feed = Feed(self._reading, INTERVAL)

    async def show(self, request: Request) -> Response:
        return page(request, "overview.html", reading=await self._reading(), most=MOST_TROUBLES)

    async def stream(self, request: Request) -> Response:
        return stream(request, self._messages(request))

    async def resume(self, request: Request) -> Response:
        name = request.state.form.get("connection") if request.state.form is not None else None
        if not isinstance(name, str):
            raise HTTPException(400, NO_NAME)
        audit(request, "resume", connection=name)
        if not await asyncio.to_thread(self._resume, name):
            raise HTTPException(409, NOT_HELD.format(name=name))
        return RedirectResponse(PATH, 303)

    def _resume(self, name: str) -> bool:
        def resume(outbox: SqliteOutbox) -> bool:
            return any(each.held for each in outbox.connections(name)) and outbox.resume(name)

        resumed: bool = change(self._site, resume)
        return resumed

    async def _reading(self) -> OverviewReading:
        """Read the outbox; what is wrong with it is a part of the page, which goes on when it is right again."""
        site = self._site
        look = partial(read, now=site.clock(), configured=site.connections(), sources=site.sources(), live=site.live)
        try:
            reading = await asyncio.to_thread(OutboxFile(self._file).look, look)
        except (OutboxError, UsageError) as error:
            return OverviewReading(trouble=str(error))
        if behind := site.behind():
            return OverviewReading(trouble=behind)
        return reading._replace(troubles=tuple(site.troubles()))

    async def _messages(self, request: Request) -> AsyncIterator[ServerSentEvent]:
        """Send the whole page first, since the browser may have missed anything, then what differs."""
        before: OverviewReading | None = None
        async for reading in self._feed.readings():
            if before is None or _names(before) != _names(reading):
                yield ServerSentEvent(
                    part(request, "overview_live.html", reading=reading, most=MOST_TROUBLES), event="overview"
                )
            elif changed := "".join(_changed(request, before, reading)):
                yield ServerSentEvent(changed, event="changes")
            before = reading


def _names(reading: OverviewReading) -> tuple[object, ...]:
    """Return what the page is built of; when it changes, all of it is sent."""
    sources, cards = [each.name for each in reading.sources], [each.name for each in reading.connections]
    return (reading.trouble, reading.hidden, sources, cards)


def _changed(request: Request, before: OverviewReading, now: OverviewReading) -> Iterator[str]:
    """Yield the parts that differ, each of which replaces the one with its id."""
    if before.totals != now.totals:
        yield part(request, "overview_totals.html", reading=now, replaces=True)
    if before.troubles != now.troubles:
        yield part(request, "overview_troubles.html", reading=now, most=MOST_TROUBLES, replaces=True)
    if (before.sources, before.edges, _flow(before)) != (now.sources, now.edges, _flow(now)):
        yield part(request, "overview_flow.html", reading=now, replaces=True)
    for index, (old, new) in enumerate(zip(before.connections, now.connections, strict=True)):
        if old != new:
            yield part(request, "overview_card.html", card=new, index=index, replaces=True)


def _flow(reading: OverviewReading) -> list[tuple[object, ...]]:
    """Return what the picture shows of connections."""
    return [_of_flow(card) for card in reading.connections]


def _of_flow(card: ConnectionCard) -> tuple[object, ...]:
    return (card.name, card.title, card.words, card.waiting, card.rate)
