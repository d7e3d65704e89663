"""The ASGI application: the control API below `/_sandbox/`, the vendors everywhere else.

The control API uses Starlette. The vendors are a plain ASGI callable, because faults do what Starlette's responses
cannot: send half of a body and cut the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from engine.sandbox.control import routes
from engine.sandbox.emulator import Emulator, TimeSource
from engine.sandbox.faults import Decision
from engine.sandbox.http_messages import JSON_TYPE, VendorRequest, VendorResponse, Wire, query_of, segments_of
from engine.sandbox.same_origin import SameOriginOnly
from engine.sandbox.world import Config, LoggedRequest, World

if TYPE_CHECKING:
    from engine.sandbox.generic.vendor import Description

TOO_LARGE = VendorResponse(413, {"error": "The body is larger than 32 MB."})
NO_VENDOR = VendorResponse(404, {"error": "No vendor has this path. See /_sandbox/ for the vendors and their paths."})
NO_RESPONSE = VendorResponse(0, b"")


def create_app(
    config: Config | None = None,
    database: str = ":memory:",
    clock: TimeSource = time.time,
    descriptions: Sequence[Description] = (),
    *,
    host: str = "127.0.0.1",
) -> Starlette:
    """Create the application; `app.state.world` is what it serves, closed when the application's lifespan ends.

    `descriptions` are of the vendors that are made from mappings. `host` is what the server listens on: the control API
    answers to this name too, not only to those of the loopback.
    `httpx.ASGITransport(app)` runs no lifespan: close `app.state.world` yourself.
    """
    world = World(config or Config(), database, clock, descriptions)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        world.close()

    control = Mount("/_sandbox", routes=routes(world), middleware=[Middleware(SameOriginOnly, host)])
    app = Starlette(routes=[control, Mount("", app=Vendors(world))], lifespan=lifespan)
    app.state.world = world
    return app


class Vendors:
    """Passes requests to the vendors, and applies faults to the responses."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wire = Wire(scope, receive, send)
        vendor, request = self._read(scope)
        body = await wire.read_body()
        if vendor is None or body is None:
            await wire.respond(NO_VENDOR if vendor is None else TOO_LARGE)
            return
        request.body = body
        decision = self._world.faults.decide(vendor.name, request.method, request.path, request.now)
        if decision.delay:
            await asyncio.sleep(decision.delay)
            request.now = self._world.clock()
        await self._respond(wire, vendor, request, decision)

    def _read(self, scope: Scope) -> tuple[Emulator | None, VendorRequest]:
        raw = scope.get("raw_path") or scope["path"].encode()
        vendor, path = self._world.locate(raw.partition(b"?")[0].decode("latin-1"))
        return vendor, VendorRequest(
            method=scope["method"],
            path=path,
            segments=segments_of(path),
            query=query_of(scope["query_string"].decode("latin-1")),
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            now=self._world.clock(),
        )

    async def _respond(self, wire: Wire, vendor: Emulator, request: VendorRequest, decision: Decision) -> None:
        started = time.perf_counter()
        request.item_error = decision.item_error
        response = vendor.finish(self._response(vendor, request, decision))
        kind = decision.fault.kind if decision.fault else ""
        cut = kind in ("reset", "half")
        logged = LoggedRequest(
            vendor=vendor.name,
            request=request,
            status=0 if cut else response.status,
            response=response.encoded()[0],
            seconds=decision.delay + time.perf_counter() - started,
            fault=kind or ("latency" if decision.delay else ""),
            secrets=vendor.secrets,
            secret_names=vendor.secret_names,
        )
        self._world.request_log.add(logged)
        send = {"reset": lambda _: wire.reset(), "half": wire.respond_half}.get(kind, wire.respond)
        await send(response)

    def _response(self, vendor: Emulator, request: VendorRequest, decision: Decision) -> VendorResponse:
        """Return the vendor's response, or the one that a fault puts in its place."""
        fault = decision.fault
        response = vendor.respond(request) if fault is None or fault.applied else NO_RESPONSE
        if fault is None or fault.kind == "reset":
            return response
        if fault.kind == "status":
            return fault.response(vendor.failure, request.now)
        if fault.kind == "wrong_json":
            body = fault.body.encode() if isinstance(fault.body, str) else fault.body
            return VendorResponse(response.status or 200, body, {"content-type": JSON_TYPE})
        return response if fault.applied else vendor.failure(500)
