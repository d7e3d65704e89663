"""Who may ask: a bearer token, or the same in the query or a cookie; and how often."""

from __future__ import annotations

from engine.sandbox.exchange import Incoming
from engine.sandbox.pacing import RateLimit
from engine.sandbox.vendors.extole.errors import ExtoleError
from engine.sandbox.vendors.extole.settings import Settings

COOKIES = ("extole_token", "access_token")  # the API description names the first, the prose the second


class Access:
    """Checks tokens and rates against the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)
        self._person_limit = RateLimit(settings.rate_limit_per_person)

    def check(self, incoming: Incoming) -> None:
        """Refuse a token that is missing, unknown, expired or without the right."""
        token = _token(incoming)
        if not token:
            raise ExtoleError("missing_access_token")
        if token in self._settings.expired_tokens:
            raise ExtoleError("expired_access_token")
        if token in self._settings.unscoped_tokens:
            raise ExtoleError("scopes_denied")
        if token not in self._settings.access_tokens:
            raise ExtoleError("invalid_access_token")
        if "async-events" not in incoming.path and self._limit.wait(token, incoming.now):
            raise ExtoleError("too_many_requests")

    def check_person(self, person: str, now: float) -> None:
        """Refuse more than a person may do in a second."""
        if self._person_limit.wait(person, now):
            raise ExtoleError("too_many_requests")


def _token(incoming: Incoming) -> str:
    scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if "access_token" in incoming.query:
        return incoming.query["access_token"]
    pairs = (pair.strip().partition("=") for pair in incoming.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name in COOKIES), "")
