"""The documentation: the list of its pages, and each page, as `engine docs` prints them."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.console.documentation import INDEX, documentation_page, heading_anchor, page_names, pictures
from engine.console.rendering import page
from engine.console.site import Site

TITLE = "Docs"
PATH = "/docs"
ORDER = 60


def routes(site: Site) -> list[Route]:  # noqa: ARG001  every console has the same pages
    """Return the list of the pages, and a page."""

    def show(request: Request) -> Response:
        name = request.path_params.get("name", INDEX)
        if name != INDEX and name not in page_names():
            raise HTTPException(404, "The documentation has no such page. Docs lists all of them.")
        found = documentation_page(name)
        title = "".join(each.text for each in found[0].spans)
        return page(request, "documentation.html", name=name, title=title, blocks=found, anchor=heading_anchor)

    def picture(request: Request) -> Response:
        return FileResponse(pictures()[request.url.path.removeprefix(f"{PATH}/")])

    shown = [Route(f"{PATH}/{path}", picture) for path in pictures()]
    return [Route(PATH, show), *shown, Route(f"{PATH}/{{name}}", show)]
