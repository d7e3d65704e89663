"""The emulated Extole client: access control, settings, and error responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from engine.records import JsonObject
from engine.sandbox.emulator import RateLimit
from engine.sandbox.http_messages import VendorRequest, VendorResponse

COOKIES = ("extole_token", "access_token")  # the API description names the first, the prose the second


class ExtoleAccess:
    """Checks tokens and rate limits."""

    def __init__(self, settings: ExtoleSettings) -> None:
        self._settings = settings
        self._limit = RateLimit(settings.rate_limit)
        self._person_limit = RateLimit(settings.rate_limit_per_person)

    def check(self, request: VendorRequest) -> None:
        """Refuse a token that is missing, unknown, expired or lacks the scope."""
        token = _token(request)
        if not token:
            raise ExtoleError("missing_access_token")
        if token in self._settings.expired_tokens:
            raise ExtoleError("expired_access_token")
        if token in self._settings.unscoped_tokens:
            raise ExtoleError("scopes_denied")
        if token not in self._settings.access_tokens:
            raise ExtoleError("invalid_access_token")
        if self._limit.wait(token, request.now):
            raise ExtoleError("too_many_requests")

    def check_person(self, person: str, now: float) -> None:
        """Refuse a request beyond the person's rate limit."""
        if self._person_limit.wait(person, now):
            raise ExtoleError("too_many_requests")


def _token(request: VendorRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if "access_token" in request.query:
        return request.query["access_token"]
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name in COOKIES), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtoleSettings:
    """Tokens, hosts, and the fields that identify duplicate events.

    `unique_keys` maps the name of an event to the field of `data` that identifies duplicates; `*` is every other name.
    A request to a host of `extole.io` or `extole.com` that is not in `api_hosts` gets the empty 204 of the wrong host;
    with `wrong_host`, every request does.
    """

    access_tokens: tuple[str, ...] = ("access-token",)
    expired_tokens: tuple[str, ...] = ("expired-token",)
    unscoped_tokens: tuple[str, ...] = ("unscoped-token",)
    unique_keys: Mapping[str, str] = field(
        default_factory=lambda: {"registration": "partner_user_id", "*": "partner_conversion_id"}
    )
    api_hosts: tuple[str, ...] = ("api.extole.io", "events.extole.io", "api.extole.com")
    wrong_host: bool = False
    rate_limit: str = ""
    rate_limit_per_person: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid rate."""
        RateLimit(self.rate_limit)
        RateLimit(self.rate_limit_per_person)


ERRORS: dict[str, tuple[int, str]] = {
    "missing_event_name": (400, "Event name is required."),
    "invalid_event_time_format": (400, "Invalid event time format. Expected: ISO8601 format"),
    "invalid_json": (400, "The request body is not valid JSON."),  # [I] the message
    "missing_request_body": (400, "The request body is missing."),  # [I] the message
    "binding_error": (400, "The request body does not have the expected structure."),  # [I] the message
    "validation_error": (400, "A value is not valid."),  # [I] the message
    "invalid_parameter": (400, "A parameter is not valid."),  # [I] the message
    "empty_request": (400, "The request does not identify a person."),  # [I] the message
    "invalid_erasure_email": (400, "The email is not valid."),  # [I] the message
    "invalid_access_token": (401, "The access_token provided with this request is invalid."),  # [I] the message
    "expired_access_token": (401, "The access_token provided with this request has expired."),  # [I] the message
    "missing_access_token": (403, "No access_token was provided with this request."),
    "scopes_denied": (403, "The access_token does not have the scope this endpoint needs."),  # [I] the message
    "person_not_found": (403, "The person was not found."),  # [I] 403 in the Java client, 404 in a table of the pages
    "not_found": (404, "The requested resource was not found."),  # [I] code and message
    "method_not_allowed": (405, "The method is not supported by this resource."),  # [I] code and message
    "unsupported_media_type": (415, "The content type is not supported."),  # [I] the message
    "too_many_requests": (
        429,
        "The server is unable to process your request at the moment, please retry later.",
    ),
}
BY_STATUS = {
    400: "validation_error",
    401: "invalid_access_token",
    403: "missing_access_token",
    404: "not_found",
    405: "method_not_allowed",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class ExtoleError(Exception):
    """A request that Extole refuses, by its error code; `parameters` describe the problem."""

    def __init__(self, code: str, **parameters: str) -> None:
        self.code = code
        self.parameters: JsonObject = {**parameters}
        super().__init__(code)


def error_response(
    random: Random, status: int, code: str, message: str, parameters: JsonObject | None = None
) -> VendorResponse:
    """Return an error response in the format of all endpoints."""
    body: JsonObject = {
        "unique_id": str(random.randrange(10**18, 10**19)),
        "http_status_code": status,
        "code": code,
        "message": message,
        "parameters": parameters or {},
    }
    return VendorResponse(status, body)


def known_error(random: Random, error: ExtoleError) -> VendorResponse:
    """Return the response for one of the known errors."""
    status, message = ERRORS[error.code]
    return error_response(random, status, error.code, message, error.parameters)


def status_error(random: Random, status: int) -> VendorResponse:
    """Return the response for a status; one without a published code gets `software_error`."""
    code = BY_STATUS.get(status, "software_error")
    message = ERRORS[code][1] if code in ERRORS else "The server could not process your request."
    return error_response(random, status, code, message)
