"""The mappings and who uses them, and the page of each: what `engine docs MAPPING` prints, in the console's design."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.console.destinations import destination_list, named_mapping, problem_texts, users
from engine.console.markdown import blocks
from engine.errors import MappingNotFound
from engine.pages.page import destination_page

if TYPE_CHECKING:
    from engine.console.rendering import Rendering
    from engine.console.site import Site

TITLE = "Destinations"
PATH = "/destinations"
ORDER = 50


def routes(site: Site) -> list[Route]:
    """Return the list and the page of a mapping."""

    def show_all(request: Request) -> Response:
        rendering: Rendering = request.app.state.rendering
        return rendering.page(request, "destinations.html", found=destination_list(site))

    def show(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            loaded = named_mapping(site, name)
        except MappingNotFound as error:
            raise HTTPException(404, str(error)) from error
        problems = problem_texts(loaded)
        rendering: Rendering = request.app.state.rendering
        return rendering.page(
            request,
            "destination.html",
            name=name,
            title=loaded.mapping.title if loaded.readable else name,
            file=loaded.path,
            used_by=users(site, name, loaded.path),
            problems=[each.splitlines() for each in problems],
            blocks=() if problems else list(blocks(destination_page(loaded))),
        )

    return [Route(PATH, show_all), Route(f"{PATH}/{{name}}", show)]
