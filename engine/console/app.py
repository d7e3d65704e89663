"""The console as an ASGI application: its pages, the login, static files, and the guard around all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from engine.console import pages
from engine.console.login import Login
from engine.console.rendering import STATIC, Rendering
from engine.console.security import ConsoleGuard
from engine.console.sessions import FailedLogins, OneTimeCode, Sessions
from engine.console.streams import Streams

if TYPE_CHECKING:
    from engine.console.access import Access
    from engine.console.site import Site

TITLES = {
    400: "Bad request",
    401: "Sign in again",
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed",
    408: "Too slow",
    409: "Changed meanwhile",
    413: "Too large",
    414: "Too long",
    421: "Wrong host",
    422: "Not accepted",
    429: "Too many requests",
    500: "Something failed",
    503: "Not available",
}
UNKNOWN = "There is no such page. It may have been removed, or the address is misspelled."
NOT_THIS_WAY = "This address cannot be used this way. Go back and use the page's own links and buttons."


class Console:
    """The console of one site, for an ASGI server; `close` ends its streams, so that the server can stop at once.

    `link` is the address to print: it signs in once, within 10 minutes.
    """

    def __init__(self, site: Site, access: Access) -> None:
        self.streams = Streams()
        self.sessions = Sessions(site.clock)
        self.code = OneTimeCode(site.clock)
        self.link = f"{access.origin}/login?code={self.code.text}"
        found = _modules(site)
        self.rendering = Rendering(site, [page for page in found if hasattr(page, "TITLE")])
        login = Login(access, self.sessions, FailedLogins(site.clock), self.rendering, self.code)
        routes = [route for page in found for route in page.routes(site)]
        if not any(route.path == "/" for route in routes):
            routes.append(Route("/", _first_page(found)))
        # No Starlette application around it: that one would word errors itself, and these are for the guard.
        self.router = Router([*routes, *login.routes(), Mount("/static", StaticFiles(directory=STATIC))])
        self.state = State({"rendering": self.rendering, "streams": self.streams})
        questions = [path for page in found for path in getattr(page, "QUESTIONS", ())]
        self.guard = ConsoleGuard(
            self.router,
            access,
            self.sessions,
            self._error_page,
            read_only=site.read_only,
            questions=["/logout", *questions],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope["app"] = self  # `request.app` of the pages
        await self.guard(scope, receive, send)

    def close(self) -> None:
        """Sign everyone out and end all streams."""
        self.streams.close()
        self.sessions.end_all()

    def _error_page(self, request: Request, status: int, message: str) -> Response:
        known = {404: UNKNOWN, 405: NOT_THIS_WAY}
        text = known[status] if status in known and message in ("Not Found", "Method Not Allowed") else message
        title = TITLES.get(status, "Error")
        return self.rendering.page(request, "error.html", status=status, code=status, title=title, message=text)


def console_app(site: Site, access: Access) -> Console:
    """Return the console of a site that is reached as `access` says."""
    return Console(site, access)


def _modules(site: Site) -> list[ModuleType]:
    """Return the modules of the pages that this site has, in the order of the navigation."""
    names = sorted(each.name for each in iter_modules(pages.__path__))
    found = [import_module(f"{pages.__name__}.{name}") for name in names]
    lacking = ["needs_outbox"] * (site.outbox_file is None) + ["needs_file"] * (site.address is not None)
    usable = [page for page in found if not any(getattr(page, need, False) for need in lacking)]
    return sorted(usable, key=lambda page: getattr(page, "ORDER", 0))


def _first_page(found: list[ModuleType]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `/` for a console without the overview: it leads to the first page there is."""
    path = next((page.PATH for page in found if hasattr(page, "TITLE")), None)

    async def first(request: Request) -> Response:  # noqa: ARG001
        if path is None:
            raise HTTPException(404, UNKNOWN)
        return RedirectResponse(path, 303)

    return first
