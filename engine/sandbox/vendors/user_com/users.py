"""What can be done with users."""

from __future__ import annotations

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com import fields
from engine.sandbox.vendors.user_com.access import detail, invalid
from engine.sandbox.vendors.user_com.app import App
from engine.sandbox.vendors.user_com.attributes import USER
from engine.sandbox.vendors.user_com.body import id_field, own_id, read, required

TAKEN = "user with this custom id already exists."  # [I]
NEEDED_IN_V1 = ("email", "first_name", "last_name")


def create(app: App, incoming: VendorRequest) -> VendorResponse:
    """Make a user; version 1 of the API asks for email and both names."""
    body = read(incoming)
    if id_field(incoming) == "user_id":
        for name in NEEDED_IN_V1:
            required(body, name)
    custom_id = own_id(incoming, body)
    if custom_id is not None and app.model.find_users("custom_id", custom_id):
        raise invalid(id_field(incoming), TAKEN)
    user = app.model.add_user(custom_id, incoming.now)
    _change(app, incoming, user, body)
    return VendorResponse(201, app.model.user(user))  # [I] that it answers with the user


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


def update(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Change what the body names; the rest stays."""
    body = read(incoming)
    custom_id = own_id(incoming, body)
    if custom_id is not None:
        owners = app.model.find_users("custom_id", custom_id)
        if owners not in ([], [user]):
            raise invalid(id_field(incoming), TAKEN)
        app.model.set_custom_id(USER, user, custom_id)
    _change(app, incoming, user, body)
    return VendorResponse(200, app.model.user(user))


def remove(app: App, _incoming: VendorRequest, user: int) -> VendorResponse:
    """Remove a user."""
    app.model.remove_user(user)
    app.state.count(app.name, "users_removed")
    return VendorResponse(204, b"")


def set_attribute(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Set one attribute: `{"attribute", "value"}`."""
    body = required(read(incoming), "attribute")
    _change(app, incoming, user, {str(body["attribute"]): body.get("value")})
    return VendorResponse(200, app.model.user(user))  # [I] that it answers with the user


def set_multiple_attributes(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Set several attributes: `{name: value}`."""
    _change(app, incoming, user, read(incoming))
    return VendorResponse(200, app.model.user(user))  # [I] that it answers with the user


def add_tag(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Add a tag by name."""
    app.model.add_to("tags", user, {"name": str(required(read(incoming), "name")["name"])})
    return VendorResponse(200, app.model.user(user))


def add_to_list(app: App, incoming: VendorRequest, user: int) -> VendorResponse:
    """Put a user on a list, by its id or name."""
    body = read(incoming)
    entry: JsonObject = {key: body[key] for key in ("id", "name") if key in body}
    app.model.add_to("lists", user, entry or required(body, "id"))
    return VendorResponse(200, app.model.user(user))


def search(app: App, incoming: VendorRequest) -> VendorResponse:
    """Find by `email` or `key` (one user, or 404), or by `phone_number` (a list)."""
    phone = incoming.query.get("phone_number")
    if phone is not None:
        found: list[Json] = [app.model.user(user) for user in app.model.find_users("phone_number", phone)]
        return VendorResponse(200, {"results": found})
    for key in ("email", "key"):
        if key in incoming.query:
            return _first(app, key, incoming.query[key])
    return detail(400)


def search_by_id(app: App, incoming: VendorRequest) -> VendorResponse:
    """Find by `user_id`, the older name of custom_id."""
    wanted = incoming.query.get("user_id") or incoming.query.get("custom_id")
    return _first(app, "custom_id", wanted) if wanted else detail(400)


def mass_update(app: App, incoming: VendorRequest) -> VendorResponse:
    """Set one attribute of many users: `{"ids", "attribute", "value"}`; ids nobody has are passed over."""
    body = required(required(read(incoming), "ids"), "attribute")
    numbers = body["ids"]
    if not isinstance(numbers, list):
        raise invalid("ids", 'Expected a list of items but got type "str".')
    for number in numbers:
        for user in app.model.find_users("id", str(number)) if isinstance(number, int) else []:
            _change(app, incoming, user, {str(body["attribute"]): body.get("value")})
    return VendorResponse(200, {"success": True})  # [I] the answer


def _first(app: App, key: str, value: str) -> VendorResponse:
    found = app.model.find_users(key, value)
    if not found:
        raise Refusal(detail(404))
    return VendorResponse(200, app.model.user(found[0]))


def _change(app: App, incoming: VendorRequest, user: int, body: JsonObject) -> None:
    standard, custom = fields.of_user(body)
    app.model.change(USER, user, standard, app.attributes.convert(USER, custom), incoming.now)
