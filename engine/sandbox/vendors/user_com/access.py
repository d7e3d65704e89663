"""The emulated User.com app: access control, settings, and the error messages of the Django REST framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engine.records import Json, JsonObject
from engine.sandbox.emulator import RateLimit
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse


class UserComAccess:
    """Checks keys, domains and rate limits."""

    def __init__(self, settings: UserComSettings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)

    def check(self, request: VendorRequest) -> None:
        """Refuse a request without access."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "token" or not key:
            raise refuse(401, NO_CREDENTIALS)
        if key in self._settings.revoked_keys:
            raise refuse(403)
        if key not in self._settings.api_keys:
            raise refuse(401)
        if not self._trusts(request):
            raise refuse(403, NOT_TRUSTED)
        wait = self._limit.wait(key, request.now)
        if wait:
            raise Refusal(throttled(wait))

    def _trusts(self, request: VendorRequest) -> bool:
        # [I] The page says only "the domain the request comes from"; a browser sends it in Origin or Referer.
        origin = request.headers.get("origin") or request.headers.get("referer")
        trusted = self._settings.trusted_domains
        return not trusted or not origin or urlsplit(origin).hostname in trusted


TYPES = ("boolean", "fixed", "string", "date", "datetime", "integer", "float", "json", "number")


@dataclass(frozen=True, kw_only=True, slots=True)
class UserComSettings:
    """Keys, trusted domains, and attributes that exist from the start.

    An attribute is `name: type`, or `name: {type: fixed, choices: [...]}`.  Without `trusted_domains`,
    every domain is trusted; otherwise the domain of `Origin` or `Referer` must be one of them, if either is sent.
    """

    api_keys: tuple[str, ...] = ("api-key",)
    revoked_keys: tuple[str, ...] = ("revoked-key",)
    trusted_domains: tuple[str, ...] = ()
    attributes: Mapping[str, Json] = field(default_factory=dict)
    company_attributes: Mapping[str, Json] = field(default_factory=dict)
    event_attributes: Mapping[str, Json] = field(default_factory=dict)
    new_attributes: str = "create"
    rate_limit: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown type or an invalid rate."""
        RateLimit(self.rate_limit)
        if self.new_attributes not in ("create", "ignore"):
            raise ValueError("new_attributes must be create or ignore")
        for table in (self.attributes, self.company_attributes, *self.event_attributes.values()):
            if not isinstance(table, Mapping):
                raise ValueError("event_attributes must map event names to {attribute: type}")  # noqa: TRY004  a setting
            for name, given in table.items():
                kind = given.get("type") if isinstance(given, Mapping) else given
                if kind not in TYPES:
                    raise ValueError(f"attribute {name} has an unknown type; allowed: {', '.join(TYPES)}")


MESSAGES = {
    400: "Bad request.",
    401: "Invalid token.",
    403: "You do not have permission to perform this action.",
    404: "Not found.",
    405: "Method not allowed.",
    415: "Unsupported media type.",
    429: "Request was throttled.",
}
NO_CREDENTIALS = "Authentication credentials were not provided."
NOT_TRUSTED = "Domain is not trusted."

REQUIRED = "This field is required."
NOT_BLANK = "This field may not be blank."
NOT_TEXT = "Not a valid string."
NOT_INTEGER = "A valid integer is required."
NOT_EMAIL = "Enter a valid email address."
NOT_OBJECT = "Invalid data. Expected a dictionary."


def too_long(most: int) -> str:
    """Return the message for a text that is too long."""
    return f"Ensure this field has no more than {most} characters."


def not_a_choice(value: Json) -> str:
    """Return the message for a value that is not one of the choices."""
    return f'"{value}" is not a valid choice.'


def detail(status: int, message: str | None = None) -> VendorResponse:
    """Return the response `{"detail": ...}`."""
    return VendorResponse(status, {"detail": message or MESSAGES.get(status, "A server error occurred.")})


def throttled(wait: int) -> VendorResponse:
    """Return a 429 with the seconds to wait."""
    message = f"Request was throttled. Expected available in {wait} seconds."
    return detail(429, message).with_headers({"retry-after": str(wait)})


def refuse(status: int, message: str | None = None) -> Refusal:
    """Return the refusal to raise."""
    return Refusal(detail(status, message))


def invalid(field: str, message: str) -> Refusal:
    """Return the refusal for one field of the body."""
    body: JsonObject = {field: [message]}
    return Refusal(VendorResponse(400, body))
