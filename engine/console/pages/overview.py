"""How the connections stand, live: what waits, how fast it goes, and what became of the events of the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.console.rendering import page

if TYPE_CHECKING:
    from engine.console.site import Site

TITLE = "Overview"
PATH = "/"
ORDER = 10
needs_outbox = True


def routes(site: Site) -> list[Route]:
    """Return the page's routes."""

    async def show(request: Request) -> Response:
        return page(request, "overview.html", connections=site.connections())

    return [Route(PATH, show)]
