"""Who may ask: the project, then the key (reference/tracking-api-authorization-errors, technical-information).

Public access: `Authorization: Token <key>` or `?access_token=`, tracking only.  Private access:
`Authorization: Basic <id:secret>`, everything.
"""

from __future__ import annotations

import base64
import binascii

from engine.sandbox.exchange import Incoming, Refusal
from engine.sandbox.pacing import RateLimit
from engine.sandbox.vendors.exponea.errors import general, refuse
from engine.sandbox.vendors.exponea.settings import Settings


class Access:
    """Checks credentials against the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)

    def check(self, incoming: Incoming, project: str, *, private: bool = False) -> None:
        """Refuse whoever may not ask."""
        # The real limit counts requests of an IP address; here all come from one.
        if self._limit.wait("", incoming.now):
            raise Refusal(general(429))
        self._check_project(project)
        scheme, _, credentials = incoming.headers.get("authorization", "").partition(" ")
        if not scheme and "access_token" in incoming.query:
            scheme, credentials = "token", incoming.query["access_token"]
        if scheme.lower() == "basic":
            self._check_private(credentials)
        elif scheme.lower() != "token" or not credentials:
            raise refuse(401, "error", "Access key not provided")
        elif credentials not in self._settings.public_keys:
            raise refuse(401, "error", "access key not found")
        elif private:
            # [I] "Only some methods" take a public key; how the others refuse it is not documented.
            raise refuse(403, "error", "private access required")

    def _check_project(self, project: str) -> None:
        if project == self._settings.project_token:
            return
        # [I] Both texts are documented for "a bad or malformed token"; which is which is not.
        malformed = not project.replace("-", "").replace("_", "").isalnum()
        raise refuse(400, "error", "Invalid project id" if malformed else "Could not authenticate")

    def _check_private(self, credentials: str) -> None:
        try:
            key, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise refuse(401, "error", "Access key not provided") from None
        if key not in self._settings.private_keys:
            raise refuse(401, "error", "access key not found")
        if secret != self._settings.private_keys[key]:
            raise refuse(403, "error", "invalid secret")
