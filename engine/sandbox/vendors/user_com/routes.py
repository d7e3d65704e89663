"""The HTTP face of the emulated User.com: `/api/public/`, every path with its trailing slash."""

from __future__ import annotations

from collections.abc import Callable

from engine.sandbox.emulator import Handler, Routes
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.vendors.user_com import access, activity, companies, users
from engine.sandbox.vendors.user_com.app import App

ROOT = "/api/public"
Action = Callable[[App, VendorRequest, int], VendorResponse]


def keyed(action: Callable[[App, VendorRequest], VendorResponse]) -> Handler:
    """Make a handler: the key first."""

    def handler(app: App, incoming: VendorRequest) -> VendorResponse:
        app.access.check(incoming)
        return action(app, incoming)

    return handler


def of_user(action: Action) -> Handler:
    """Make a handler of one user; 404 if there is none, as on every by-id path."""

    def handler(app: App, incoming: VendorRequest, reference: str) -> VendorResponse:
        app.access.check(incoming)
        found = app.model.find_users("custom_id", reference)
        if not found:
            raise access.refuse(404)
        return action(app, incoming, found[0])

    return handler


def of_company(key: str, action: Action) -> Handler:
    """Make a handler of one company; 404 if there is none."""

    def handler(app: App, incoming: VendorRequest, reference: str) -> VendorResponse:
        app.access.check(incoming)
        company = app.model.find_company(key, reference)
        if company is None:
            raise access.refuse(404)
        return action(app, incoming, company)

    return handler


TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/users/update_or_create/", keyed(users.update_or_create)),
    ("GET", "/users-by-id/{id}/", of_user(users.show)),
    ("DELETE", "/users-by-id/{id}/", of_user(users.remove)),
    ("POST", "/users-by-id/{id}/events/", of_user(activity.add_event)),
    ("POST", "/site-views/", keyed(activity.add_view)),
    ("GET", "/attributes/", keyed(activity.attributes)),
    ("POST", "/companies/", keyed(companies.create)),
    ("GET", "/companies-by-id/{id}/", of_company("custom_id", companies.show)),
    ("PUT", "/companies-by-id/{id}/", of_company("custom_id", companies.update)),
    ("POST", "/companies/{id}/add_member/", of_company("id", companies.add_member)),
)


class UserCom(App):
    """The app with its paths."""

    routes = Routes((method, ROOT + path, handler) for method, path, handler in TABLE)
