"""User.com's errors: those of the Django REST framework it is written with.

Documented are the statuses, and `{"detail": "Invalid token."}` is seen in public clients.  `[I]` The other
texts are the framework's own.
"""

from __future__ import annotations

from engine.records import Json, JsonObject
from engine.sandbox.exchange import Answer, Refusal

WORDS = {
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
    """Say that a text is too long."""
    return f"Ensure this field has no more than {most} characters."


def not_a_choice(value: Json) -> str:
    """Say that a value is none of the choices."""
    return f'"{value}" is not a valid choice.'


def detail(status: int, words: str | None = None) -> Answer:
    """Answer `{"detail": ...}`."""
    return Answer(status, {"detail": words or WORDS.get(status, "A server error occurred.")})


def throttled(wait: int) -> Answer:
    """Answer 429 with the seconds to wait."""
    words = f"Request was throttled. Expected available in {wait} seconds."
    return detail(429, words).with_headers({"retry-after": str(wait)})


def refuse(status: int, words: str | None = None) -> Refusal:
    """Give the refusal to raise."""
    return Refusal(detail(status, words))


def invalid(field: str, words: str) -> Refusal:
    """Refuse one field of the body."""
    body: JsonObject = {field: [words]}
    return Refusal(Answer(400, body))
