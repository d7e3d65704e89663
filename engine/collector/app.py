"""The collector as a plain ASGI application; a framework would add nothing but time between server and handler.

A request passes through: write key, body, events, disk, 200.  Whatever is wrong with it raises `RequestRefused`, which
carries the response; any other failure is a 5xx, after which clients send the request again.

Back-pressure: delivery may be slower than the clients for hours, so each stage has a bound, and what exceeds it is
answered 429 or 503 with Retry-After, which leaves the events with the clients. The cheap checks come first. Before a
body is read: `behind` (too many unfinished events of a connection in the outbox) and `GroupCommit.full` (too many bytes
waiting for the disk). While it is read: the bytes of all bodies in progress, counted by `BodyReader`. Last, a stream
that is full (429), or an outbox that cannot be written (503). Nothing is awaited between the end of `BodyReader.pieces`
and `GroupCommit.commit`, so one of the two counts a request at any time; keep it that way, or memory has no bound.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from uuid import uuid4

import orjson
from starlette.types import Receive, Scope, Send

from engine.collector.body import BodyReader, ClientDisconnected, parse_body
from engine.collector.discard_copies import DiscardCopies
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import NAME, CollectorObserver
from engine.collector.openapi import CALLS, description
from engine.collector.responses import (
    ACCEPTED,
    CollectorLimits,
    Headers,
    HttpResponse,
    RequestRefused,
    retry_later,
    unauthorized,
)
from engine.collector.shaping import Arrival, shape_body
from engine.collector.sources import EventSource, WriteKeys, basic_key
from engine.delivery.intake import iso
from engine.delivery.outbox.base import OutboxError
from engine.events.batches import object_or_empty
from engine.records import JsonObject
from engine.stream.errors import StreamFull

ANY_ORIGIN = (b"access-control-allow-origin", b"*")
ORIGIN = re.compile(rb"null|[a-z][a-z0-9+.-]{0,30}://[!-~]{1,300}")
ALLOWED_HEADERS = b"authorization, content-type, content-encoding, x-retry-count"
HEADER_NAMES = re.compile(rb"[A-Za-z0-9_, -]{1,500}")
TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)
NOT_FOUND = RequestRefused(404, "not_found", "Unknown path. /openapi.json lists all paths, such as /v1/batch.").response
POST_ONLY = RequestRefused(405, "method_not_allowed", "Use POST.", headers=((b"allow", b"POST, OPTIONS"),)).response
GET_ONLY = RequestRefused(405, "method_not_allowed", "Use GET.", headers=((b"allow", b"GET, HEAD"),)).response
NO_SUCH_CALL = {404: "not_found", 405: "method_not_allowed"}
LONGEST_PATH = 200
"""Characters of an unknown path that are logged."""
PREFLIGHT = 204
INTERNAL_ERROR = RequestRefused(500, "internal_error", "The collector failed. Send the request again.").response

logger = logging.getLogger(NAME)


class Collector:
    """Receives calls.

    `keys`: who may send, which a reload replaces; `discards`: copies of what is discarded, in which `secrets` are
    masked; `ready`: whether it is not stopping; `behind`: whether too many events wait for delivery.
    """

    def __init__(
        self,
        keys: WriteKeys,
        group_commit: GroupCommit,
        observer: CollectorObserver,
        *,
        limits: CollectorLimits | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        behind: Callable[[], bool] = lambda: False,
        secrets: Iterable[str] = (),
    ) -> None:
        self.keys, self._group_commit, self._observer = keys, group_commit, observer
        self._limits = limits or CollectorLimits()
        self._bodies = BodyReader(self._limits)
        self._clock, self._new_id = clock, new_id
        self.ready = True
        self.behind = behind
        group_commit.on_commit = observer.kept
        self.discards = DiscardCopies(group_commit, secrets, observer.copies_lost, clock)

    def stop(self, seconds: float) -> None:
        """Report not ready, and give bodies that are still arriving at most these seconds."""
        self.ready = False
        self._bodies.shorten_timeouts(seconds)

    async def close(self) -> None:
        """Write everything that is pending."""
        await self.discards.close()
        await self._group_commit.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path = scope["path"].rstrip("/")
        call = CALLS.get(path)
        try:
            response = await self._call(scope, receive, call) if call else self._operation(scope, path)
        except ClientDisconnected:
            return
        if (code := NO_SUCH_CALL.get(response.status)) is not None:
            self._observer.refused(code, method=scope["method"], path=path[:LONGEST_PATH])
        start = {"type": "http.response.start", "status": response.status}
        length = [(b"content-length", str(len(response.body)).encode())] if response.status != PREFLIGHT else []
        await send({**start, "headers": [*response.headers, *_cross_origin(scope, response), *length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else response.body})

    async def _call(self, scope: Scope, receive: Receive, call: str) -> HttpResponse:
        if scope["method"] == "OPTIONS":
            return _preflight(dict(scope["headers"]))
        if scope["method"] != "POST":
            return POST_ONLY
        began = time.perf_counter()
        response = await self._response(scope, receive, call)
        self._observer.answered(call, response.status, time.perf_counter() - began)
        return response

    async def _response(self, scope: Scope, receive: Receive, call: str) -> HttpResponse:
        sender: JsonObject = {"source": "", "client": (scope.get("client") or ("",))[0]}
        try:
            await self._collect(scope, receive, call, sender)
        except RequestRefused as refused:
            if refused.response.status != 401:  # `_source` counts those, with the reason
                self._observer.refused(refused.code, reason=str(refused), **sender)
            return refused.response
        except StreamFull as error:
            self._observer.refused("stream_full", reason=str(error), **sender)
            message = "There is no room for more events. Send the request again later."
            return retry_later(429, "too_many_requests", message, self._limits.retry_after).response
        except OutboxError as error:
            self._observer.refused("outbox_error", reason=str(error), **sender)
            message = "The events could not be stored. Send the request again."
            return retry_later(503, "unavailable", message, self._limits.retry_after).response
        except ClientDisconnected:
            raise
        except Exception:
            logger.exception("request failed")
            return INTERNAL_ERROR
        return ACCEPTED

    async def _collect(self, scope: Scope, receive: Receive, call: str, sender: JsonObject) -> None:
        """Store the events of a call; `sender` gets its source's name, for the log."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        key = basic_key(headers.get(b"authorization"))
        source = None if key is None else self._source(key, sender)
        if self._group_commit.full() or self.behind():
            text = "Too many events are waiting for delivery. Send the request again later."
            raise retry_later(429, "too_many_requests", text, self._limits.retry_after)
        with self._bodies.pieces() as pieces:
            raw = await self._bodies.read(receive, headers, pieces)
            encoding = headers.get(b"content-encoding", b"")
            body = parse_body(raw, encoding, self._limits)
            if body.reports:
                self._observer.repaired("; ".join(report.message for report in body.reports), **sender)
            if source is None:
                key_in_body = body.value.get("writeKey")
                source = self._source(key_in_body if isinstance(key_in_body, str) else "", sender)
            arrival = self._arrival(scope, body.value, client=key is None or b"origin" in headers)
            shaped = shape_body(body, call, source.name, arrival, self._limits)
            del raw, body
        self._observer.received(source.name, len(shaped.events), shaped.discards)
        self.discards.add(source.name, shaped.discards)
        shaped.discards.clear()  # they hold events as they came, whose memory nothing counts
        await self._group_commit.commit(shaped.events, source.connections)

    def _source(self, key: str, sender: JsonObject) -> EventSource:
        source = self.keys.source(key) if key else None
        sender["source"] = source.name if source else ""
        if source is None or not source.enabled:
            self._observer.refused("source_disabled" if source else "unknown_source", **sender)
            raise unauthorized()
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
            context=object_or_empty(body.get("context")) if "batch" in body else {},
            integrations=object_or_empty(body.get("integrations")) if "batch" in body else {},
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
            problem = b"stopping\n" if not self.ready else b"too far behind\n" if self.behind() else b""
            return HttpResponse(503, problem, TEXT) if problem else HttpResponse(200, b"ready\n", TEXT)
        return HttpResponse(200, orjson.dumps(description(self._limits)))


def _cross_origin(scope: Scope, response: HttpResponse) -> Headers:
    """Let a page of any origin have the response; named, so that beacons pass, which browsers send with credentials.

    That is safe because nothing is done for whoever the browser's user is: cookies are neither set nor read, and only a
    write key lets a request in.
    """
    given = dict(scope["headers"])
    origin = given.get(b"origin", b"")
    varies = [b"Origin"] + [b"Access-Control-Request-Headers"] * (response.status == PREFLIGHT)
    vary = (b"vary", b", ".join(varies))
    if not ORIGIN.fullmatch(origin):
        return (ANY_ORIGIN, vary)
    return ((b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true"), vary)


def _preflight(headers: dict[bytes, bytes]) -> HttpResponse:
    """Let pages of any origin send; the headers they ask for are allowed if they look like names of headers."""
    requested = headers.get(b"access-control-request-headers", b"")
    return HttpResponse(
        PREFLIGHT,
        b"",
        (
            (b"access-control-allow-methods", b"POST, OPTIONS"),
            (b"access-control-allow-headers", requested if HEADER_NAMES.fullmatch(requested) else ALLOWED_HEADERS),
            (b"access-control-max-age", b"86400"),
        ),
    )
