"""The playground: type a mapping and an event, see the requests, and which line and which field each value is from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.console.playground.bench import Workbench
from engine.console.playground.choices import FIRST_STEPS, chosen_mapping, mapping_names, samples
from engine.console.rendering import page, static_path
from engine.errors import MappingNotFound
from engine.mapping.load import Library
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    from engine.console.site import Site

TITLE = "Playground"
PATH = "/playground"
ORDER = 40
needs_outbox = False
QUESTIONS = ("/playground/try", "/playground/assist")
NOT_JSON = "The question is not JSON. Reload the page."
SUPERSEDED: JsonObject = {"superseded": True}


class Turns:
    """One question at a time; of those of one session that wait, only the newest is asked."""

    def __init__(self) -> None:
        self._newest: dict[tuple[int, str], int] = {}
        self._lock = asyncio.Lock()

    async def take(self, who: tuple[int, str], ask: Callable[[], JsonObject]) -> JsonObject | None:
        """Return the answer, or None where a newer question of the same kind came meanwhile."""
        turn = self._newest[who] = self._newest.get(who, 0) + 1
        async with self._lock:
            if self._newest[who] != turn:
                return None
            try:
                return await run_in_threadpool(ask)
            finally:
                if self._newest[who] == turn:
                    del self._newest[who]


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""
    workbench, turns = Workbench(), Turns()

    def directories() -> list[Path]:
        return [each.absolute() for each in Library(site.directories or None).directories]

    async def show(request: Request) -> Response:
        return page(request, "playground.html", config=_config(request, directories()))

    async def mapping(request: Request) -> Response:
        try:
            found = chosen_mapping(request.query_params.get("name", FIRST_STEPS), directories())
        except MappingNotFound as error:
            raise HTTPException(404, str(error)) from None
        return JSONResponse(found)

    async def ask(request: Request, kind: str) -> Response:
        question = await _question(request)
        question["directories"] = cast("Json", list(map(str, directories())))
        answer = await turns.take((request.state.session.number, kind), partial(workbench.ask, question))
        return JSONResponse(SUPERSEDED if answer is None else answer)

    async def try_out(request: Request) -> Response:
        return await ask(request, "try")

    async def assist(request: Request) -> Response:
        return await ask(request, "assist")

    return [
        Route(PATH, show),
        Route(f"{PATH}/mapping", mapping),
        Route(QUESTIONS[0], try_out, methods=["POST"]),
        Route(QUESTIONS[1], assist, methods=["POST"]),
    ]


def _config(request: Request, directories: list[Path]) -> JsonObject:
    """Return what the page's script starts with; a `mapping` in the address is chosen at first."""
    wanted = request.query_params.get("mapping", FIRST_STEPS)
    try:
        chosen = chosen_mapping(wanted, directories)
    except MappingNotFound:
        chosen = chosen_mapping(FIRST_STEPS, directories)
    return {
        "codemirror": static_path("vendored/codemirror.js"),
        "nonce": request.state.nonce,
        "mappings": cast("Json", mapping_names(directories)),
        "samples": cast("Json", samples()),
        "chosen": chosen,
    }


async def _question(request: Request) -> JsonObject:
    try:
        question = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise HTTPException(400, NOT_JSON) from None
    if not isinstance(question, dict):
        raise HTTPException(400, NOT_JSON)
    return question
