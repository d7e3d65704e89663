"""What can be done with users."""

from __future__ import annotations

from engine.records import JsonObject
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com import fields
from engine.sandbox.vendors.user_com.app import App
from engine.sandbox.vendors.user_com.attributes import USER
from engine.sandbox.vendors.user_com.body import id_field, own_id, read, required


def update_or_create(app: App, incoming: VendorRequest) -> VendorResponse:
    """Change the user with this custom_id, or make one."""
    body = read(incoming)
    custom_id = own_id(incoming, required(body, id_field(incoming)))
    assert custom_id is not None
    found = app.model.find_users("custom_id", custom_id)
    user = found[0] if found else app.model.add_user(custom_id, incoming.now)
    _change(app, incoming, user, body)
    return VendorResponse(200, {"created": not found, "id": user})


def show(app: App, _incoming: VendorRequest, user: int) -> VendorResponse:
    """Show a user."""
    return VendorResponse(200, app.model.user(user))


def remove(app: App, _incoming: VendorRequest, user: int) -> VendorResponse:
    """Remove a user."""
    app.model.remove_user(user)
    app.state.count(app.name, "users_removed")
    return VendorResponse(204, b"")


def _change(app: App, incoming: VendorRequest, user: int, body: JsonObject) -> None:
    standard, custom = fields.of_user(body)
    app.model.change(USER, user, standard, app.attributes.convert(USER, custom), incoming.now)
