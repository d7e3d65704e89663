"""The endpoints of the emulated User.com: `/api/public/`, every path with its trailing slash."""

from __future__ import annotations

from collections.abc import Callable

from engine.records import JsonObject
from engine.sandbox.emulator import Handler, Routes
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com.access import NOT_OBJECT, NOT_TEXT, invalid, refuse
from engine.sandbox.vendors.user_com.app import App
from engine.sandbox.vendors.user_com.attributes import COMPANY, USER, event_scope
from engine.sandbox.vendors.user_com.body import (
    company_fields,
    id_field,
    read,
    required,
    text_id,
    unix,
    user_fields,
)

ROOT = "/api/public"
TAKEN = "company with this custom id already exists."  # [I]
Action = Callable[[App, VendorRequest, int], VendorResponse]


def update_or_create_user(app: App, request: VendorRequest) -> VendorResponse:
    """Update the user with this custom_id, or create one."""
    body = read(request)
    name = id_field(request)
    custom_id = text_id(required(body, name), name)
    assert custom_id is not None
    found = app.model.find_users("custom_id", custom_id)
    user = found[0] if found else app.model.add_user(custom_id, request.now)
    _change_user(app, request, user, body)
    return VendorResponse(200, {"created": not found, "id": user})


def show_user(app: App, _request: VendorRequest, user: int) -> VendorResponse:
    """Return a user."""
    return VendorResponse(200, app.model.user(user))


def remove_user(app: App, _request: VendorRequest, user: int) -> VendorResponse:
    """Remove a user."""
    app.model.remove_user(user)
    app.state.count(app.name, "users_removed")
    return VendorResponse(204, b"")


def _change_user(app: App, request: VendorRequest, user: int, body: JsonObject) -> None:
    standard, custom = user_fields(body)
    app.model.change(USER, user, standard, app.attributes.convert(USER, custom), request.now)


def create_company(app: App, request: VendorRequest) -> VendorResponse:
    """Create a company. [I] It needs a custom_id or a name; which fields the real API requires is not public."""
    body = read(request)
    custom_id = text_id(body, "custom_id")
    if custom_id is None:
        required(body, "name")
    elif app.model.find_company("custom_id", custom_id) is not None:
        raise invalid("custom_id", TAKEN)
    company = app.model.add_company(custom_id, request.now)
    _change_company(app, request, company, body)
    return VendorResponse(201, app.model.company(company))


def show_company(app: App, _request: VendorRequest, company: int) -> VendorResponse:
    """Return a company."""
    return VendorResponse(200, app.model.company(company))


def update_company(app: App, request: VendorRequest, company: int) -> VendorResponse:
    """Change the fields in the body; the others keep their values."""
    body = read(request)
    custom_id = text_id(body, "custom_id")
    if custom_id is not None:
        if app.model.find_company("custom_id", custom_id) not in (None, company):
            raise invalid("custom_id", TAKEN)
        app.model.set_company_custom_id(company, custom_id)
    _change_company(app, request, company, body)
    return VendorResponse(200, app.model.company(company))


def add_member(app: App, request: VendorRequest, company: int) -> VendorResponse:
    """Add a user as a member: `{"user_id"}` (the API's own number) or `{"user_custom_id"}`."""
    app.model.add_member(company, app.user_of(read(request)), request.now)
    return VendorResponse(200, app.model.company(company))  # [I] that the response is the company


def _change_company(app: App, request: VendorRequest, company: int, body: JsonObject) -> None:
    standard, custom = company_fields(body)
    app.model.change(COMPANY, company, standard, app.attributes.convert(COMPANY, custom), request.now)


def add_event(app: App, request: VendorRequest, user: int) -> VendorResponse:
    """Store an event; unknown names and attributes are created."""
    body = required(read(request), "name")
    name, data = body["name"], body.get("data")
    if not isinstance(name, str):
        raise invalid("name", NOT_TEXT)
    if not isinstance(data, dict | None):
        raise invalid("data", NOT_OBJECT)
    kept = app.attributes.convert(event_scope(name), data or {})
    number, first = app.model.add_event(user, name, unix(body, request.now), kept)
    app.state.count(app.name, "event_names_created", first)
    return VendorResponse(200, {"id": number, "created": first})


def add_view(app: App, request: VendorRequest) -> VendorResponse:
    """Store a page view of the user with this key; counts it and moves `last_seen` forward."""
    body = read(request)
    for name in ("client_user", "page_domain", "page_path"):
        if not isinstance(required(body, name)[name], str):
            raise invalid(name, NOT_TEXT)
    users = app.model.find_users("key", str(body["client_user"]))
    if not users:
        raise refuse(404)  # [I] 404 rather than 400
    timestamp = unix(body, request.now)
    number = app.model.add_view(users[0], str(body["page_domain"]), str(body["page_path"]), timestamp)
    return VendorResponse(201, {"id": number})  # [I] status and body


def list_attributes(app: App, _request: VendorRequest) -> VendorResponse:
    """Return the defined attributes."""
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


def keyed(action: Callable[[App, VendorRequest], VendorResponse]) -> Handler:
    """Make a handler that checks the key first."""

    def handler(app: App, request: VendorRequest) -> VendorResponse:
        app.access.check(request)
        return action(app, request)

    return handler


def of_user(action: Action) -> Handler:
    """Make a handler for one user; 404 for an unknown one, as on every by-id path."""

    def handler(app: App, request: VendorRequest, reference: str) -> VendorResponse:
        app.access.check(request)
        found = app.model.find_users("custom_id", reference)
        if not found:
            raise refuse(404)
        return action(app, request, found[0])

    return handler


def of_company(key: str, action: Action) -> Handler:
    """Make a handler for one company; 404 for an unknown one."""

    def handler(app: App, request: VendorRequest, reference: str) -> VendorResponse:
        app.access.check(request)
        company = app.model.find_company(key, reference)
        if company is None:
            raise refuse(404)
        return action(app, request, company)

    return handler


TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/users/update_or_create/", keyed(update_or_create_user)),
    ("GET", "/users-by-id/{id}/", of_user(show_user)),
    ("DELETE", "/users-by-id/{id}/", of_user(remove_user)),
    ("POST", "/users-by-id/{id}/events/", of_user(add_event)),
    ("POST", "/site-views/", keyed(add_view)),
    ("GET", "/attributes/", keyed(list_attributes)),
    ("POST", "/companies/", keyed(create_company)),
    ("GET", "/companies-by-id/{id}/", of_company("custom_id", show_company)),
    ("PUT", "/companies-by-id/{id}/", of_company("custom_id", update_company)),
    ("POST", "/companies/{id}/add_member/", of_company("id", add_member)),
)


class UserCom(App):
    """The app with its routes."""

    routes = Routes((method, ROOT + path, handler) for method, path, handler in TABLE)
