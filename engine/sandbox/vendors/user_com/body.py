"""Reading the body of a request, with the framework's error messages.

The second half splits a body into the standard fields of a user or a company and custom attributes, which are all
other keys. `[I]` The names of the device and place fields are those of the vendor's Segment page; no public page says
what the REST API calls them. `phone` means `phone_number`; a company's `phone` means `phone_numbers` and its
`employees` (a number) means `size`. Fields that the app maintains itself are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.state import number
from engine.sandbox.vendors.user_com.access import (
    NOT_BLANK,
    NOT_EMAIL,
    NOT_INTEGER,
    NOT_OBJECT,
    NOT_TEXT,
    REQUIRED,
    detail,
    invalid,
    not_a_choice,
    too_long,
)

LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z; anything later is probably milliseconds
TOO_LATE = f"Ensure this value is less than or equal to {LATEST}."
TOO_EARLY = "Ensure this value is greater than or equal to 0."


def read(request: VendorRequest) -> JsonObject:
    """Return the body: a JSON object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        # [I] The framework also accepts forms; no public client sends them here.
        raise Refusal(detail(415, f'Unsupported media type "{kind}" in request.'))
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Refusal(detail(400, f"JSON parse error - {error.msg}")) from None
    if not isinstance(body, dict):
        raise Refusal(VendorResponse(400, {"non_field_errors": [NOT_OBJECT]}))
    return body


def required(body: JsonObject, name: str) -> JsonObject:
    """Return the body if it has this field and the field is not empty."""
    if body.get(name) is None:
        raise invalid(name, REQUIRED)
    if body[name] == "":
        raise invalid(name, NOT_BLANK)
    return body


def id_field(request: VendorRequest) -> str:
    """Return the name of the customer's own ID: user_id in version 1 of the API, custom_id in version 2."""
    accept = request.headers.get("accept", "").replace(" ", "")
    return "custom_id" if "version=2" in accept else "user_id"


def text_id(body: JsonObject, name: str) -> str | None:
    """Return an ID as text; a number is converted."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool | dict | list):
        raise invalid(name, NOT_TEXT)
    if value == "":
        raise invalid(name, NOT_BLANK)
    return str(value)


def unix(body: JsonObject, now: float) -> float:
    """Return `timestamp` in whole UNIX seconds, by default now.

    [I] Only "UNIX timestamp" is documented; the framework would refuse fractions and ISO times.
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


MAX_PERSON_NAME = 40
NAMES = ("first_name", "last_name")
PLACE = ("country", "region", "city")
DEVICE = ("user_agent", "os", "device_name", "device_type", "resolution", "ip_address")
BROWSER = ("browser_family", "browser_version", "language", "timezone", "current_url")
ENUMS: dict[str, dict[str, str]] = {
    "gender": {"1": "unknown", "2": "male", "3": "female"},
    "status": {"1": "visitor", "2": "user"},
}
USER_FIELDS = frozenset({"email", "name", "phone_number", *NAMES, *PLACE, *DEVICE, *BROWSER, *ENUMS})
ABOUT = ("name", "email", "description", "category", "size", "phone_numbers")
COMPANY_FIELDS = frozenset({*ABOUT, *PLACE, "address", "postal_code"})
IDS = ("id", "user_key", "custom_id", "user_id")
SEEN = ("page_views", "first_seen", "last_seen", "last_ip", "created_at", "updated_at", "score")
READ_ONLY = frozenset({*IDS, *SEEN, "tags", "lists", "companies"})
ALIASES = {"phone": "phone_number"}
COMPANY_ALIASES = {"phone": "phone_numbers"}

Split = tuple[JsonObject, JsonObject]


def user_fields(body: JsonObject) -> Split:
    """Split a body into checked standard fields and custom attributes."""
    return _split(body, USER_FIELDS, ALIASES)


def company_fields(body: JsonObject) -> Split:
    """Split a company's body; `employees` lists members when read, so only a number can be written."""
    members = body.get("employees")
    counted = {**body, "size": members} if isinstance(members, int | str) and "size" not in body else body
    return _split({key: value for key, value in counted.items() if key != "employees"}, COMPANY_FIELDS, COMPANY_ALIASES)


def _split(body: JsonObject, standard: frozenset[str], aliases: Mapping[str, str]) -> Split:
    fields: JsonObject = {}
    attributes: JsonObject = {}
    for key, value in body.items():
        name = aliases.get(key, key)
        if name in standard:
            fields[name] = CHECKS.get(name, _text)(name, value)
        elif name not in READ_ONLY:
            attributes[key] = value
    return fields, attributes


def _text(name: str, value: Json) -> Json:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        raise invalid(name, NOT_TEXT)
    return str(value)


def _person_name(name: str, value: Json) -> Json:
    found = _text(name, value)
    if isinstance(found, str) and len(found) > MAX_PERSON_NAME:
        raise invalid(name, too_long(MAX_PERSON_NAME))
    return found


def _email(name: str, value: Json) -> Json:
    found = _text(name, value)
    if found and "@" not in str(found):
        raise invalid(name, NOT_EMAIL)
    return found


def _enum(name: str, value: Json) -> Json:
    chosen = None if isinstance(value, bool) else ENUMS[name].get(str(value))
    if value is not None and chosen is None:
        raise invalid(name, not_a_choice(value))
    return chosen


def _phone_numbers(name: str, value: Json) -> Json:
    return value if isinstance(value, list) else _text(name, value)


CHECKS: dict[str, Callable[[str, Json], Json]] = {
    "email": _email,
    "phone_numbers": _phone_numbers,
    **dict.fromkeys(NAMES, _person_name),
    **dict.fromkeys(ENUMS, _enum),
}
