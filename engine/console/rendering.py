"""Pages from templates: everything is escaped, and a name that a template misspells is an error.

Events, answers of vendors and mappings are written by others, so a template cannot switch escaping off, except for SVG
that our own code made of numbers and that `Markup` marks. What people see of a text is what `visible` makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from engine.console.wording import ago, clock, lines, moment, number, seconds, shown, utc
from engine.records import Json

if TYPE_CHECKING:
    from engine.console.site import Site

HERE = Path(__file__).parent
STATIC = HERE / "static"
HTMX = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "historyEnabled": False,
    "historyCacheSize": 0,
    "selfRequestsOnly": True,
    "defaultSwapStyle": "outerHTML",
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": False, "error": True},
    ],
}
"""What htmx may do: no code from texts, no request to others, and no copy of a page in the browser's storage."""


def page(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """Return a page of the console that serves this request."""
    rendering: Rendering = request.app.state.rendering
    return rendering.page(request, template, status=status, **values)


def part(request: Request, template: str, **values: object) -> str:
    """Return the text of a part of a page, for a stream of the console that serves this request."""
    rendering: Rendering = request.app.state.rendering
    return rendering.text(request, template, **values)


class Rendering:
    """Renders the templates of one console; `pages` are the modules of the navigation, in its order."""

    def __init__(self, site: Site, pages: Sequence[ModuleType] = ()) -> None:
        self._site, self._pages = site, tuple(pages)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"visible": shown, "number": number, "seconds": seconds, "utc": utc, "clock": clock}
        self._templates.filters |= {"json_data": json_data, "moment": moment, "lines": lines}
        self._templates.filters["ago"] = lambda when: ago(when, site.clock())
        self._templates.globals |= {"static": static_path}

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(self.text(request, template, **values), status)

    def text(self, request: Request, template: str, **values: object) -> str:
        """Return the text of a page or of a part of one."""
        return self._templates.get_template(template).render(**self._common(request), **values)

    def _common(self, request: Request) -> dict[str, object]:
        session = request.state.session
        return {
            "site": self._site,
            "read_only": self._site.read_only,
            "navigation": self._pages if session else (),
            "path": request.url.path,
            "session": session,
            "csrf": session.csrf if session else "",
            "nonce": request.state.nonce,
            "htmx_config": orjson.dumps(HTMX).decode(),
            "now": self._site.clock(),
        }


def json_data(value: Json) -> Markup:
    """Return JSON for a `<script type="application/json">`, which no text in it can end."""
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  escaped above


@cache
def _digest(path: Path, _changed: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def static_path(name: str) -> str:
    """Return the address of a static file; it has the file's digest, so that browsers keep it until it changes."""
    path = STATIC / name
    return f"/static/{name}?v={_digest(path, path.stat().st_mtime_ns)}"
