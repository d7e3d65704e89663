"""What users do: events and page views."""

from __future__ import annotations

from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com.access import NOT_OBJECT, NOT_TEXT, invalid, refuse
from engine.sandbox.vendors.user_com.app import App
from engine.sandbox.vendors.user_com.attributes import COMPANY, USER, event_scope
from engine.sandbox.vendors.user_com.body import read, required, unix


def add_event(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Keep an event; its name and attributes are defined on the fly."""
    body = required(read(incoming), "name")
    name, data = body["name"], body.get("data")
    if not isinstance(name, str):
        raise invalid("name", NOT_TEXT)
    if not isinstance(data, dict | None):
        raise invalid("data", NOT_OBJECT)
    kept = app.attributes.convert(event_scope(name), data or {})
    number, first = app.model.add_event(user, name, unix(body, incoming.now), kept)
    app.state.count(app.name, "event_names_created", first)
    return VendorResponse(200, {"id": number, "created": first})


def add_view(app: App, incoming: VendorRequest) -> VendorResponse:
    """Keep a page view of the user with this key; counts it and moves `last_seen` forward."""
    body = read(incoming)
    for name in ("client_user", "page_domain", "page_path"):
        if not isinstance(required(body, name)[name], str):
            raise invalid(name, NOT_TEXT)
    users = app.model.find_users("key", str(body["client_user"]))
    if not users:
        raise refuse(404)  # [I] 404 rather than 400
    timestamp = unix(body, incoming.now)
    number = app.model.add_view(users[0], str(body["page_domain"]), str(body["page_path"]), timestamp)
    return VendorResponse(201, {"id": number})  # [I] status and body


def attributes(app: App, _incoming: VendorRequest) -> VendorResponse:
    """List what attributes are defined."""
    both = ((USER, "client"), (COMPANY, "company"))
    return VendorResponse(
        200,
        {
            "results": [
                {**definition, "content_type": kind}  # [I] `content_type`
                for scope, kind in both
                for definition in app.attributes.definitions(scope)
            ]
        },
    )
