"""The emulated User.com app: users, companies, events and page views."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Emulator, Surroundings
from engine.sandbox.http_messages import VendorRequest, VendorResponse
from engine.sandbox.state import to_iso
from engine.sandbox.vendors.user_com import access
from engine.sandbox.vendors.user_com.access import UserComAccess, UserComSettings
from engine.sandbox.vendors.user_com.attributes import COMPANY, USER, Attributes
from engine.sandbox.vendors.user_com.body import required, text_id
from engine.sandbox.vendors.user_com.model import SCHEMA, Model


class App(Emulator):
    """Users, companies, events, page views."""

    name = "user_com"
    title = "User.com"
    roots = ("api",)
    base_path = "/api/public"
    schema = SCHEMA
    settings_type = UserComSettings
    settings: UserComSettings

    def __init__(self, surroundings: Surroundings, settings: UserComSettings) -> None:
        super().__init__(surroundings, settings)
        self.access = UserComAccess(settings)
        self.model = Model(self.state)
        self.attributes = Attributes(self.state, settings)

    def user_of(self, body: JsonObject) -> int:
        """Return the user a body names by `user_id` (the API's own number) or `user_custom_id`."""
        number, custom_id = text_id(body, "user_id"), text_id(body, "user_custom_id")
        if number is None and custom_id is None:
            required(body, "user_id")
        key, value = ("id", number) if number is not None else ("custom_id", custom_id)
        found = self.model.find_users(key, str(value))
        if not found:
            raise access.refuse(404)
        return found[0]

    def unknown_path(self, request: VendorRequest) -> VendorResponse:
        """Return a 404, or a 301 if only the trailing slash is missing ([I], as the framework does)."""
        if not request.path.endswith("/") and self.routes.find((*request.segments, "")):
            return VendorResponse(301, b"", {"location": f"{request.path.rpartition('/')[2]}/"})
        return self.failure(404)

    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:
        """Return an error response in this vendor's format."""
        return access.throttled(retry_after) if status == 429 and retry_after else access.detail(status)

    def counts(self) -> dict[str, int]:
        """Return the numbers of stored and received items."""
        names = ("users", "companies", "members", "events", "event_names", "views")
        tables = {name: self.state.number(f"SELECT count(*) FROM user_com_{name}") for name in names}  # noqa: S608
        return tables | self.state.counters(self.name)

    def snapshot(self, limit: int) -> JsonObject:
        """Return the newest users, companies, events and page views."""
        return {
            "users": [self.model.user(number) for number in self._newest("users", limit)],
            "companies": [self.model.company(number) for number in self._newest("companies", limit)],
            "events": self._rows("SELECT user, name, timestamp, data FROM user_com_events", _event, limit),
            "site_views": self._rows("SELECT user, domain, path, timestamp FROM user_com_views", _view, limit),
            "attributes": {
                "user": [*self.attributes.definitions(USER)],
                "company": [*self.attributes.definitions(COMPANY)],
            },
        }

    def _newest(self, table_name: str, limit: int) -> list[int]:
        sql = f"SELECT id FROM user_com_{table_name} ORDER BY id DESC LIMIT ?"  # noqa: S608  our own table names
        return [number for (number,) in reversed(self.state.all(sql, (limit,)))]

    def _rows(self, sql: str, to_json: Callable[..., JsonObject], limit: int) -> list[Json]:
        rows = self.state.all(f"{sql} ORDER BY id DESC LIMIT ?", (limit,))
        return [to_json(*row) for row in reversed(rows)]

    def credentials(self) -> list[str]:
        """Return the accepted credentials."""
        return [f"Authorization: Token {' or '.join(self.settings.api_keys)}", "Accept: */*; version=2"]


def _event(user: int, name: str, timestamp: float, data: str) -> JsonObject:
    return {"user": user, "name": name, "timestamp": to_iso(timestamp), "data": orjson.loads(data)}


def _view(user: int, domain: str, path: str, timestamp: float) -> JsonObject:
    return {"user": user, "page_domain": domain, "page_path": path, "timestamp": to_iso(timestamp)}
