"""The control API below `/_sandbox/`: looking at what is held and what was asked, ordering faults.

For tests, the console and people with curl.  No credentials: it listens where the sandbox listens, which is
the loopback unless somebody says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.records import Json
from engine.sandbox.faults import FaultError
from engine.sandbox.world import World

LIMIT, MOST = 100, 100_000
PLACES = {
    "GET /_sandbox/state": "what the vendors hold; ?vendor= for one, ?limit= for more than the newest 100 of each kind",
    "GET /_sandbox/counts": "numbers, by vendor",
    "GET /_sandbox/requests": "the last requests; ?vendor=, ?limit=",
    "POST /_sandbox/reset": "forget what is held and what was asked",
    "GET /_sandbox/faults": "the faults that stand, with how often each struck",
    "POST /_sandbox/faults": "order a fault, or a list of them",
    "DELETE /_sandbox/faults": "take back all; /_sandbox/faults/{id} for one",
}


class Wrong(Exception):  # noqa: N818  reads as what it is
    """A request of the control API that cannot be understood."""


def routes(world: World) -> list[BaseRoute]:
    """Return the routes over one world."""
    return [
        _route(world, "/", index, "GET"),
        _route(world, "/state", state, "GET"),
        _route(world, "/counts", lambda world, _: world.counts(), "GET"),
        _route(world, "/requests", requests, "GET"),
        _route(world, "/reset", reset, "POST"),
        _route(world, "/faults", faults, "GET"),
        Route("/faults", _ordering(world), methods=["POST"]),
        _route(world, "/faults", forget, "DELETE"),
        _route(world, "/faults/{id:int}", forget, "DELETE"),
    ]


def _route(world: World, path: str, answer: Callable[[World, Request], Json], method: str) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(answer(world, request))
        except Wrong as wrong:
            return _json({"error": str(wrong)}, 400)

    return Route(path, endpoint, methods=[method])


def index(world: World, _request: Request) -> Json:
    """Say what is here."""
    vendors: Json = {
        name: {"title": vendor.title, "base_url": f"/{name}", "accepts": [*vendor.welcome()]}
        for name, vendor in world.vendors.items()
    }
    return {"vendors": vendors, "places": {**PLACES}}


def state(world: World, request: Request) -> Json:
    """Show what the vendors hold."""
    limit = _limit(request)
    wanted = _vendor(world, request)
    return {name: world.state_of(name, limit) for name in ([wanted] if wanted else world.vendors)}


def requests(world: World, request: Request) -> Json:
    """Show the last requests."""
    return [*world.journal.shown(_limit(request), _vendor(world, request))]


def reset(world: World, _request: Request) -> Json:
    """Forget."""
    world.reset()
    return {"reset": True}


def faults(world: World, _request: Request) -> Json:
    """Show the faults that stand."""
    return [fault.shown() for fault in world.faults.all()]


def forget(world: World, request: Request) -> Json:
    """Take back one fault or all."""
    number: int | None = request.path_params.get("id")
    if not world.faults.forget(number):
        raise Wrong(f"no fault has the id {number}")
    return [fault.shown() for fault in world.faults.all()]


def _ordering(world: World) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            made = world.faults.order(orjson.loads(await request.body()), world.clock())
        except orjson.JSONDecodeError as error:
            return _json({"error": f"the body is no JSON: {error.msg}"}, 400)
        except FaultError as error:
            return _json({"error": str(error)}, 400)
        return _json([fault.shown() for fault in made], 201)

    return endpoint


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT))
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise Wrong(f"limit must be a whole number from 1 to {MOST}")
    return int(text)


def _vendor(world: World, request: Request) -> str:
    name = request.query_params.get("vendor", "")
    if name and name not in world.vendors:
        raise Wrong(f"{name} is no vendor; there are {', '.join(world.vendors)}")
    return name


def _json(body: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_INDENT_2), status, media_type="application/json")
