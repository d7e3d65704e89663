"""The Events API: one event, as version 6 and version 5 take it.

A 2xx says "accepted", not "a program listened".  A replay by the same unique key is accepted too and marked.
`[I]` here: other keys than the known ones become PUBLIC parameters of the profile with the event `identify`
only, and in no other event; an event without email, partner_user_id and person_id makes an anonymous person.
"""

from __future__ import annotations

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.state import from_iso, to_iso
from engine.sandbox.vendors.extole.access import ExtoleError
from engine.sandbox.vendors.extole.client import Client
from engine.sandbox.vendors.extole.model import Who, long_id

PROFILE_EVENT = "identify"
LIMITS = {"partner_conversion_id": 38, "email": 256}
IDENTITY = ("email", "partner_user_id", "person_id", "first_name", "last_name")
# Keys of `data` that mean something to a campaign, so are no parameters of a profile.
CAMPAIGN = frozenset(
    {*IDENTITY, "event_time", "partner_conversion_id", "cart_value", "coupon_code", "advocate_code"}
    | {"labels", "required_labels", "container"}
)


def v6(extole: Client, incoming: VendorRequest) -> VendorResponse:
    """Take one event; the answer names the event and the person."""
    event, person = _one(extole, incoming)
    return VendorResponse(200, {"event_id": long_id(event), "person_id": long_id(person)})


def v5(extole: Client, incoming: VendorRequest) -> VendorResponse:
    """Take one event the older way."""
    event, _ = _one(extole, incoming)
    return VendorResponse(200, {"id": long_id(event)})


def _one(extole: Client, incoming: VendorRequest) -> tuple[int, int]:
    extole.access.check(incoming)
    return _take(extole, incoming, extole.body_of(incoming))


def _take(extole: Client, incoming: VendorRequest, request: Json) -> tuple[int, int]:
    if not isinstance(request, dict):
        raise ExtoleError("binding_error")
    name = request.get("event_name")
    if not isinstance(name, str) or not name.strip():
        raise ExtoleError("missing_event_name")
    data = request.get("data")
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ExtoleError("binding_error", property="data")
    _check_limits(data)
    time = _time(request, data, incoming.now)
    person = extole.persons.resolve(_who(data))
    extole.access.check_person(long_id(person), incoming.now)
    event = (person, name, time, orjson.dumps(data).decode(), _container(incoming, data))
    number, duplicate = extole.persons.add_event(event, _unique(extole, name, data))
    if name == PROFILE_EVENT:
        _set_parameters(extole, person, data)
    extole.state.count(extole.name, "events_received")
    extole.state.count(extole.name, "events_duplicate", duplicate)
    return number, person


def _check_limits(data: JsonObject) -> None:
    for key, most in LIMITS.items():
        value = data.get(key)
        if isinstance(value, str) and len(value) > most:
            # The lengths are documented (of the conversion id for the API, of the email for files), [I] the refusal.
            raise ExtoleError("validation_error", property=key, max_length=str(most))


def _time(request: JsonObject, data: JsonObject, now: float) -> str:
    given = request.get("event_time") or data.get("event_time")
    if given is None:
        return to_iso(now)
    if from_iso(given) is None:
        raise ExtoleError("invalid_event_time_format", event_time=str(given))
    return str(given)


def _who(data: JsonObject) -> Who:
    return Who(**{key: _text(key, data.get(key)) for key in IDENTITY})


def _text(key: str, value: Json) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # [I] a number counts as its text
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ExtoleError("binding_error", property=key)
    return value.lower() if key == "email" else value  # [I] emails are compared without case


def _unique(extole: Client, name: str, data: JsonObject) -> str | None:
    keys = extole.settings.unique_keys
    value = data.get(keys.get(name, keys.get("*", "")))
    return None if value in (None, "") else str(value)


def _container(incoming: VendorRequest, data: JsonObject) -> str:
    given = data.get("container")
    said = (incoming.headers.get("x-extole-container"), incoming.query.get("container"))
    return given if isinstance(given, str) else next((name for name in said if name), "production")


def _set_parameters(extole: Client, person: int, data: JsonObject) -> None:
    for name, value in data.items():
        if name not in CAMPAIGN:
            extole.persons.set_parameter(person, name, value, "PUBLIC")
