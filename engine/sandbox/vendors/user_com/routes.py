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


def of_user(key: str, action: Action) -> Handler:
    """Make a handler of one user; 404 if there is none, as on every by-id path."""

    def handler(app: App, incoming: VendorRequest, reference: str) -> VendorResponse:
        app.access.check(incoming)
        found = app.model.find_users(key, reference)
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


def table() -> list[tuple[str, str, Handler]]:
    """List the paths; those of one user or company exist by number and by custom_id."""
    routes: list[tuple[str, str, Handler]] = [
        ("POST", "/users/", keyed(users.create)),
        ("POST", "/users/update_or_create/", keyed(users.update_or_create)),
        ("GET", "/users/search/", keyed(users.search)),
        ("GET", "/users-by-id/search/", keyed(users.search_by_id)),
        ("PUT", "/users/mass_update_custom_attributes/", keyed(users.mass_update)),
        ("GET", "/attributes/", keyed(activity.attributes)),
        ("POST", "/events/", keyed(activity.add_event)),
        ("POST", "/site-views/", keyed(activity.add_view)),
        ("POST", "/companies/", keyed(companies.create)),
        ("POST", "/companies/{id}/add_member/", of_company("id", companies.add_member)),
        ("POST", "/users-by-id/{id}/events/", of_user("custom_id", activity.add_event_of)),
        ("POST", "/users/{id}/add_tag/", of_user("id", users.add_tag)),
        ("POST", "/users/{id}/add_to_list/", of_user("id", users.add_to_list)),
    ]
    for prefix, key in (("users", "id"), ("users-by-id", "custom_id")):
        routes += [
            ("GET", f"/{prefix}/{{id}}/", of_user(key, users.show)),
            ("PUT", f"/{prefix}/{{id}}/", of_user(key, users.update)),
            ("DELETE", f"/{prefix}/{{id}}/", of_user(key, users.remove)),
            ("POST", f"/{prefix}/{{id}}/set_attribute/", of_user(key, users.set_attribute)),
            ("POST", f"/{prefix}/{{id}}/set_multiple_attributes/", of_user(key, users.set_multiple_attributes)),
        ]
    for prefix, key in (("companies", "id"), ("companies-by-id", "custom_id")):
        routes += [
            ("GET", f"/{prefix}/{{id}}/", of_company(key, companies.show)),
            ("PUT", f"/{prefix}/{{id}}/", of_company(key, companies.update)),
            ("DELETE", f"/{prefix}/{{id}}/", of_company(key, companies.remove)),
            (
                "POST",
                f"/{prefix}/{{id}}/set_multiple_attributes/",
                of_company(key, companies.set_multiple_attributes),
            ),
        ]
    return [(method, ROOT + path, handler) for method, path, handler in routes]


class UserCom(App):
    """The app with its paths."""

    routes = Routes(table())
