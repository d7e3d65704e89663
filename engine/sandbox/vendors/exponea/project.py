"""The emulated project: customers with hard and soft IDs, and their events."""

from __future__ import annotations

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Emulator, Surroundings
from engine.sandbox.http_messages import VendorResponse
from engine.sandbox.vendors.exponea import access
from engine.sandbox.vendors.exponea.access import ExponeaAccess, ExponeaSettings
from engine.sandbox.vendors.exponea.identity import CustomerIdentity
from engine.sandbox.vendors.exponea.model import SCHEMA, Customers


class Project(Emulator):
    """Customers with hard and soft IDs, and their events."""

    name = "exponea"
    title = "Exponea / Bloomreach Engagement"
    roots = ("track", "data")
    schema = SCHEMA
    settings_type = ExponeaSettings
    settings: ExponeaSettings

    def __init__(self, surroundings: Surroundings, settings: ExponeaSettings) -> None:
        super().__init__(surroundings, settings)
        self.access = ExponeaAccess(settings)
        self.customers = Customers(self.state, settings.customer_attributes)
        self.identity = CustomerIdentity(self.state, settings, self.customers.merge)
        self.allowed_events = frozenset(settings.events_allowed)
        self.refused_properties = frozenset(settings.properties_refused)

    def ids(self, customer: int) -> JsonObject:
        """Return a customer's IDs as exports do: a hard ID is a text, a soft ID a list."""
        given: JsonObject = {}
        for name, value in self.identity.ids(customer):
            if name in self.settings.hard_ids:
                given[name] = value
            else:
                values = given.setdefault(name, [])
                assert isinstance(values, list)
                values.append(value)
        return given

    def finish(self, response: VendorResponse) -> VendorResponse:
        """Add a request ID, as the real API does."""
        return response.with_headers({"x-request-id": f"{self.random.getrandbits(128):032x}"})

    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:  # noqa: ARG002  never sends one
        """Return an error response in this vendor's format. [I] It is not known to send `Retry-After`."""
        return access.status_error(status)

    def counts(self) -> dict[str, int]:
        """Return the numbers of stored and received items."""
        tables = {name: f"SELECT count(*) FROM exponea_{name}" for name in ("customers", "events")}  # noqa: S608
        return {name: self.state.number(sql) for name, sql in tables.items()} | self.state.counters(self.name)

    def snapshot(self, limit: int) -> JsonObject:
        """Return the newest customers and events."""
        customers: list[Json] = [
            {
                "ids": self.ids(customer),
                "properties": properties,
                "events": self.customers.event_count(customer),
            }
            for customer, properties in self.customers.newest(limit)
        ]
        events: list[Json] = [
            {"customer": self.ids(customer), **event} for customer, event in self.customers.newest_events(limit)
        ]
        return {"customers": customers, "events": events}

    def credentials(self) -> list[str]:
        """Return the accepted credentials."""
        pairs = ", ".join(f"{key}:{secret}" for key, secret in self.settings.private_keys.items())
        return [
            f"project {self.settings.project_token}",
            f"Authorization: Token {' or '.join(self.settings.public_keys)}",
            f"Authorization: Basic base64({pairs})",
        ]
