"""The token endpoint of a mapping with `oauth2` (RFC 6749): client credentials and refresh tokens, as connected."""

from __future__ import annotations

from base64 import b64decode
from collections import deque
from random import Random
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from engine.language.bodies import revealed
from engine.plan import Connection
from engine.records import Json
from engine.sandbox.generic.bodies import Unreadable, parsed
from engine.sandbox.http_messages import VendorRequest, VendorResponse, segments_of

LIFETIME = 3600
MOST_TOKENS = 1000
"""Access tokens that are accepted: the newest."""
SECRET_PATH = "/oauth2/token"  # noqa: S105  instead of one that is a credential itself


class TokenEndpoint:
    """Issues access tokens to a connection's client, and knows those it issued."""

    def __init__(self, connection: Connection, path: str, random: Random) -> None:
        assert connection.compiled.oauth2 is not None
        self._given = connection.compiled.oauth2([])
        self._segments = segments_of(path)
        self._random = random
        self._issued: deque[str] = deque(maxlen=MOST_TOKENS)

    def has(self, segments: tuple[str, ...]) -> bool:
        """Whether a path is the token endpoint's."""
        return segments == self._segments

    def accepts(self, authorization: str) -> bool:
        """Whether an `Authorization` header has a token that was issued."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and token in self._issued

    def respond(self, request: VendorRequest) -> VendorResponse:
        """Answer a request for a token."""
        try:
            form = parsed(request.body, "form")
        except Unreadable:
            form = None
        if request.method != "POST" or not isinstance(form, dict):
            return _refused(400, "invalid_request", "A token is asked for by a POST with a form.")
        if form.get("grant_type") != self._text("grant"):
            return _refused(400, "unsupported_grant_type", f"The mapping says {self._text('grant')}.")
        if self._client(request, form) != (self._text("client_id"), self._text("client_secret")):
            return _refused(401, "invalid_client", "The client's id or secret is not that of the settings.")
        for word in ("scope", "audience", "refresh_token"):
            if self._text(word) and form.get(word) != self._text(word):
                return _refused(400, f"invalid_{word}", f"{word} is not that of the mapping and its settings.")
        token = f"sandbox-{self._random.getrandbits(128):032x}"
        self._issued.append(token)
        return VendorResponse(200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME})

    def _text(self, word: str) -> str:
        return revealed(self._given[word] or "")

    def _client(self, request: VendorRequest, form: dict[str, Json]) -> tuple[Any, Any]:
        if self._given["auth"] != "header":
            return form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            pair = b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
        except ValueError:
            pair = ""
        user, _, password = pair.partition(":")
        return unquote_plus(user), unquote_plus(password)


def token_path(connection: Connection) -> str:
    """Return the path of a connection's token endpoint below its vendor, '' without `oauth2`."""
    oauth2 = connection.compiled.oauth2
    if oauth2 is None:
        return ""
    url = revealed(oauth2([])["token_url"])
    return SECRET_PATH if connection.secrets.mask(url) != url else urlsplit(url).path or SECRET_PATH


def _refused(status: int, error: str, description: str) -> VendorResponse:
    return VendorResponse(status, {"error": error, "error_description": description})
