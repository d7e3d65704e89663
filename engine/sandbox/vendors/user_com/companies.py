"""What can be done with companies."""

from __future__ import annotations

from engine.records import JsonObject
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com import fields
from engine.sandbox.vendors.user_com.access import invalid
from engine.sandbox.vendors.user_com.app import App
from engine.sandbox.vendors.user_com.attributes import COMPANY
from engine.sandbox.vendors.user_com.body import read, required, text_id

TAKEN = "company with this custom id already exists."  # [I]


def create(app: App, incoming: VendorRequest) -> VendorResponse:
    """Make a company.  [I] It needs a custom_id or a name; which fields the real API asks for is not public."""
    body = read(incoming)
    custom_id = text_id(body, "custom_id")
    if custom_id is None:
        required(body, "name")
    elif app.model.find_company("custom_id", custom_id) is not None:
        raise invalid("custom_id", TAKEN)
    company = app.model.add_company(custom_id, incoming.now)
    _change(app, incoming, company, body)
    return VendorResponse(201, app.model.company(company))


def show(app: App, _incoming: VendorRequest, company: int) -> VendorResponse:
    """Show a company."""
    return VendorResponse(200, app.model.company(company))


def update(app: App, incoming: VendorRequest, company: int) -> VendorResponse:
    """Change what the body names; the rest stays."""
    body = read(incoming)
    custom_id = text_id(body, "custom_id")
    if custom_id is not None:
        if app.model.find_company("custom_id", custom_id) not in (None, company):
            raise invalid("custom_id", TAKEN)
        app.model.set_company_custom_id(company, custom_id)
    _change(app, incoming, company, body)
    return VendorResponse(200, app.model.company(company))


def add_member(app: App, incoming: VendorRequest, company: int) -> VendorResponse:
    """Make a user a member: `{"user_id"}` (the API's own number) or `{"user_custom_id"}`."""
    app.model.add_member(company, app.user_of(read(incoming)), incoming.now)
    return VendorResponse(200, app.model.company(company))  # [I] that it answers with the company


def _change(app: App, incoming: VendorRequest, company: int, body: JsonObject) -> None:
    standard, custom = fields.of_company(body)
    app.model.change(COMPANY, company, standard, app.attributes.convert(COMPANY, custom), incoming.now)
