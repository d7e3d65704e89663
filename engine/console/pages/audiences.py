"""Audiences and computed traits: sizes, runs, what a run would send, and the memberships of a user."""

from __future__ import annotations

import asyncio
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.archive.catalog import ArchiveError
from engine.audiences.run_process import RunFiles
from engine.audiences.state import GUARDED
from engine.console.audiences.asking import Desk
from engine.console.audiences.reading import KINDS, NEVER, AudiencesReading, DefinitionCard, read
from engine.console.audiences.running import AudienceRuns
from engine.console.rendering import page
from engine.console.searching import LONGEST, SearchedPersons
from engine.console.security import audit

if TYPE_CHECKING:
    from pathlib import Path

    from engine.console.site import Site
    from engine.records import JsonObject

TITLE = "Audiences"
PATH = "/audiences"
ORDER = 35
needs_outbox = True
USER_PATH = "/audiences/of-user"
"""No key has a hyphen, so no definition has this path."""
QUESTIONS = (USER_PATH,)
NOT_THERE = "There is no definition with this key. It may have been removed or renamed; go back to the list."
NOTHING_KNOWN = "This console has no definitions: start it with --archive DIR --audiences FILE."
CANNOT_RUN = "This console cannot run definitions: it needs --connections FILE."
RUNNING = "Another definition runs now, started from this console. Try again when it is done."
NOT_GUARDED = "This run no longer waits for an approval: somebody else approved it, or another run ended since."
NO_TEXT = "Type an ID or an email."
TOO_LONG = "This has more than {limit} characters; shorten it."
UNKNOWN = "The console no longer knows whom this search was for, because it has been started again. Type the ID again."


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    audiences = _AudiencesPage(site, _tools(site))
    return [
        Route(PATH, audiences.show),
        Route(USER_PATH, audiences.show_user),
        Route(USER_PATH, audiences.search_user, methods=["POST"]),
        Route(f"{USER_PATH}/found", audiences.user_found),
        Route(f"{PATH}/{{key}}", audiences.show_one),
        Route(f"{PATH}/{{key}}/live", audiences.live),
        Route(f"{PATH}/{{key}}/preview", audiences.preview),
        Route(f"{PATH}/{{key}}/sample", audiences.sample),
        Route(f"{PATH}/{{key}}/run", audiences.run, methods=["POST"]),
        Route(f"{PATH}/{{key}}/approve", audiences.approve, methods=["POST"]),
    ]


class _Tools(NamedTuple):
    """What works on definitions: `runs` is None where nothing can be run."""

    archive: Path
    file: Path
    desk: Desk
    runs: AudienceRuns | None


def _tools(site: Site) -> _Tools | None:
    if site.archive is None or site.audiences_file is None:
        return None
    desk, runs = Desk(site.audiences_file, site.archive, site.connections_file), None
    if site.connections_file is not None and site.location is not None:
        directories = tuple(site.directories)
        files = RunFiles(site.audiences_file, site.archive, site.connections_file, site.location, directories)
        runs = AudienceRuns(files)
    return _Tools(site.archive, site.audiences_file, desk, runs)


class _AudiencesPage:
    """The handlers; those that change something are for one definition."""

    def __init__(self, site: Site, tools: _Tools | None) -> None:
        self._site, self._given = site, tools
        self._persons = SearchedPersons()

    @property
    def _tools(self) -> _Tools:
        if self._given is None:
            raise HTTPException(404, NOTHING_KNOWN)
        return self._given

    # What there is.

    async def show(self, request: Request) -> Response:
        reading = None if self._given is None else await self._reading()
        return page(request, "audiences.html", reading=reading, kinds=KINDS, never=NEVER, tools=self._given)

    async def show_one(self, request: Request) -> Response:
        reading = await self._reading(request.path_params["key"])
        return page(request, "audience.html", reading=reading, **self._shown(reading.cards[0]))

    async def live(self, request: Request) -> Response:
        """Return what moves while a definition runs."""
        card = await self._card(request)
        return page(request, "audience_live.html", **self._shown(card))

    def _shown(self, card: DefinitionCard) -> dict[str, Any]:
        runs = self._tools.runs
        running = "" if runs is None else runs.running
        last = card.last
        return {
            "card": card,
            "file": str(self._tools.file),
            "running": running,
            "polled": card.active or running != "",
            "words": "" if runs is None else runs.words(card.key),
            "guarded": last is not None and last.state == GUARDED,
            "can_run": runs is not None and not self._site.read_only and not card.removed and card.defined is not None,
            "commands": self._commands(card),
        }

    def _commands(self, card: DefinitionCard) -> dict[str, str]:
        """Return the commands that do the same, for a console that may not."""
        files = ["--audiences", str(self._tools.file), "--archive", str(self._tools.archive)]
        if self._site.connections_file is not None:
            files += ["--connections", str(self._site.connections_file)]
        show = shlex.join(["engine", "audiences", "show", card.key, *files])
        sync = ["engine", "audiences", "sync", card.key, *files, "--outbox", str(self._site.location)]
        names = {"run": (), "preview": ("--dry-run",), "approve": ("--yes",), "exit": ("--exit-all",)}
        return {"show": show} | {name: shlex.join([*sync, *more]) for name, more in names.items()}

    async def _card(self, request: Request) -> DefinitionCard:
        return (await self._reading(request.path_params["key"])).cards[0]

    async def _reading(self, key: str | None = None) -> AudiencesReading:
        """Return all definitions, or the one with a key."""
        found = await asyncio.to_thread(self._read, key)
        if key is not None and not found.cards:
            raise HTTPException(404, NOT_THERE)
        return found

    def _read(self, key: str | None) -> AudiencesReading:
        tools = self._tools
        try:
            return read(tools.archive, tools.desk.definitions(self._site.clock()), key)
        except ArchiveError as error:
            raise HTTPException(503, str(error)) from error

    # What is computed.

    async def preview(self, request: Request) -> Response:
        """Return what a run would send now."""
        card = await self._card(request)
        asked: JsonObject = {"key": card.key, "integrations": self._integrations(), "now": self._site.clock()}
        found = await asyncio.to_thread(self._tools.desk.compute, "preview", asked)
        return page(request, "audience_preview.html", found=found, **self._shown(card), **_layout(request))

    def _integrations(self) -> JsonObject:
        loaded = self._site.connections()
        return {each.name: next(iter(each.mapping.integrations), each.mapping.name) for each in loaded}

    async def sample(self, request: Request) -> Response:
        """Return the first users who were sent."""
        card = await self._card(request)
        if card.sent is None:
            raise HTTPException(404, NOT_THERE)
        found = await asyncio.to_thread(self._tools.desk.compute, "sample", {"sent": str(card.sent)})
        return page(request, "audience_sample.html", found=found, card=card, **_layout(request))

    # The memberships of a user. No address has who it is.

    async def search_user(self, request: Request) -> Response:
        form = request.state.form
        given = form.get("user", "") if form is not None else ""
        user = given.strip() if isinstance(given, str) else ""
        if not user or len(user) > LONGEST:
            problem = TOO_LONG.format(limit=LONGEST) if user else NO_TEXT
            return page(request, "audience_user.html", status=422, user=user[:LONGEST], person="", problem=problem)
        return RedirectResponse(f"{USER_PATH}?{urlencode({'person': self._persons.token(user)})}", 303)

    async def show_user(self, request: Request) -> Response:
        self._tools  # noqa: B018  there is nothing to search without it
        person = request.query_params.get("person", "")[:LONGEST]
        user = self._persons.find(person) if person else ""
        problem = UNKNOWN if user is None else ""
        return page(request, "audience_user.html", user=user or "", person=person if user else "", problem=problem)

    async def user_found(self, request: Request) -> Response:
        """Return the memberships of the user of a search."""
        user = self._persons.find(request.query_params.get("person", ""))
        if user is None:
            raise HTTPException(409, UNKNOWN)
        asked: JsonObject = {"user": user, "now": self._site.clock()}
        found = await asyncio.to_thread(self._tools.desk.compute, "user", asked)
        return page(request, "audience_user_found.html", found=found, **_layout(request))

    # Changes.

    async def run(self, request: Request) -> Response:
        self._check_runs()
        card = await self._card(request)
        audit(request, "audience run", key=card.key)
        return await self._start(card, None)

    async def approve(self, request: Request) -> Response:
        self._check_runs()
        form = request.state.form
        given = form.get("run", "") if form is not None else ""
        card = await self._card(request)
        last = card.last
        if last is None or last.state != GUARDED or given != str(last.number):
            raise HTTPException(409, NOT_GUARDED)
        audit(request, "audience approved", key=card.key, run=last.number)
        return await self._start(card, last.number)

    async def _start(self, card: DefinitionCard, approve: int | None) -> Response:
        runs = self._check_runs()
        if card.removed:
            raise HTTPException(409, NOT_THERE)
        if not await asyncio.to_thread(partial(runs.start, card.key, approve)):
            raise HTTPException(409, RUNNING)
        return RedirectResponse(f"{PATH}/{quote(card.key)}", 303)

    def _check_runs(self) -> AudienceRuns:
        runs = self._tools.runs
        if runs is None:
            raise HTTPException(409, CANNOT_RUN)
        return runs


def _layout(request: Request) -> dict[str, Any]:
    """Return the layout of a result: a part of the page for htmx, a page of its own for a browser without scripts."""
    return {"layout": "fragment.html" if request.headers.get("hx-request") else "base.html"}
