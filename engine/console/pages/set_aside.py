"""Set aside: what was refused, invalid, ignored or discarded, by reason; what it would become; and to replay it."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.console.outbox import looked
from engine.console.rendering import page
from engine.console.replays import MOST_REPLAYED, RUNNING, ReplayProgress, Replays
from engine.console.searching import read_before
from engine.console.security import audit
from engine.console.set_aside import (
    IGNORED,
    MOST_PREVIEWED,
    REFUSED,
    WHY_DISCARDED,
    GroupPreview,
    PreviewError,
    find_group,
    judge_by,
    judge_of,
    preview_found,
    read_discards,
    read_group,
    read_groups,
)
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.aside import AsideGroup, aside_groups, newest_of, places_of
from engine.delivery.outbox.base import outbox_command
from engine.delivery.outbox.looking import Found, outcomes_of, states_at
from engine.language.texts import visible
from engine.mapping.load import Library
from engine.records import Json, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from engine.console.site import Site

TITLE = "Set aside"
PATH = "/set-aside"
ORDER = 30
needs_outbox = True
QUESTIONS = ("/set-aside/preview",)
MOST_FOLLOWED = 10_000
"""Events of a replay whose outcomes are counted."""
PATIENCE = 10.0
"""Seconds that the previews of a page may take: the mapping may be anything."""
MOST_NAMED = 20
"""Events that a command names one by one."""
NO_GROUP = (
    "Nothing is left of this group: its events were queued again, purged, or ended with another reason. "
    "Go back to Set aside and choose another one."
)
NOTHING = "Nothing is set aside here any more: somebody else queued or purged it. Nothing was changed."
BUSY = "Another replay is running, and there is one at a time. See how far it is on the page Set aside."
NO_TEXT = "Paste a mapping, or choose its file."
NOT_TEXT = "The file is not text in UTF-8, so it is no mapping."


class ReplayTarget(NamedTuple):
    """What is replayed: a group by its digest, else everything refused, of one connection or of all."""

    group: str
    connection: str

    @property
    def query(self) -> str:
        """Return it as the query of an address."""
        pairs = {"group": self.group, "connection": self.connection}
        return urlencode({name: value for name, value in pairs.items() if value})


class TargetReading(NamedTuple):
    """The groups of a target, and the newest of their events by connection: what a preview looks at."""

    groups: Sequence[AsideGroup]
    newest: dict[str, list[Found]]

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(each.events for each in self.groups)


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    assert site.outbox_file is not None
    aside = _SetAsidePage(site, site.outbox_file)
    return [
        Route(PATH, aside.refused),
        Route("/set-aside/ignored", aside.ignored),
        Route("/set-aside/discarded", aside.discarded),
        Route("/set-aside/group/{digest}", aside.group),
        Route("/set-aside/replay", aside.ask_replay),
        Route("/set-aside/replay", aside.replay, methods=["POST"]),
        Route("/set-aside/progress", aside.progress),
        Route("/set-aside/became", aside.became),
        Route("/set-aside/stop", aside.stop, methods=["POST"]),
        Route(QUESTIONS[0], aside.preview, methods=["POST"]),
    ]


def read_target(db: sqlite3.Connection, target: ReplayTarget) -> TargetReading | None:
    """Return what a target has; None for a group that is gone."""
    groups: Sequence[AsideGroup]
    if target.group:
        group = find_group(db, target.group)
        if group is None:
            return None
        groups = [group]
    else:
        groups, _ = aside_groups(db, REFUSED, target.connection or None)
    newest: dict[str, list[Found]] = {}
    left = MOST_PREVIEWED
    for each in sorted(groups, key=lambda each: each.events):  # small groups whole, the largest with what is left
        found = newest_of(db, each, left // max(1, len(groups) - len(newest)) or 1)
        newest.setdefault(each.connection, []).extend(found)
        left = max(0, left - len(found))
        if not left:
            break
    return TargetReading(groups, newest)


class _SetAsidePage:
    def __init__(self, site: Site, file: Path) -> None:
        self._site, self._file = site, file
        self._replays = Replays(site.opened, site.clock)
        self._previewing = asyncio.Lock()  # one at a time: it takes the processor from delivery

    # Lists.

    async def refused(self, request: Request) -> Response:
        return await self._groups(request, REFUSED, "refused")

    async def ignored(self, request: Request) -> Response:
        return await self._groups(request, IGNORED, "ignored")

    async def _groups(self, request: Request, outcomes: Sequence[Outcome], tab: str) -> Response:
        connection = request.query_params.get("connection") or None
        progress = (
            self._replays.snapshot()
        )  # before the list: one that ends meanwhile is shown as running, and looks again
        reading = await looked(self._file, partial(read_groups, outcomes=outcomes, connection=connection))
        target = ReplayTarget("", connection or "")
        return page(
            request,
            "set_aside.html",
            tab=tab,
            reading=reading,
            connection=connection or "",
            target=target,
            progress=progress,
            became=await self._became(progress),
        )

    async def _became(self, progress: ReplayProgress | None) -> list[tuple[str, int]]:
        """Return how the events that the last replay queued stand, by outcome."""
        if progress is None or progress.state == RUNNING:
            return []
        return await looked(self._file, partial(outcomes_of, states=self._replays.followed[: progress.seen]))

    async def discarded(self, request: Request) -> Response:
        source, text = request.query_params.get("source") or None, request.query_params.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        reading = await looked(self._file, partial(read_discards, source=source, before=before))
        return page(
            request,
            "set_aside_discarded.html",
            tab="discarded",
            reading=reading,
            source=source or "",
            more=urlencode({"source": source or "", "before": reading.before or ""}),
            why=WHY_DISCARDED,
        )

    async def group(self, request: Request) -> Response:
        before = read_before(request.query_params.get("before", ""))
        look = partial(read_group, digest=request.path_params["digest"], before=before)
        reading = await looked(self._file, look)
        if reading is None:
            raise HTTPException(404, NO_GROUP)
        return page(request, "set_aside_group.html", reading=reading, first=before is None)

    # Preview and replay.

    async def ask_replay(self, request: Request) -> Response:
        """Show what a replay would do, before it is confirmed."""
        target = ReplayTarget(request.query_params.get("group", ""), request.query_params.get("connection", ""))
        reading = await self._target(target)
        previews, troubles = await self._previewed(reading, None)
        return self._confirm(request, target, reading, previews, troubles)

    async def preview(self, request: Request) -> Response:
        """Show what events would become under a mapping that is pasted or uploaded."""
        target, text = _target_of_form(request), await _mapping_text(request)
        reading = await self._target(target)
        previews, troubles = list[tuple[str, GroupPreview]](), [NO_TEXT]
        if text.strip():
            previews, troubles = await self._previewed(reading, text)
        return self._confirm(request, target, reading, previews, troubles, text)

    async def _target(self, target: ReplayTarget) -> TargetReading:
        reading = await looked(self._file, partial(read_target, target=target))
        if reading is None:
            raise HTTPException(404, NO_GROUP)
        return reading

    async def _previewed(
        self, reading: TargetReading, text: str | None
    ) -> tuple[list[tuple[str, GroupPreview]], list[str]]:
        async with self._previewing:
            return await asyncio.to_thread(self._previews, reading, text)

    def _previews(self, reading: TargetReading, text: str | None) -> tuple[list[tuple[str, GroupPreview]], list[str]]:
        """Return previews by connection, under a mapping's text or the current mappings, and why some are missing."""
        previews, troubles, now = list[tuple[str, GroupPreview]](), list[str](), self._site.clock()
        end = now + PATIENCE
        for name, found in reading.newest.items():
            try:
                judge, by = self._judge(name, text)
            except PreviewError as error:
                troubles.append(str(error))
                continue
            previews.append((name, preview_found(self._file, found, judge, by, now, lambda: self._site.clock() > end)))
        return previews, troubles

    def _judge(self, name: str, text: str | None) -> tuple[ConfiguredConnection, str]:
        current = judge_of(self._site.connections(), name)
        if text is None:
            return current, f"the current mapping, version {current.digest()}"
        directories = Library(self._site.directories or None).directories
        judge = judge_by(text, current, [each.absolute() for each in directories])
        return judge, f"the mapping that was given, version {judge.digest()}, with the connection's settings"

    def _confirm(
        self,
        request: Request,
        target: ReplayTarget,
        reading: TargetReading,
        previews: Sequence[tuple[str, GroupPreview]],
        troubles: Sequence[str],
        text: str | None = None,
    ) -> Response:
        looked_at = sum(len(each) for each in reading.newest.values())
        return page(
            request,
            "set_aside_replay.html",
            target=target,
            reading=reading,
            previews=previews,
            troubles=[line for each in troubles for line in map(visible, each.splitlines())],
            looked_at=looked_at,
            most=MOST_REPLAYED,
            given=text,
            command=self._command(target, reading),
        )

    def _command(self, target: ReplayTarget, reading: TargetReading) -> str:
        """Return the command for a console that changes nothing."""
        found = [each for part in reading.newest.values() for each in part]
        if target.group and reading.events == len(found) <= MOST_NAMED:
            words = f"replay {' '.join(str(each.event) for each in found)} --connection {_quoted(found)}"
        elif target.group or target.connection:
            name = target.connection or reading.groups[0].connection
            words = f"replay --connection {shlex.quote(name)}"
        else:
            words = "replay"
        return outbox_command(words, self._site.location or self._file)

    async def replay(self, request: Request) -> Response:
        target = _target_of_form(request)
        reading = await self._target(target)
        audited: dict[str, Json] = {"group": target.group, "connection": target.connection, "events": reading.events}
        audit(request, "replay", **audited)
        places = await looked(self._file, partial(places_of, wanted=reading.groups, limit=MOST_REPLAYED))
        if not places:
            raise HTTPException(409, NOTHING)
        followed = await looked(self._file, partial(states_at, places=places[:MOST_FOLLOWED]))
        if not self._replays.start(_title(target, reading), places, followed):
            raise HTTPException(409, BUSY)
        return RedirectResponse(PATH, 303)

    async def progress(self, request: Request) -> Response:
        progress = self._replays.snapshot()
        answer = page(request, "set_aside_progress.html", progress=progress, became=[])
        if progress is None or progress.state != RUNNING:  # only a page that saw it run asks: its list is of before
            answer.headers["HX-Refresh"] = "true"
        return answer

    async def became(self, request: Request) -> Response:
        return page(request, "set_aside_became.html", became=await self._became(self._replays.snapshot()))

    async def stop(self, request: Request) -> Response:
        audit(request, "stop replay")
        self._replays.stop()
        return RedirectResponse(PATH, 303)


def _title(target: ReplayTarget, reading: TargetReading) -> str:
    if target.group:
        group = reading.groups[0]
        return f"{group.connection}: {group.reason}"
    return target.connection or "all connections"


def _quoted(found: Sequence[Found]) -> str:
    return shlex.quote(found[0].connection) if found else "''"


def _target_of_form(request: Request) -> ReplayTarget:
    form = request.state.form
    given = [form.get(name) if form is not None else "" for name in ("group", "connection")]
    group, connection = (each if isinstance(each, str) else "" for each in given)
    return ReplayTarget(group, connection)


async def _mapping_text(request: Request) -> str:
    """Return the mapping of a form: its file if there is one, else what was pasted."""
    form = request.state.form
    file, text = (form.get("file"), form.get("mapping")) if form is not None else (None, "")
    if isinstance(file, UploadFile) and file.filename:
        try:
            return (await file.read()).decode()
        except UnicodeDecodeError:
            raise HTTPException(422, NOT_TEXT) from None
    return text if isinstance(text, str) else ""
