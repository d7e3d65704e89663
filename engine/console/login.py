"""The login page, the one-time link, and signing out.

The link that is printed at the start carries a code and never the token, because addresses end up in histories, logs
and screenshots. It works once; from then on the page asks for the token.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.console.security import NAME
from engine.console.sessions import FailedLogins, OneTimeCode, Sessions, same

if TYPE_CHECKING:
    from engine.console.access import Access
    from engine.console.rendering import Rendering

WRONG_TOKEN = "This is not the token. It is the one that the console printed when it started, or WAYBILL_ADMIN_TOKEN."  # noqa: S105
USED_CODE = "This link has been used, or is older than 10 minutes. Sign in with the token instead."
TOO_MANY = "Too many failed logins. Try again in {seconds} seconds."

logger = logging.getLogger(NAME)


class Login:
    """Signs in and out; `code` is the one-time code of the printed link, None if no link is printed."""

    def __init__(
        self,
        access: Access,
        sessions: Sessions,
        failed: FailedLogins,
        rendering: Rendering,
        code: OneTimeCode | None = None,
    ) -> None:
        self._access, self._sessions, self._failed = access, sessions, failed
        # Of their own: pages of other sites can make a browser open wrong links, and must not lock the token out.
        self._failed_codes = failed.another()
        self._rendering, self._code = rendering, code

    def routes(self) -> list[Route]:
        """Return the routes of the login page and of signing out."""
        return [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._sign_in, methods=["POST"]),
            Route("/logout", self._sign_out, methods=["POST"]),
            Route("/session", self._signed_in, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        code = request.query_params.get("code")
        if code is None:
            return self._page(request)
        if wait := self._failed_codes.wait(_address(request)):
            return self._too_many(request, wait)
        if self._code is None or not self._code.use(code):
            return self._refused(request, self._failed_codes, "code", USED_CODE)
        return self._welcome(request)

    async def _sign_in(self, request: Request) -> Response:
        if wait := self._failed.wait(_address(request)):
            return self._too_many(request, wait)
        token = request.state.form.get("token") if request.state.form is not None else None
        if not isinstance(token, str) or not same(token.strip(), self._access.token):
            return self._refused(request, self._failed, "token", WRONG_TOKEN)
        return self._welcome(request)

    async def _sign_out(self, request: Request) -> Response:
        self._sessions.end(request.cookies.get(self._access.cookie, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(self._access.cookie, secure=self._access.secure, httponly=True, samesite="strict")
        return response

    async def _signed_in(self, request: Request) -> Response:  # noqa: ARG002
        """Tell a page that lost its stream that the session still stands; the guard answers where it does not."""
        return Response(status_code=204)

    def _welcome(self, request: Request) -> Response:
        """Start a session and go on to the page that was asked for.

        By a page that refreshes itself, not by a redirect: after a link in another site's page the browser would keep
        a SameSite=Strict cookie back until our own page asks.
        """
        self._sessions.end(request.cookies.get(self._access.cookie, ""))
        identifier, session = self._sessions.start()
        logger.info("signed in", extra={"fields": {"session": session.number, "address": _address(request)}})
        response = HTMLResponse("", headers={"refresh": f"0;url={_next(request)}"})
        response.set_cookie(
            self._access.cookie, identifier, secure=self._access.secure, httponly=True, samesite="strict", path="/"
        )
        return response

    def _refused(self, request: Request, failed: FailedLogins, what: str, message: str) -> Response:
        failed.add(_address(request))
        logger.warning("login failed", extra={"fields": {"address": _address(request), "with": what}})
        return self._page(request, message, 403)

    def _too_many(self, request: Request, wait: float) -> Response:
        seconds = math.ceil(wait)
        response = self._page(request, TOO_MANY.format(seconds=seconds), 429)
        response.headers["retry-after"] = str(seconds)
        return response

    def _page(self, request: Request, message: str = "", status: int = 200) -> HTMLResponse:
        return self._rendering.page(request, "login.html", status=status, message=message, next=_next(request))


def _next(request: Request) -> str:
    """Return the page to go on to: a path of the console, whatever the address says."""
    wanted = request.query_params.get("next", "/")
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and wanted.startswith("/") and not wanted.startswith("//") else "/"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
