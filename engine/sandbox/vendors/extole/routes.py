"""The endpoints of the emulated Extole: `/v6/events`, `/v5/events`, `/v4/erasures`, and reading persons back.

A 2xx means that an event was accepted, not that a program used it. An event with a known unique key is accepted too,
and stored as a duplicate. `[I]` here: unknown keys become PUBLIC parameters of the profile with the event `identify`
only; an event without email, partner_user_id and person_id creates an anonymous person; the formats of a person and a
step, of which the vendor's pages show only parts.
"""

from __future__ import annotations

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Routes
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.state import from_iso, to_iso
from engine.sandbox.vendors.extole.access import ExtoleError
from engine.sandbox.vendors.extole.client import Client
from engine.sandbox.vendors.extole.model import PersonKeys, long_id

PROFILE_EVENT = "identify"
LIMITS = {"partner_conversion_id": 38, "email": 256}
IDENTITY = ("email", "partner_user_id", "person_id", "first_name", "last_name")
# Keys of `data` with a meaning for campaigns; they do not become parameters of a profile.
CAMPAIGN = frozenset(
    {*IDENTITY, "event_time", "partner_conversion_id", "cart_value", "coupon_code", "advocate_code"}
    | {"labels", "required_labels", "container"}
)


def post_event_v6(extole: Client, request: VendorRequest) -> VendorResponse:
    """Store one event; return the IDs of the event and the person."""
    event, person = _post_event(extole, request)
    return VendorResponse(200, {"event_id": long_id(event), "person_id": long_id(person)})


def post_event_v5(extole: Client, request: VendorRequest) -> VendorResponse:
    """Store one event, with the response of the older version."""
    event, _ = _post_event(extole, request)
    return VendorResponse(200, {"id": long_id(event)})


def _post_event(extole: Client, request: VendorRequest) -> tuple[int, int]:
    extole.access.check(request)
    return _add_event(extole, request, extole.body_of(request))


def _add_event(extole: Client, request: VendorRequest, body: Json) -> tuple[int, int]:
    if not isinstance(body, dict):
        raise ExtoleError("binding_error")
    name = body.get("event_name")
    if not isinstance(name, str) or not name.strip():
        raise ExtoleError("missing_event_name")
    data = body.get("data")
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ExtoleError("binding_error", property="data")
    _check_limits(data)
    time = _time(body, data, request.now)
    person = extole.persons.resolve(_person_keys(data))
    extole.access.check_person(long_id(person), request.now)
    event = (person, name, time, orjson.dumps(data).decode(), _container(request, data))
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


def _time(body: JsonObject, data: JsonObject, now: float) -> str:
    given = body.get("event_time") or data.get("event_time")
    if given is None:
        return to_iso(now)
    if from_iso(given) is None:
        raise ExtoleError("invalid_event_time_format", event_time=str(given))
    return str(given)


def _person_keys(data: JsonObject) -> PersonKeys:
    return PersonKeys(**{key: _text(key, data.get(key)) for key in IDENTITY})


def _text(key: str, value: Json) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # [I] a number is converted to text
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ExtoleError("binding_error", property=key)
    return value.lower() if key == "email" else value  # [I] emails are compared without case


def _unique(extole: Client, name: str, data: JsonObject) -> str | None:
    keys = extole.settings.unique_keys
    value = data.get(keys.get(name, keys.get("*", "")))
    return None if value in (None, "") else str(value)


def _container(request: VendorRequest, data: JsonObject) -> str:
    given = data.get("container")
    names = (request.headers.get("x-extole-container"), request.query.get("container"))
    return given if isinstance(given, str) else next((name for name in names if name), "production")


def _set_parameters(extole: Client, person: int, data: JsonObject) -> None:
    for name, value in data.items():
        if name not in CAMPAIGN:
            extole.persons.set_parameter(person, name, value, "PUBLIC")


def search_persons(extole: Client, request: VendorRequest) -> VendorResponse:
    """Find persons by `person_keys=<key>:<value>` or `identity_key_value=<email>`."""
    extole.access.check(request)
    key, _, value = request.query.get("person_keys", "").partition(":")
    if "identity_key_value" in request.query:
        key, value = "email", request.query["identity_key_value"].lower()
    if not value:
        raise ExtoleError("invalid_parameter", parameter="person_keys")
    return VendorResponse(200, [extole.person(person) for person in extole.persons.find(key, value)])


def show_person(extole: Client, request: VendorRequest, person_id: str) -> VendorResponse:
    """Return one person."""
    extole.access.check(request)
    return VendorResponse(200, extole.person(extole.persons.by_id(person_id)))


def show_steps(extole: Client, request: VendorRequest, person_id: str) -> VendorResponse:
    """Return a person's events, without duplicates."""
    extole.access.check(request)
    events = extole.persons.events(extole.persons.by_id(person_id))
    return VendorResponse(
        200,
        [
            {
                "id": event["event_id"],
                "person_id": event["person_id"],
                "name": event["event_name"],
                "event_date": event["event_time"],
                "container": event["container"],
                "data": event["data"],
            }
            for event in events
            if event["duplicate_of"] is None
        ],
    )


def erase_persons(extole: Client, request: VendorRequest) -> VendorResponse:
    """Erase the persons with this email or partner_user_id; [I] none is not an error."""
    extole.access.check(request)
    body = extole.body_of(request)
    if not isinstance(body, dict):
        raise ExtoleError("binding_error")
    given = {key: value for key in ("email", "partner_user_id") if (value := body.get(key)) not in (None, "")}
    if not given:
        raise ExtoleError("empty_request")
    email = given.get("email")
    if email is not None and (not isinstance(email, str) or "@" not in email):
        raise ExtoleError("invalid_erasure_email", email=str(email))
    request.erased = tuple(map(str, given.values()))
    for key, value in given.items():
        for person in extole.persons.find(key, str(value).lower() if key == "email" else str(value)):
            request.erased += tuple(text for text in extole.persons.row(person)[1:3] if text)
            extole.persons.erase(person)
    extole.state.erased()
    extole.state.count(extole.name, "erasures")
    response: JsonObject = {"id": str(extole.random.randrange(10**18, 10**19)), "status": "COMPLETED"}
    return VendorResponse(200, {**response, "note": body.get("note"), "created_date": to_iso(request.now)})


PERSON = "/v5/persons/{id}"


class Extole(Client):
    """The client with its routes."""

    routes = Routes(
        [
            ("POST", "/v6/events", post_event_v6),
            ("POST", "/v5/events", post_event_v5),
            ("POST", "/v4/erasures", erase_persons),
            ("GET", "/v5/persons", search_persons),
            ("GET", PERSON, show_person),
            ("GET", f"{PERSON}/steps", show_steps),
        ]
    )
