"""The HTTP face of the emulated Exponea: `/track/v2/...` and the part of `/data/v2/...` that reads back."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Emulator, Handler, Routes, Surroundings
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.exponea import access, reading, tracking
from engine.sandbox.vendors.exponea.access import ExponeaAccess, ExponeaSettings
from engine.sandbox.vendors.exponea.identity import CustomerIdentity
from engine.sandbox.vendors.exponea.model import SCHEMA, Customers
from engine.sandbox.vendors.exponea.tracking import MAX_COMMANDS


def system_time(exponea: Exponea, incoming: VendorRequest, project: str) -> VendorResponse:
    """Answer the harmless question."""
    exponea.access.check(incoming, project)
    return VendorResponse(200, {"errors": [], **tracking.system_time(exponea, {}, incoming.now)})


def single(command: tracking.Command) -> Handler:
    """Make a handler of one command's own endpoint."""

    def handler(exponea: Exponea, incoming: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(incoming, project)
        try:
            return VendorResponse(200, {"errors": [], **command(exponea, body_of(incoming), incoming.now)})
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def batch(exponea: Exponea, incoming: VendorRequest, project: str) -> VendorResponse:
    """Run up to 50 commands; the answer is 200 even if some of them fail."""
    exponea.access.check(incoming, project)
    commands = body_of(incoming).get("commands")
    if not isinstance(commands, list) or not commands:
        raise access.refuse(400, "message", "No commands")
    if not all(isinstance(command, dict) for command in commands):
        raise access.refuse(400, "message", "Invalid JSON")
    if len(commands) > MAX_COMMANDS:
        # [I] The maximum is documented, the answer beyond it is not.
        raise access.refuse(400, "message", f"Too many commands ({len(commands)}), at most {MAX_COMMANDS}")
    results: list[Json] = []
    for command in commands:
        assert isinstance(command, dict)
        results.append(tracking.run(exponea, command, incoming.item_error(), incoming.now))
    exponea.state.count(exponea.name, "commands", len(commands))
    times: JsonObject = {"start_time": incoming.now, "end_time": exponea.clock()}
    return VendorResponse(200, {"results": results, **times, "success": True})


def private(read: Callable[[Exponea, JsonObject], VendorResponse]) -> Handler:
    """Make a handler of a Data API call."""

    def handler(exponea: Exponea, incoming: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(incoming, project, private=True)
        try:
            return read(exponea, body_of(incoming))
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def body_of(incoming: VendorRequest) -> JsonObject:
    """Read the body: a JSON object, not compressed (the API FAQ: gzip gives the generic 400)."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if incoming.headers.get("content-encoding", "identity") != "identity" or kind != JSON_TYPE:
        # [I] that another content type gives the same answer as gzip.
        raise Refusal(VendorResponse(400, access.BAD_REQUEST.encode(), {"content-type": "text/plain; charset=utf-8"}))
    try:
        body = orjson.loads(incoming.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise access.refuse(400, "message", "Invalid JSON")
    return body


TRACK = "/track/v2/projects/{token}"
DATA = "/data/v2/projects/{token}/customers"


class Exponea(Emulator):
    """Customers with hard and soft ids, and their events."""

    name = "exponea"
    title = "Exponea / Bloomreach Engagement"
    roots = ("track", "data")
    schema = SCHEMA
    settings_type = ExponeaSettings
    settings: ExponeaSettings
    routes = Routes(
        [
            ("GET", f"{TRACK}/system/time", system_time),
            ("POST", f"{TRACK}/customers", single(tracking.update_customer)),
            ("POST", f"{TRACK}/customers/events", single(tracking.add_event)),
            ("POST", f"{TRACK}/batch", batch),
            ("POST", f"{DATA}/export-one", private(reading.export_one)),
            ("POST", f"{DATA}/export", private(reading.export)),
            ("POST", f"{DATA}/events", private(reading.events)),
            ("POST", f"{DATA}/attributes", private(reading.attributes)),
            ("POST", f"{DATA}/anonymize", private(reading.anonymize)),
            ("POST", f"{DATA}/anonymize_bulk", private(reading.anonymize_bulk)),
        ]
    )

    def __init__(self, surroundings: Surroundings, settings: ExponeaSettings) -> None:
        super().__init__(surroundings, settings)
        self.access = ExponeaAccess(settings)
        self.customers = Customers(self.state, settings.customer_attributes)
        self.identity = CustomerIdentity(self.state, settings, self.customers.merge)
        self.allowed_events = frozenset(settings.events_allowed)
        self.refused_properties = frozenset(settings.properties_refused)

    def finish(self, answer: VendorResponse) -> VendorResponse:
        """Put on the request id the real API sends."""
        return answer.with_headers({"x-request-id": f"{self.random.getrandbits(128):032x}"})

    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:  # noqa: ARG002  never sends one
        """Say a status in this vendor's shape.  [I] It is not known to send `Retry-After`."""
        return access.general(status)

    def counts(self) -> dict[str, int]:
        """Return what is held and what was seen."""
        tables = {name: f"SELECT count(*) FROM exponea_{name}" for name in ("customers", "events")}  # noqa: S608
        return {name: self.state.number(sql) for name, sql in tables.items()} | self.state.counters(self.name)

    def snapshot(self, limit: int) -> JsonObject:
        """Return the newest customers and events."""
        customers: list[Json] = [
            {
                "ids": reading.ids(self, customer),
                "properties": properties,
                "events": self.customers.event_count(customer),
            }
            for customer, properties in self.customers.newest(limit)
        ]
        events: list[Json] = [
            {"customer": reading.ids(self, customer), **event}
            for customer, event in self.customers.newest_events(limit)
        ]
        return {"customers": customers, "events": events}

    def welcome(self) -> list[str]:
        """Say which credentials are accepted."""
        pairs = ", ".join(f"{key}:{secret}" for key, secret in self.settings.private_keys.items())
        return [
            f"project {self.settings.project_token}",
            f"Authorization: Token {' or '.join(self.settings.public_keys)}",
            f"Authorization: Basic base64({pairs})",
        ]
