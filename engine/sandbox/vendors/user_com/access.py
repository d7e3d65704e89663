"""Who may ask: `Authorization: Token <key>`, a key that is not revoked, a domain that is trusted."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.sandbox.exchange import Incoming, Refusal
from engine.sandbox.pacing import RateLimit
from engine.sandbox.vendors.user_com.errors import NO_CREDENTIALS, NOT_TRUSTED, refuse, throttled
from engine.sandbox.vendors.user_com.settings import Settings


class Access:
    """Checks keys, domains and rates against the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)

    def check(self, incoming: Incoming) -> None:
        """Refuse whoever may not ask."""
        scheme, _, key = incoming.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "token" or not key:
            raise refuse(401, NO_CREDENTIALS)
        if key in self._settings.revoked_keys:
            raise refuse(403)
        if key not in self._settings.api_keys:
            raise refuse(401)
        if not self._trusts(incoming):
            raise refuse(403, NOT_TRUSTED)
        wait = self._limit.wait(key, incoming.now)
        if wait:
            raise Refusal(throttled(wait))

    def _trusts(self, incoming: Incoming) -> bool:
        # [I] The page says only "the domain the request comes from"; a browser says it in Origin or Referer.
        origin = incoming.headers.get("origin") or incoming.headers.get("referer")
        trusted = self._settings.trusted_domains
        return not trusted or not origin or urlsplit(origin).hostname in trusted
