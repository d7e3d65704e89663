"""Persons read back and changed by the server, and erasures.

[I] The shape of a person and of a step: the pages show only parts of it.
"""

from __future__ import annotations

from engine.records import JsonObject
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.state import to_iso
from engine.sandbox.vendors.extole.access import ExtoleError
from engine.sandbox.vendors.extole.client import Client


def search(extole: Client, incoming: VendorRequest) -> VendorResponse:
    """Find persons by `person_keys=<key>:<value>` or `identity_key_value=<email>`."""
    extole.access.check(incoming)
    key, _, value = incoming.query.get("person_keys", "").partition(":")
    if "identity_key_value" in incoming.query:
        key, value = "email", incoming.query["identity_key_value"].lower()
    if not value:
        raise ExtoleError("invalid_parameter", parameter="person_keys")
    return VendorResponse(200, [extole.person(person) for person in extole.persons.find(key, value)])


def read(extole: Client, incoming: VendorRequest, person_id: str) -> VendorResponse:
    """Show one person."""
    extole.access.check(incoming)
    return VendorResponse(200, extole.person(extole.persons.by_id(person_id)))


def steps(extole: Client, incoming: VendorRequest, person_id: str) -> VendorResponse:
    """Show what a person did; an event seen twice is one step."""
    extole.access.check(incoming)
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


def erase(extole: Client, incoming: VendorRequest) -> VendorResponse:
    """Erase whoever has this email or partner_user_id; [I] that nobody has it is no error."""
    extole.access.check(incoming)
    body = extole.body_of(incoming)
    if not isinstance(body, dict):
        raise ExtoleError("binding_error")
    given = {key: value for key in ("email", "partner_user_id") if (value := body.get(key)) not in (None, "")}
    if not given:
        raise ExtoleError("empty_request")
    email = given.get("email")
    if email is not None and (not isinstance(email, str) or "@" not in email):
        raise ExtoleError("invalid_erasure_email", email=str(email))
    for key, value in given.items():
        for person in extole.persons.find(key, str(value).lower() if key == "email" else str(value)):
            extole.persons.erase(person)
    extole.state.count(extole.name, "erasures")
    reply: JsonObject = {"id": str(extole.random.randrange(10**18, 10**19)), "status": "COMPLETED"}
    return VendorResponse(200, {**reply, "note": body.get("note"), "created_date": to_iso(incoming.now)})
