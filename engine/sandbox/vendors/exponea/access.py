"""The emulated project: access control, settings, and Exponea's error messages.

Source: Exponea's reference/tracking-api-authorization-errors and technical-information.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.records import Json
from engine.sandbox.emulator import RateLimit
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse


class ExponeaAccess:
    """Checks projects, credentials and the rate limit."""

    def __init__(self, settings: ExponeaSettings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)

    def check(self, request: VendorRequest, project: str, *, private: bool = False) -> None:
        """Refuse a request without access."""
        # The real limit is per IP address; here all requests count as one address.
        if self._limit.wait("", request.now):
            raise Refusal(status_error(429))
        self._check_project(project)
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if not scheme and "access_token" in request.query:
            scheme, credentials = "token", request.query["access_token"]
        if scheme.lower() == "basic":
            self._check_private(credentials)
        elif scheme.lower() != "token" or not credentials:
            raise refuse(401, "error", "Access key not provided")
        elif credentials not in self._settings.public_keys:
            raise refuse(401, "error", "access key not found")
        elif private:
            # [I] "Only some methods" accept a public key; how the others refuse it is not documented.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ExponeaSettings:
    """A project, its keys, the names of its IDs, its permissions.

    Empty `events_allowed` means every event type. `pii` are the properties that anonymizing removes, of the customer
    and of its events: in the real product those that the Data manager marks as private, here by default, empty, all.
    """

    project_token: str = "project-token"  # noqa: S105  an example
    public_keys: tuple[str, ...] = ("public-key",)
    private_keys: Mapping[str, str] = field(default_factory=lambda: {"key-id": "private-secret"})
    hard_ids: tuple[str, ...] = ("registered",)
    soft_ids: tuple[str, ...] = ("cookie",)
    events_allowed: tuple[str, ...] = ()
    properties_refused: tuple[str, ...] = ()
    pii: tuple[str, ...] = ()
    customer_attributes: int = 255
    rate_limit: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for contradicting settings or an invalid rate."""
        RateLimit(self.rate_limit)
        both = set(self.hard_ids) & set(self.soft_ids)
        if both:
            raise ValueError(f"{min(both)} is in hard_ids and in soft_ids; an ID is one or the other")
        if not self.soft_ids:
            raise ValueError("soft_ids needs at least one name: an anonymized customer gets a new ID of the first")


NO_IDS = "At least one id should be specified."
NO_VALID_ID = "At least one valid id should be specified"
EVENT_NOT_ALLOWED = "Not authorized to add event of specified type"
PROPERTY_NOT_ALLOWED = "not authorized to update specified customer properties"
BAD_REQUEST = "BadRequest: The browser (or proxy) sent a request that this server could not understand"
NOT_FOUND = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)

# [I] all but 404; the texts of the other responses are not documented.
MESSAGES = {404: NOT_FOUND, 405: "Method not allowed", 429: "Too many requests", 500: "Internal server error"}


class CommandRefused(Exception):  # noqa: N818  reads as what it is
    """One command that failed: an entry in a batch's results, or the whole response of a single call.

    `status` is that of the single call: 400 as documented in general; 200 with `success: false` for an invalid ID and
    for missing permissions.
    """

    def __init__(self, error: str, status: int = 400) -> None:
        self.errors: list[Json] = [error]
        self.status = status
        super().__init__(error)


def failed(status: int, key: str, message: Json) -> VendorResponse:
    """Return the response `{"success": false, "<key>": <message>}`."""
    return VendorResponse(status, {"success": False, key: message})


def refuse(status: int, key: str, message: Json) -> Refusal:
    """Return the refusal to raise."""
    return Refusal(failed(status, key, message))


def status_error(status: int) -> VendorResponse:
    """Return the error response for a status."""
    return failed(status, "error", MESSAGES.get(status, f"HTTP {status}"))
