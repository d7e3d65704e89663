"""The form of a connection: opened, saved into its file or shown as YAML, checked with the vendor, reloaded.

There is no entry of the navigation: the form is reached from the destinations.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.console.connection_editor import (
    ConnectionPage,
    OpenedConnection,
    disabled_advice,
    literal_remarks,
    open_connection,
    open_new,
    sent_form,
    shown_page,
)
from engine.console.markdown import spans
from engine.console.security import audit
from engine.delivery.connections import sentence
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.delivery.status import CredentialsCheck, check_credentials
from engine.errors import MappingError, MappingNotFound, UsageError
from engine.pages.markdown import prose
from engine.pages.settings_table import KINDS

if TYPE_CHECKING:
    from engine.console.rendering import Rendering
    from engine.console.site import Site
    from engine.delivery.configured_connection import ConfiguredConnection

ORDER = 51
YAML_PATH = "/connection-yaml"
RELOAD_PATH = "/reload-connections"
QUESTIONS = (YAML_PATH,)
LONGEST_CHECK = 30.0
"""Seconds that a check with a vendor may take."""
BUSY = "Another check is running. Wait until it ends, and check again."
TOO_SLOW = "The vendor did not answer within {seconds:.0f} seconds."
NOT_LOADED = "This connection is not loaded, so there is nothing to check. Save it, and reload."
NO_RELOAD = "This console does not deliver, so it cannot reload. Use `engine reload`, or start the service again."


def routes(site: Site) -> list[Route]:
    """Return the form's routes; `new` is a form too, unless it is the name of a connection."""

    def show(request: Request) -> Response:
        opened = _opened(site, request.path_params["name"], request.query_params.get("destination"))
        return _page(site, request, shown_page(opened, os.environ, site.directories))

    def send(request: Request) -> Response:
        form = _form(request)
        name = request.path_params.get("name") or str(form.get("connection", ""))
        opened = _opened(site, name or "new", _text(form, "destination"))
        only_yaml = request.url.path == YAML_PATH
        if opened.only_yaml and not only_yaml:
            raise HTTPException(409, opened.only_yaml)
        typed = {key: value for key, value in form.multi_items() if isinstance(value, str) and key != "calls"}
        calls = [value for value in form.getlist("calls") if isinstance(value, str)]
        page = sent_form(opened, typed, calls, os.environ, site.directories, only_yaml=only_yaml)
        if not page.saved:
            return _page(site, request, page, status=200 if page.yaml else 409 if page.conflict else 422)
        audit(request, "connection saved", connection=page.name, file=str(site.connections_file))
        named = {"saved": "1", "literals": ",".join(page.literals), "lost": page.lost}
        return RedirectResponse(f"/connections/{quote(page.name)}?{urlencode(named)}", 303)

    return [
        Route("/connections/{name}", _answered(show)),
        Route("/connections/{name}", _answered(send), methods=["POST"]),
        Route(YAML_PATH, _answered(send), methods=["POST"]),
        Route("/connections/{name}/check", _checks(site), methods=["POST"]),
        Route(RELOAD_PATH, _reloads(site), methods=["POST"]),
    ]


def _answered(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return a handler whose errors about files and mappings become pages."""

    def answered(request: Request) -> Response:
        try:
            return handler(request)
        except MappingNotFound as error:
            raise HTTPException(404, str(error)) from error
        except (MappingError, UsageError) as error:
            rendering: Rendering = request.app.state.rendering
            return rendering.page(request, "connection_problems.html", status=422, problems=str(error).splitlines())

    return answered


def _opened(site: Site, name: str, destination: str | None) -> OpenedConnection:
    if name == "new" and destination is not None:
        return open_new(site, destination)
    return open_connection(site, name)


def _form(request: Request) -> FormData:
    form: FormData | None = request.state.form
    return FormData() if form is None else form


def _text(form: FormData, key: str) -> str | None:
    value = form.get(key)
    return value if isinstance(value, str) else None


def _page(site: Site, request: Request, page: ConnectionPage, *, status: int = 200) -> Response:
    query = request.query_params
    names = list(page.literals) or query.get("literals", "").split(",")
    response: Response = request.app.state.rendering.page(
        request,
        "connection.html",
        status=status,
        page=page,
        mapping=page.opened.loaded.mapping,
        was_saved="saved" in query,
        sent=request.method == "POST",
        lost=int(query.get("lost", "")) if query.get("lost", "").isdecimal() and len(query["lost"]) < 5 else 0,
        remarks=literal_remarks(page, names),
        advice=disabled_advice(page),
        sources=_sources(site, page),
        is_loaded=_loaded(site, page.opened.name) is not None,
        can_reload=site.reload is not None,
        kinds=KINDS,
        prose=lambda text: spans(prose(text)),
    )
    return response


def _layout(request: Request) -> dict[str, str]:
    """Return the layout of a result: a part of the page for htmx, a page of its own for a browser without scripts."""
    return {"layout": "fragment.html" if request.headers.get("hx-request") else "base.html"}


def _loaded(site: Site, name: str) -> ConfiguredConnection | None:
    return next((each for each in site.connections() if each.name == name), None)


def _sources(site: Site, page: ConnectionPage) -> list[str] | None:
    """Return the sources whose events a loaded connection gets; None for one that is not loaded, or without sources."""
    if _loaded(site, page.opened.name) is None or not site.sources():
        return None
    return [each.name for each in site.sources() if each.enabled and page.opened.name in each.connections]


def _checks(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler that asks the vendor whether it accepts the credentials, one connection at a time."""
    running = asyncio.Lock()

    async def check(request: Request) -> Response:
        name = request.path_params["name"]
        configured = _loaded(site, name)
        if configured is None:
            result = CredentialsCheck(False, NOT_LOADED)
        elif running.locked():
            result = CredentialsCheck(False, BUSY)
        else:
            async with running:
                result = await _checked(site, configured)
            audit(request, "credentials checked", connection=name, passed=result.passed)
        answer: Response = request.app.state.rendering.page(
            request, "connection_check.html", name=name, result=result, **_layout(request)
        )
        return answer

    return check


async def _checked(site: Site, configured: ConfiguredConnection) -> CredentialsCheck:
    try:
        async with asyncio.timeout(LONGEST_CHECK):
            result = await check_credentials(
                configured, DEFAULT_FILE if site.address is not None else site.outbox_file or DEFAULT_FILE
            )
            return result._replace(message=sentence(result.message))
    except TimeoutError:
        return CredentialsCheck(False, TOO_SLOW.format(seconds=LONGEST_CHECK))


def _reloads(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def reload(request: Request) -> Response:
        if site.reload is None:
            raise HTTPException(409, NO_RELOAD)
        report = await site.reload()
        audit(request, "reload asked for", result=report.get("result"))
        answer: Response = request.app.state.rendering.page(
            request, "connections_reloaded.html", report=report, **_layout(request)
        )
        return answer

    return reload
