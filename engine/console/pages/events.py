"""Events: search, the live tail, and one event with all that became of it."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import orjson
from sse_starlette import ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.console.event_story import EventStory, StateStory, read_event
from engine.console.outbox import changed, looked
from engine.console.rendering import page, part
from engine.console.replanned import Replanned, Replanner
from engine.console.searching import (
    CALLS,
    MOST_COUNTED,
    OUTCOMES,
    PATH,
    Search,
    SearchedPersons,
    read,
    read_before,
    read_search,
    read_tail,
)
from engine.console.security import audit
from engine.console.set_aside import GroupPreview, PreviewError, judge_of, preview_found
from engine.console.streams import stream
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.base import QUEUED_AGAIN, Waiting, outbox_command
from engine.delivery.outbox.looking import stored_at, version_files

if TYPE_CHECKING:
    from pathlib import Path

    from engine.console.site import Site

TITLE = "Events"
ORDER = 20
needs_outbox = True
QUESTIONS = ("/events/search",)
TAIL_SECONDS = 1.0
"""Between two updates of a live tail."""
TAIL_DELAY = 1.0
"""Seconds by which a tail is behind, so that what is written meanwhile is not missed."""
TAIL_ROWS = 20
"""Rows of one update; the others are counted."""
NOT_THERE = "There is no event {number} in the outbox. It may have been purged; search for it by its messageId."
NO_STATE = "Event {number} has no such outcome any more: it was queued again or purged meanwhile. Reload its page."
NOT_QUEUED = "It was not queued: somebody else queued or purged it meanwhile, or it is still waiting."


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    assert site.outbox_file is not None
    events = _EventsPage(site, site.outbox_file)
    return [
        Route(PATH, events.show),
        Route(QUESTIONS[0], events.search, methods=["POST"]),
        Route("/events/stream", events.stream),
        Route("/events/{number:int}", events.show_event),
        Route("/events/{number:int}/raw", events.raw),
        Route("/events/{number:int}/requests", events.requests),
        Route("/events/{number:int}/replay", events.ask_replay),
        Route("/events/{number:int}/replay", events.replay, methods=["POST"]),
    ]


class _EventsPage:
    def __init__(self, site: Site, file: Path) -> None:
        self._site, self._file = site, file
        self._persons, self._replanner = SearchedPersons(), Replanner()

    # Search.

    async def show(self, request: Request) -> Response:
        found = self._search(request)
        before = read_before(request.query_params.get("before", ""))
        reading = await looked(self._file, partial(read, search=found, before=before))
        return page(
            request,
            "events.html",
            search=found,
            reading=reading,
            aliases=[(each, found._replace(person=self._persons.token(each)).query()) for each in reading.aliases],
            first=before is None,
            calls=CALLS,
            outcomes=OUTCOMES,
            most_counted=MOST_COUNTED,
        )

    async def search(self, request: Request) -> Response:
        """Take whom a search is about from the form, which no address has, and lead to the search's address."""
        form = request.state.form
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)] if form else []
        found = read_search(pairs, self._persons, self._site.clock())
        query = found.query()
        return RedirectResponse(f"{PATH}?{query}" if query else PATH, 303)

    def _search(self, request: Request) -> Search:
        return read_search(request.query_params.multi_items(), self._persons, self._site.clock())

    async def stream(self, request: Request) -> Response:
        return stream(request, self._tail(request, self._search(request)))

    async def _tail(self, request: Request, search: Search) -> AsyncIterator[ServerSentEvent]:
        """Send what changed, a few rows at a time, however much it was."""
        since = self._site.clock() - TAIL_DELAY
        while not search.problems:
            await asyncio.sleep(TAIL_SECONDS)
            until = self._site.clock() - TAIL_DELAY
            chosen = search.chosen._replace(since=None, until=None)
            look = partial(read_tail, chosen=chosen, since=since, until=until, most=TAIL_ROWS)
            try:
                reading = await looked(self._file, look)
            except HTTPException as error:
                yield ServerSentEvent(orjson.dumps({"trouble": error.detail}).decode(), event="tail")
                continue  # what changed meanwhile comes with the next reading
            since = until
            if reading.changed:
                rows = part(request, "events_rows.html", rows=reading.rows)
                message = {"rows": rows, "changed": reading.changed, "shown": len(reading.rows)}
                yield ServerSentEvent(orjson.dumps(message).decode(), event="tail")

    # One event.

    async def show_event(self, request: Request) -> Response:
        story = await self._story(request)
        commands = {state.found.place: self._explain_command(state) for state in story.states}
        return page(request, "event.html", story=story, commands=commands, known=set(self._connections()))

    async def raw(self, request: Request) -> Response:
        story = await self._story(request)
        raw = story.states[0].found.raw
        headers = {"content-disposition": f'attachment; filename="event-{story.number}.json"'}
        return Response(raw, media_type="application/octet-stream", headers=headers)

    async def requests(self, request: Request) -> Response:
        """Return what the requests of one state were made of, for the page to put in its place."""
        story = await self._story(request)
        state = self._state(request, story)
        [event] = await self._stored(state)
        configured = self._connections().get(state.found.connection)
        digest = state.found.digest
        files = None if digest is None else await looked(self._file, partial(version_files, digest=digest))
        planned = await asyncio.to_thread(self._plan, state, event, configured, None if files is None else files[1])
        return page(request, "event_requests.html", planned=planned, state=state)

    def _plan(
        self, state: StateStory, event: Waiting, configured: ConfiguredConnection | None, files: bytes | None
    ) -> Replanned:
        return self._replanner.plan(state, event, configured, files, self._site.clock())

    async def _story(self, request: Request) -> EventStory:
        number = request.path_params["number"]
        found = await looked(self._file, partial(read_event, number=number)) if number < 2**63 else None
        if found is None:
            raise HTTPException(404, NOT_THERE.format(number=number))
        return found

    @staticmethod
    def _state(request: Request, story: EventStory) -> StateStory:
        """Return the state that a request is about, which has moved if it was queued again."""
        form = request.state.form
        wanted = form.get("place") if form is not None else request.query_params.get("place")
        for each in story.states:
            if str(each.found.place) == wanted:
                return each
        raise HTTPException(409, NO_STATE.format(number=story.number))

    async def _stored(self, state: StateStory) -> list[Waiting]:
        found = await looked(self._file, partial(stored_at, places=[state.found.place]))
        if not found:
            raise HTTPException(409, NO_STATE.format(number=state.found.event))
        return found

    def _connections(self) -> dict[str, ConfiguredConnection]:
        return {each.name: each for each in self._site.connections()}

    def _explain_command(self, state: StateStory) -> str:
        configured = self._connections().get(state.found.connection)
        mapping = "MAPPING" if configured is None else str(configured.connection.destination.loaded.path)
        event = f"--message-id {state.found.event} --outbox {shlex.quote(str(self._site.location))}"
        return f"engine explain {shlex.quote(mapping)} {event}"

    # Replay.

    async def ask_replay(self, request: Request) -> Response:
        story = await self._story(request)
        state = self._state(request, story)
        preview, trouble = await asyncio.to_thread(self._preview, state)
        name = shlex.quote(state.found.connection)
        command = outbox_command(f"replay {story.number} --connection {name}", self._site.location or self._file)
        return page(
            request, "event_replay.html", story=story, state=state, preview=preview, trouble=trouble, command=command
        )

    def _preview(self, state: StateStory) -> tuple[GroupPreview | None, str]:
        if not state.finished:
            return None, "It is still waiting, so there is nothing to replay."
        try:
            judge = judge_of(self._site.connections(), state.found.connection)
        except PreviewError as error:
            return None, str(error)
        by = f"the current mapping, version {judge.digest()}"
        return preview_found(self._file, [state.found], judge, by, self._site.clock()), ""

    async def replay(self, request: Request) -> Response:
        story = await self._story(request)
        state = self._state(request, story)
        audit(request, "replay", event=story.number, connection=state.found.connection)
        place, now = state.found.place, self._site.clock()
        queued = await changed(self._site, lambda outbox: outbox.replay([place], QUEUED_AGAIN, now))
        if not queued:
            raise HTTPException(409, NOT_QUEUED)
        return RedirectResponse(f"{PATH}/{story.number}", 303)
