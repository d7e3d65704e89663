"""Keeps pages of other sites away from the control API, which needs no credentials.

A browser on this machine can reach the sandbox, so any page it shows could.  A page of another site gives itself away
by `Origin` or `Sec-Fetch-Site`.  One that has its own name lead to this machine (DNS rebinding) passes as the same
site, but by a name in `Host` that is not the sandbox's.  The vendors' paths are open, as the vendors' are.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

WRONG_HOST = (
    "The control API does not answer to the host {host}. Use localhost, or the address that the sandbox listens on."
)
CROSS_SITE = "The control API does not answer to pages of other sites."
HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}


class SameOriginOnly:
    """Passes on requests for the sandbox's own host that no page of another site has sent; refuses others with 403."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Guard `app`; `host` is the name or address that was given to listen on."""
        self._app = app
        self._host = host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refused = self._refusal(scope)
        if refused:
            response = Response(orjson.dumps({"error": refused}), 403, HEADERS, "application/json")
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self._known(_hostname(host), scope):
            return WRONG_HOST.format(host=host[:100] or '""')
        origin = headers.get(b"origin")
        same = origin is None or origin.lower() == f"{scope['scheme']}://{host}".lower()
        return "" if same and headers.get(b"sec-fetch-site", "none") in ("none", "same-origin") else CROSS_SITE

    def _known(self, name: str, scope: Scope) -> bool:
        """Whether a name in `Host` is the sandbox's: the loopback, or where this connection or the port arrived."""
        if not name:
            return False
        server = scope.get("server") or ("",)
        return name in ("localhost", self._host, server[0]) or _is_loopback(name)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
