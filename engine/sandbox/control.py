"""The control API below `/_sandbox/`: the vendors' state, the log of requests, and fault injection.

It requires no credentials: it listens where the sandbox listens, by default on the loopback only, and
`same_origin.py` refuses what pages of other sites send.
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

DEFAULT_LIMIT, MAX_LIMIT = 100, 100_000
NOT_JSON = 'the body is not JSON; send a fault such as {"kind": "status", "status": 503}, or a list of faults'
ENDPOINTS = {
    "GET /_sandbox/state": "the vendors' state; ?vendor= for one, ?limit= for more than the newest 100 of each kind",
    "GET /_sandbox/counts": "counts, by vendor",
    "GET /_sandbox/requests": "the last requests; ?vendor=, ?limit=",
    "POST /_sandbox/reset": "clear the state and the log of requests",
    "GET /_sandbox/faults": "the active faults, with how many requests each matched and hit",
    "POST /_sandbox/faults": "inject a fault, or a list of faults",
    "DELETE /_sandbox/faults": "remove all faults; /_sandbox/faults/{id} removes one",
}


class BadRequest(Exception):  # noqa: N818  reads as what it is
    """An invalid request to the control API; the text says why."""


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the control API of one world."""
    return [
        _route(world, "/", index, "GET"),
        _route(world, "/state", state, "GET"),
        _route(world, "/counts", lambda world, _: world.counts(), "GET"),
        _route(world, "/requests", requests, "GET"),
        _route(world, "/reset", reset, "POST"),
        _route(world, "/faults", faults, "GET"),
        Route("/faults", _inject(world), methods=["POST"]),
        _route(world, "/faults", remove_faults, "DELETE"),
        _route(world, "/faults/{id:int}", remove_faults, "DELETE"),
    ]


def _route(world: World, path: str, handler: Callable[[World, Request], Json], method: str) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(handler(world, request))
        except BadRequest as error:
            return _json({"error": str(error)}, 400)

    return Route(path, endpoint, methods=[method])


def index(world: World, _request: Request) -> Json:
    """Return the vendors and the endpoints of this API."""
    vendors: Json = {
        name: {"title": vendor.title, "base_url": f"/{name}", "accepts": [*vendor.credentials()]}
        for name, vendor in world.vendors.items()
    }
    return {"vendors": vendors, "endpoints": {**ENDPOINTS}}


def state(world: World, request: Request) -> Json:
    """Return the vendors' state."""
    limit = _limit(request)
    wanted = _vendor(world, request)
    return {name: world.state_of(name, limit) for name in ([wanted] if wanted else world.vendors)}


def requests(world: World, request: Request) -> Json:
    """Return the last requests."""
    return [*world.request_log.newest(_limit(request), _vendor(world, request))]


def reset(world: World, _request: Request) -> Json:
    """Clear the state and the log."""
    world.reset()
    return {"reset": True}


def faults(world: World, _request: Request) -> Json:
    """Return the active faults."""
    return [fault.as_json() for fault in world.faults.all()]


def remove_faults(world: World, request: Request) -> Json:
    """Remove one fault or all; return those that stay active."""
    number: int | None = request.path_params.get("id")
    if not world.faults.remove(number):
        raise BadRequest(f"no fault has the id {number}")
    return faults(world, request)


def _inject(world: World) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            made = world.faults.inject(orjson.loads(await request.body()), world.clock())
        except orjson.JSONDecodeError:
            return _json({"error": NOT_JSON}, 400)
        except FaultError as error:
            return _json({"error": str(error)}, 400)
        return _json([fault.as_json() for fault in made], 201)

    return endpoint


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not text.isdecimal() or not 0 < int(text) <= MAX_LIMIT:
        raise BadRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _vendor(world: World, request: Request) -> str:
    name = request.query_params.get("vendor", "")
    if name and name not in world.vendors:
        raise BadRequest(f"unknown vendor {name}; available: {', '.join(world.vendors)}")
    return name


def _json(body: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_INDENT_2), status, media_type="application/json")
