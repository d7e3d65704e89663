"""Reading what a request carries, with the framework's complaints."""

from __future__ import annotations

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.state import number
from engine.sandbox.vendors.user_com.access import (
    NOT_BLANK,
    NOT_INTEGER,
    NOT_OBJECT,
    NOT_TEXT,
    REQUIRED,
    detail,
    invalid,
)

LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z: later is milliseconds taken for seconds
TOO_LATE = f"Ensure this value is less than or equal to {LATEST}."
TOO_EARLY = "Ensure this value is greater than or equal to 0."


def read(incoming: VendorRequest) -> JsonObject:
    """Return the body: a JSON object."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        # [I] The framework also takes forms; nothing public sends them here.
        raise Refusal(detail(415, f'Unsupported media type "{kind}" in request.'))
    try:
        body = orjson.loads(incoming.body)
    except orjson.JSONDecodeError as error:
        raise Refusal(detail(400, f"JSON parse error - {error.msg}")) from None
    if not isinstance(body, dict):
        raise Refusal(VendorResponse(400, {"non_field_errors": [NOT_OBJECT]}))
    return body


def required(body: JsonObject, name: str) -> JsonObject:
    """Return the body back if it has this field, and something in it."""
    if body.get(name) is None:
        raise invalid(name, REQUIRED)
    if body[name] == "":
        raise invalid(name, NOT_BLANK)
    return body


def id_field(incoming: VendorRequest) -> str:
    """Return the name of the customer's own id: version 1 of the API calls it user_id, version 2 custom_id."""
    accept = incoming.headers.get("accept", "").replace(" ", "")
    return "custom_id" if "version=2" in accept else "user_id"


def own_id(incoming: VendorRequest, body: JsonObject) -> str | None:
    """Return the customer's own id of a user."""
    return text_id(body, id_field(incoming))


def text_id(body: JsonObject, name: str) -> str | None:
    """Return an id as text; a number counts as its text."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool | dict | list):
        raise invalid(name, NOT_TEXT)
    if value == "":
        raise invalid(name, NOT_BLANK)
    return str(value)


def unix(body: JsonObject, now: float) -> float:
    """Return `timestamp`, whole UNIX seconds; now if there is none.

    [I] Documented is only "UNIX timestamp"; that a fraction or an ISO time is refused is the framework's way.
    """
    given: Json = body.get("timestamp")
    if given is None:
        return now
    found = number(given)
    if found is None or not found.is_integer():
        raise invalid("timestamp", NOT_INTEGER)
    if found > LATEST:
        raise invalid("timestamp", TOO_LATE)
    if found < 0:
        raise invalid("timestamp", TOO_EARLY)
    return found
