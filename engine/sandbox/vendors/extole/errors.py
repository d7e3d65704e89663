"""Extole's error shape: `unique_id`, `http_status_code`, `code`, `message`, `parameters`.

Codes, statuses and messages are those of its page on common errors and of its API description; where the
published copies differ the choice is marked `[I]`, as are messages that are not published.
"""

from __future__ import annotations

from random import Random

from engine.records import JsonObject
from engine.sandbox.exchange import Answer

ERRORS: dict[str, tuple[int, str]] = {
    "missing_event_name": (400, "Event name is required."),
    "invalid_event_time_format": (400, "Invalid event time format. Expected: ISO8601 format"),
    "invalid_json": (400, "The request body is not valid JSON."),  # [I] the message
    "missing_request_body": (400, "The request body is missing."),  # [I] the message
    "binding_error": (400, "The request body does not have the expected structure."),  # [I] the message
    "validation_error": (400, "A value is not valid."),  # [I] the message
    "invalid_parameter": (400, "A parameter is not valid."),  # [I] the message
    "data_already_exists": (400, "The data already exists."),  # [I] the message
    "data_not_found": (400, "The data was not found."),  # [I] the message
    "empty_request": (400, "The request names nobody to erase."),  # [I] the message
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
    """A request that Extole refuses, by its code; `parameters` name what is wrong."""

    def __init__(self, code: str, **parameters: str) -> None:
        self.code = code
        self.parameters: JsonObject = {**parameters}
        super().__init__(code)


def answer(random: Random, status: int, code: str, message: str, parameters: JsonObject | None = None) -> Answer:
    """Put an error into the shape every endpoint shares."""
    body: JsonObject = {
        "unique_id": str(random.randrange(10**18, 10**19)),
        "http_status_code": status,
        "code": code,
        "message": message,
        "parameters": parameters or {},
    }
    return Answer(status, body)


def said(random: Random, error: ExtoleError) -> Answer:
    """Say one of the known errors."""
    status, message = ERRORS[error.code]
    return answer(random, status, error.code, message, error.parameters)


def general(random: Random, status: int) -> Answer:
    """Say a status; those without a published code get one that names it."""
    code = BY_STATUS.get(status, "software_error")
    message = ERRORS[code][1] if code in ERRORS else "The server could not process your request."
    return answer(random, status, code, message)
