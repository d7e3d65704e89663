"""For those who operate it: metrics, and how things stand, on an address of their own and for one token.

The collector's own address is open to the world; this one is on the loopback unless somebody says otherwise, and it
answers nothing without the token.  No answer holds a secret.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

import orjson
from starlette.types import Receive, Scope, Send

from engine.collector.refusals import JSON_TYPE, Refused, Reply
from engine.records import JsonObject

METRICS = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)
PATHS = ("/metrics", "/status")
NO_TOKEN = Refused(
    401,
    "unauthorized",
    "This needs the admin token: Authorization: Bearer TOKEN.",
    headers=((b"www-authenticate", b"Bearer"),),
).reply
NOT_FOUND = Refused(404, "not_found", f"There is nothing here; there are: {', '.join(PATHS)}.").reply
GET_ONLY = Refused(405, "method_not_allowed", "Use GET.", headers=((b"allow", b"GET, HEAD"),)).reply


class Admin:
    """An ASGI application. `metrics` gives Prometheus text, `status` how the connections stand."""

    def __init__(self, token: str, metrics: Callable[[], bytes], status: Callable[[], JsonObject]) -> None:
        if not token:
            raise ValueError("an empty token would let everyone in")
        self._expected = b"Bearer " + token.encode()
        self._metrics, self._status = metrics, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Serve one request."""
        if scope["type"] != "http":
            return
        reply = await self._reply(scope)
        headers = [*reply.headers, (b"cache-control", b"no-store"), (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _reply(self, scope: Scope) -> Reply:
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._expected):
            return NO_TOKEN
        path = scope["path"].rstrip("/")
        if path not in PATHS:
            return NOT_FOUND
        if scope["method"] not in ("GET", "HEAD"):
            return GET_ONLY
        if path == "/metrics":
            return Reply(200, await asyncio.to_thread(self._metrics), METRICS)
        return Reply(200, orjson.dumps(await asyncio.to_thread(self._status)), (JSON_TYPE,))
