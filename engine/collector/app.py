"""The collector as a raw ASGI application: no framework stands between the server and the few addresses there are.

A request goes one way: its write key, its body, its events, the disk, 200.  Whatever is wrong raises `Refused`,
which knows its answer; anything else that goes wrong is an answer 500 that a client sends again.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

import orjson
from starlette.types import Receive, Scope, Send

from engine.collector.body import BodyReader, Gone, parsed
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import NAME, CollectorObserver
from engine.collector.openapi import CALLS, description
from engine.collector.responses import TAKEN, CollectorLimits, HttpResponse, RequestRefused, try_later, unknown_key
from engine.collector.shaping import Arrival, outer, shaped
from engine.collector.write_keys import EventSource, WriteKeys, basic_key, body_key
from engine.delivery.intake import iso
from engine.delivery.outbox.base import OutboxError
from engine.records import JsonObject

EVERYONE = (b"access-control-allow-origin", b"*")
HEADERS = b"authorization, content-type, content-encoding, x-retry-count"
TOKENS = re.compile(rb"[A-Za-z0-9_, -]{1,500}")
TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)
NOT_FOUND = RequestRefused(
    404, "not_found", "There is nothing here; calls go to /v1/batch, /v1/track and the like."
).reply
POST_ONLY = RequestRefused(405, "method_not_allowed", "Use POST.", headers=((b"allow", b"POST, OPTIONS"),)).reply
GET_ONLY = RequestRefused(405, "method_not_allowed", "Use GET.", headers=((b"allow", b"GET, HEAD"),)).reply
BROKEN = RequestRefused(500, "internal_error", "The collector failed; send it again.").reply

logger = logging.getLogger(NAME)


class Collector:
    """Takes calls. `ready` says whether it works, `behind` whether too much waits to be delivered."""

    def __init__(
        self,
        keys: WriteKeys,
        keeper: GroupCommit,
        watch: CollectorObserver,
        *,
        limits: CollectorLimits | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self._keys, self._keeper, self._watch = keys, keeper, watch
        self._limits = limits or CollectorLimits()
        self._reading = BodyReader(self._limits)
        self._clock, self._new_id = clock, new_id
        self.ready = True
        self.behind = behind
        keeper.on_kept = watch.kept

    def stop(self, seconds: float) -> None:
        """Say that it is not ready any more, and wait for slow bodies only so long."""
        self.ready = False
        self._reading.hurry(seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        call = CALLS.get(path)
        try:
            reply = await self._reply(scope, receive, call) if call else self._operation(scope, path)
        except Gone:
            return
        start = {"type": "http.response.start", "status": reply.status}
        length = [(b"content-length", str(len(reply.body)).encode())] if reply.status != 204 else []
        await send({**start, "headers": [*reply.headers, EVERYONE, *length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _reply(self, scope: Scope, receive: Receive, call: str) -> HttpResponse:
        if scope["method"] == "OPTIONS":
            return _preflight(dict(scope["headers"]))
        if scope["method"] != "POST":
            return POST_ONLY
        began = time.perf_counter()
        reply = await self._answer(scope, receive, call)
        self._watch.answered(call, reply.status, time.perf_counter() - began)
        return reply

    async def _answer(self, scope: Scope, receive: Receive, call: str) -> HttpResponse:
        who: JsonObject = {"source": "", "client": (scope.get("client") or ("",))[0]}
        try:
            await self._collect(scope, receive, call, who)
        except RequestRefused as refused:
            if refused.reply.status != 401:  # those are counted where the reason is known
                self._watch.refused(refused.code, reason=str(refused), **who)
            return refused.reply
        except OutboxError as error:
            self._watch.refused("outbox_error", reason=str(error), **who)
            message = "The events could not be kept; send them again."
            return try_later(503, "unavailable", message, self._limits.retry_after).reply
        except Gone:
            raise
        except Exception:
            logger.exception("failed")
            return BROKEN
        return TAKEN

    async def _collect(self, scope: Scope, receive: Receive, call: str, who: JsonObject) -> None:
        """Take a call; `who` sends it is noted, for the log."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        key = basic_key(headers.get(b"authorization"))
        source = None if key is None else self._source(key, who)
        if self._keeper.full() or self.behind():
            text = "Too many events wait to be delivered; send these again later."
            raise try_later(429, "too_many_requests", text, self._limits.retry_after)
        with self._reading.share() as pieces:
            raw = await self._reading.body(receive, headers, pieces)
            body = parsed(raw, headers.get(b"content-encoding", b""), self._limits, lambda: self._watch.mended(**who))
            if source is None:
                source = self._source(body_key(body.get("writeKey")), who)
            arrival = self._arrival(scope, body, client=key is None or b"origin" in headers)
            found = shaped(body, call, source.name, arrival, self._limits)
            del raw, body
        self._watch.received(source.name, len(found.events), found.discards)
        await self._keeper.keep(found.events, source.connections)

    def _source(self, key: str, who: JsonObject) -> EventSource:
        source = self._keys.source(key) if key else None
        who["source"] = source.name if source else ""
        if source is None or not source.enabled:
            self._watch.refused("source_disabled" if source else "unknown_source", **who)
            raise unknown_key()
        return source

    def _arrival(self, scope: Scope, body: JsonObject, *, client: bool) -> Arrival:
        now = self._clock()
        address = scope.get("client")
        return Arrival(
            received=now,
            received_at=iso(now),
            sent_at=body.get("sentAt"),
            ip=address[0] if address else "",
            client=client,
            context=outer(body.get("context")) if "batch" in body else {},
            integrations=outer(body.get("integrations")) if "batch" in body else {},
            new_id=self._new_id,
        )

    def _operation(self, scope: Scope, path: str) -> HttpResponse:
        if path not in ("/healthz", "/readyz", "/openapi.json"):
            return NOT_FOUND
        if scope["method"] not in ("GET", "HEAD"):
            return GET_ONLY
        if path == "/healthz":
            return HttpResponse(200, b"ok\n", TEXT)
        if path == "/readyz":
            words = b"stopping\n" if not self.ready else b"too far behind\n" if self.behind() else b""
            return HttpResponse(503, words, TEXT) if words else HttpResponse(200, b"ready\n", TEXT)
        return HttpResponse(200, orjson.dumps(description(self._limits)))


def _preflight(headers: dict[bytes, bytes]) -> HttpResponse:
    """Allow a browser's page to send; what it asks for is allowed as far as these are names of headers."""
    asked = headers.get(b"access-control-request-headers", b"")
    return HttpResponse(
        204,
        b"",
        (
            (b"access-control-allow-methods", b"POST, OPTIONS"),
            (b"access-control-allow-headers", asked if TOKENS.fullmatch(asked) else HEADERS),
            (b"access-control-max-age", b"86400"),
            (b"vary", b"Access-Control-Request-Headers"),
        ),
    )
