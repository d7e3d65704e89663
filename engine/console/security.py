"""What every request to the console passes first: whose it is, how large it is, and whether it may change anything.

It is one ASGI application around the pages, so that no page can forget it. In this order: the Host (against names of
other sites that lead here), the size, the session, and for changes the origin, the token of the session's forms, and
read-only mode. On the way back each response gets the headers that keep a page from loading or running anything that
is not the console's own. Whatever fails becomes a page that says what to do.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

import python_multipart  # noqa: F401  Starlette reads forms with it, and would miss it at the first form only
from starlette.datastructures import FormData, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.console.sessions import same
from engine.records import Json

if TYPE_CHECKING:
    from engine.console.access import Access
    from engine.console.sessions import Session, Sessions

NAME = "waybill.console"
MOST_BODY_BYTES = 2 * 1024 * 1024
MOST_LOGIN_BYTES = 8 * 1024
"""Of a request without a session, since anyone may send it: to read 2 MB of `%` as a form takes 5 s."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive: one that never ends would hold its connection for good."""
MOST_QUERY_BYTES = 8 * 1024
MOST_FIELDS = 100
MOST_FILES = 2
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
FRAMES = ("iframe", "frame", "embed", "object", "fencedframe")
HARMLESS = ("GET", "HEAD")
OPEN_PATHS = ("/login", "/static/")
"""Paths that need no session: how to sign in, and what that page is made of."""
KEPT = "public, max-age=31536000, immutable"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
WRONG_HOST = "The console does not answer to the host {host}. Open it by the address that it printed when it started."
LONG_QUERY = "The address is longer than {limit} bytes. Shorten the search."
SLOW_BODY = "The request did not arrive within {seconds:g} seconds. Send it again."
LARGE_BODY = "The request is larger than {limit} bytes."
BAD_FORM = "The form cannot be read: it has more than {limit} fields, or is damaged. Go back and send it again."
OTHER_SITE = "The request came from a page of another site. Open the console itself and do it there."
NO_TOKEN = "The form is from an earlier session, or not from the console. Go back, reload the page and send it again."  # noqa: S105
READ_ONLY = "The console is read-only, so nothing was changed. Use `engine outbox`, or the console of `engine serve`."
FAILED = "The console could not show this. The log says why."

logger = logging.getLogger(NAME)
ErrorPage = Callable[[Request, int, str], Response]


class ConsoleGuard:
    """Passes on the requests of people who are signed in; `questions` are paths whose POST changes nothing."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        sessions: Sessions,
        error_page: ErrorPage,
        *,
        read_only: bool,
        questions: Iterable[str] = (),
    ) -> None:
        self._app, self._access, self._sessions = app, access, sessions
        self._error_page, self._read_only, self.questions = error_page, read_only, frozenset(questions)
        self.body_seconds = BODY_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        state = scope.setdefault("state", {})
        state["nonce"], state["session"], state["form"], state["audit"] = secrets.token_urlsafe(16), None, None, None
        started = _Started(scope, send)
        try:
            await self._guarded(Request(scope, receive), started)
        except HTTPException as error:
            response = self._error_page(Request(scope), error.status_code, error.detail)
            response.headers.update(error.headers or {})
            await response(scope, receive, started)
        except Exception:
            logger.exception("page failed", extra={"fields": {"method": scope["method"], "path": scope["path"][:200]}})
            if started.begun:
                raise
            await self._error_page(Request(scope), 500, FAILED)(scope, receive, started)

    async def _guarded(self, request: Request, send: _Started) -> None:
        self._check_host(request)
        _check_reader(request)
        if len(request.scope.get("query_string", b"")) > MOST_QUERY_BYTES:
            raise HTTPException(414, LONG_QUERY.format(limit=MOST_QUERY_BYTES))
        request.state.session = self._session(request)
        if request.state.session is None and not request.url.path.startswith(OPEN_PATHS):
            await self._sign_in(request)(request.scope, request.receive, send)
            return
        receive = request.receive
        if request.method not in HARMLESS:
            body = await self._body_in_time(request)
            receive = _replay(body)
            await self._check_change(Request(request.scope, _replay(body)))
        try:
            await self._app(request.scope, receive, send)
        finally:
            if request.state.form is not None:
                await request.state.form.close()
        if request.method not in HARMLESS:
            _audit(request, send.status, is_question=request.url.path in self.questions)

    async def _body_in_time(self, request: Request) -> bytes:
        most = MOST_LOGIN_BYTES if request.state.session is None else MOST_BODY_BYTES
        try:
            async with asyncio.timeout(self.body_seconds):
                return await _body(request, most)
        except TimeoutError:
            raise HTTPException(408, SLOW_BODY.format(seconds=self.body_seconds), {"connection": "close"}) from None

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._access.knows(host, request.scope.get("server")):
            raise HTTPException(421, WRONG_HOST.format(host=f'"{host[:100]}"'))

    def _session(self, request: Request) -> Session | None:
        # As browsers read cookies: those of other ports come too, and no strange one may hide ours.
        identifier = request.cookies.get(self._access.cookie)
        return None if identifier is None else self._sessions.find(identifier)

    @staticmethod
    def _sign_in(request: Request) -> Response:
        """Send a browser to the login page, and tell scripts that they have to."""
        if request.headers.get("hx-request") or request.method not in HARMLESS or _wants_stream(request):
            return Response("Sign in again.", 401, {"hx-redirect": "/login"})
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A link on another site: SameSite=Strict holds the cookie back, and going on from our own page brings it.
            return Response(status_code=200, headers={"refresh": f"0;url={_here(request)}"})
        return RedirectResponse(login_path(request.url.path, request.url.query), 303)

    async def _check_change(self, request: Request) -> None:
        """Refuse what no page of ours has sent; the form, if there is one, is then in `request.state.form`."""
        origin = request.headers.get("origin")
        same_origin = origin is None or origin == self._access.origin_of(request.headers["host"])
        if not same_origin or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, OTHER_SITE)
        if "form" in request.headers.get("content-type", "").lower():
            request.state.form = await _form(request)
        session: Session | None = request.state.session
        if session is None:  # the login form, whose token is the password
            return
        form: FormData | None = request.state.form
        given = request.headers.get(CSRF_HEADER) or (form.get(CSRF_FIELD) if form is not None else "")
        if not isinstance(given, str) or not same(given, session.csrf):
            raise HTTPException(403, NO_TOKEN)
        if self._read_only and request.url.path not in self.questions:
            raise HTTPException(403, READ_ONLY)


class _Started:
    """Sends a response with the headers of every response; knows whether it has begun, and its status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.begun, self.status = False, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers["content-security-policy"] = POLICY.format(nonce=self._scope["state"]["nonce"])
            headers["cache-control"] = KEPT if self._has_digest() else "no-store"
        await self._send(message)

    def _has_digest(self) -> bool:
        """Whether a static file is asked for under an address that changes with it."""
        return (
            self.status == 200 and self._scope["path"].startswith("/static/") and b"v=" in self._scope["query_string"]
        )


def login_path(path: str, query: str = "") -> str:
    """Return the address of the login page that leads back to a page afterwards."""
    wanted = f"{path}?{query}" if query else path
    return "/login" if wanted == "/" else f"/login?next={quote(wanted[:1000], safe='/')}"


def audit(request: Request, what: str, **fields: Json) -> None:
    """Say what a change was, for its line in the log: `audit(request, "resumed", connection="shop")`."""
    request.state.audit = (what, fields)


def _audit(request: Request, status: int, *, is_question: bool) -> None:
    """Write the line of a change; one that its page said nothing about has its address.

    A question, such as each pause while somebody types in the playground, has none: the changes would be lost among
    them.
    """
    session: Session | None = request.state.session
    what, fields = request.state.audit or (None, {})
    if what is None and (session is None or is_question or status >= 400):  # a failed login has its own line
        return
    who: dict[str, Json] = {
        "session": session.number if session else None,
        "address": request.client.host if request.client else "",
        "method": request.method,
        "path": request.url.path[:200],
        "status": status,
    }
    logger.info(what or "request", extra={"fields": {**who, **fields}})


def _check_reader(request: Request) -> None:
    """Refuse what pages of other sites and ports load, such as images and streams; links lead here all the same.

    They could read no answer, but a stream that they open is one less for the console's own pages.
    """
    headers = request.headers
    other = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if other and (headers.get("sec-fetch-mode", "navigate") != "navigate" or headers.get("sec-fetch-dest") in FRAMES):
        raise HTTPException(403, OTHER_SITE)


async def _body(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and float(length) > most:
        raise HTTPException(413, LARGE_BODY.format(limit=most))
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise HTTPException(413, LARGE_BODY.format(limit=most))
        pieces.append(piece)
    return b"".join(pieces)


def _replay(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _form(request: Request) -> FormData:
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_BODY_BYTES)
    except (HTTPException, ValueError) as error:
        raise HTTPException(400, BAD_FORM.format(limit=MOST_FIELDS)) from error
    if len(form) > MOST_FIELDS:
        raise HTTPException(400, BAD_FORM.format(limit=MOST_FIELDS))
    return form


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _here(request: Request) -> str:
    """Return the path of a request as an address on this host: `//name` would be the host of somebody else."""
    path = quote("/" + request.url.path.lstrip("/"))
    return f"{path}?{request.url.query}" if request.url.query else path
