"""The ASGI application: the control API below `/_sandbox/`, the vendors everywhere else.

Starlette carries the control API.  The vendors are a plain ASGI callable below it, because the faults need what
a response object hides: to leave a body half sent and to cut the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from engine.sandbox.config import Config
from engine.sandbox.control import routes
from engine.sandbox.emulator import Emulator, TimeSource
from engine.sandbox.faults import Decision
from engine.sandbox.http_messages import JSON_TYPE, VendorRequest, VendorResponse, Wire, query_of, segments_of
from engine.sandbox.journal import Seen
from engine.sandbox.world import NOBODY, World

TOO_LARGE = VendorResponse(413, {"error": "The body is larger than 32 MB."})
NO_ANSWER = VendorResponse(0, b"")


def create_app(config: Config | None = None, database: str = ":memory:", clock: TimeSource = time.time) -> Starlette:
    """Make the application; `app.state.world` is what it serves, closed with the application's lifespan.

    Within a process (`httpx.ASGITransport(app)`) there is no lifespan: close `app.state.world` yourself.
    """
    world = World(config or Config(), database, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        world.close()

    control = Mount("/_sandbox", routes=routes(world))
    app = Starlette(routes=[control, Mount("", app=Vendors(world))], lifespan=lifespan)
    app.state.world = world
    return app


class Vendors:
    """Brings requests to the vendors, and faults to the answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wire = Wire(scope, receive, send)
        vendor, incoming = self._read(scope)
        body = await wire.body()
        if vendor is None or body is None:
            await wire.answer(NOBODY if vendor is None else TOO_LARGE)
            return
        incoming.body = body
        decision = self._world.faults.decide(vendor.name, incoming.method, incoming.path, incoming.now)
        if decision.delay:
            await asyncio.sleep(decision.delay)
            incoming.now = self._world.clock()
        await self._answer(wire, vendor, incoming, decision)

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

    async def _answer(self, wire: Wire, vendor: Emulator, incoming: VendorRequest, decision: Decision) -> None:
        began = time.perf_counter()
        incoming.item_error = decision.item_error
        answer = vendor.finish(self._made(vendor, incoming, decision))
        kind = decision.fault.kind if decision.fault else ""
        cut = kind in ("reset", "half")
        seen = Seen(
            vendor=vendor.name,
            incoming=incoming,
            status=0 if cut else answer.status,
            answer=answer.encoded()[0],
            seconds=decision.delay + time.perf_counter() - began,
            fault=kind or ("latency" if decision.delay else ""),
        )
        self._world.journal.add(seen)
        send = {"reset": lambda _: wire.reset(), "half": wire.half}.get(kind, wire.answer)
        await send(answer)

    def _made(self, vendor: Emulator, incoming: VendorRequest, decision: Decision) -> VendorResponse:
        """Make the answer: the vendor's own, or what a fault puts in its place."""
        fault = decision.fault
        answer = vendor.answer(incoming) if fault is None or fault.applied else NO_ANSWER
        if fault is None or fault.kind == "reset":
            return answer
        if fault.kind == "status":
            return fault.answer(vendor.failure, incoming.now)
        if fault.kind == "wrong_json":
            body = fault.body.encode() if isinstance(fault.body, str) else fault.body
            return VendorResponse(answer.status or 200, body, {"content-type": JSON_TYPE})
        return answer if fault.applied else vendor.failure(500)
