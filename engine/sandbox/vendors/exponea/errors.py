"""Exponea's words for what went wrong, in its three shapes: `error`, `errors` and `message`.

The texts are the vendor's where it publishes them (reference/tracking-api-error-messages,
tracking-api-authorization-errors, tracking-api-request-body-errors, the API FAQ).  `[I]` marks a text or
status that no public page settles: ours, so that a person sees which rule was broken.
"""

from __future__ import annotations

from engine.records import Json
from engine.sandbox.exchange import Answer, Refusal

NO_IDS = "At least one id should be specified."
NO_VALID_ID = "At least one valid id should be specified"
EVENT_NOT_ALLOWED = "Not authorized to add event of specified type"
PROPERTY_NOT_ALLOWED = "not authorized to update specified customer properties"
BAD_REQUEST = "BadRequest: The browser (or proxy) sent a request that this server could not understand"
NOT_FOUND = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)

# [I] all but 404; the API's answers to these carry no documented text.
WORDS = {404: NOT_FOUND, 405: "Method not allowed", 429: "Too many requests", 500: "Internal server error"}


class CommandRefused(Exception):  # noqa: N818  reads as what it is
    """One command that failed: an entry in a batch's results, or the whole answer of a single call.

    `status` is that of the single call.  400 is documented in general; 200 with `success: false` for an id
    that is not valid and for missing permissions.
    """

    def __init__(self, error: str, status: int = 400) -> None:
        self.errors: list[Json] = [error]
        self.status = status
        super().__init__(error)


def failed(status: int, key: str, words: Json) -> Answer:
    """Answer `{"success": false, "<key>": <words>}`."""
    return Answer(status, {"success": False, key: words})


def refuse(status: int, key: str, words: Json) -> Refusal:
    """Give the refusal to raise."""
    return Refusal(failed(status, key, words))


def general(status: int) -> Answer:
    """Say a status in the vendor's shape."""
    return failed(status, "error", WORDS.get(status, f"HTTP {status}"))
