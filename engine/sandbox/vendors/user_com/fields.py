"""The standard fields of users and companies: which keys of a body they are, and what they take.

Every other key is a custom attribute.  `[I]` The names of the device and place fields are those of the vendor's
Segment page; no public page says how the REST API calls them.  `phone` is taken for `phone_number`, a company's
`phone` for `phone_numbers` and its `employees` (a number) for `size`.  Fields the app keeps itself are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.records import Json, JsonObject
from engine.sandbox.vendors.user_com.access import NOT_EMAIL, NOT_TEXT, invalid, not_a_choice, too_long

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
KEPT_BY_THE_APP = frozenset({*IDS, *SEEN, "tags", "lists", "companies"})
ALIASES = {"phone": "phone_number"}
COMPANY_ALIASES = {"phone": "phone_numbers"}

Split = tuple[JsonObject, JsonObject]


def of_user(body: JsonObject) -> Split:
    """Split a body into standard fields, checked, and custom attributes."""
    return _split(body, USER_FIELDS, ALIASES)


def of_company(body: JsonObject) -> Split:
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
        elif name not in KEPT_BY_THE_APP:
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
