"""The emulated Extole client: persons, their parameters, their events."""

from __future__ import annotations

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Emulator, Surroundings
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.extole import access
from engine.sandbox.vendors.extole.access import ExtoleAccess, ExtoleSettings
from engine.sandbox.vendors.extole.model import SCHEMA, Persons, long_id

OWN_DOMAINS = (".extole.io", ".extole.com")


class Client(Emulator):
    """Persons, their parameters, their events."""

    name = "extole"
    title = "Extole"
    roots = ("v4", "v5", "v6")
    schema = SCHEMA
    settings_type = ExtoleSettings
    settings: ExtoleSettings

    def __init__(self, surroundings: Surroundings, settings: ExtoleSettings) -> None:
        super().__init__(surroundings, settings)
        self.access = ExtoleAccess(settings)
        self.persons = Persons(self.state)

    def before(self, request: VendorRequest) -> None:
        """Return the empty 204 for requests to a wrong host."""
        host = request.headers.get("host", "").partition(":")[0].lower()
        foreign = host.endswith(OWN_DOMAINS) and host not in self.settings.api_hosts
        if self.settings.wrong_host or foreign:
            raise Refusal(VendorResponse(204, b""))

    def respond(self, request: VendorRequest) -> VendorResponse:
        """Handle one request; an `ExtoleError` becomes an error response."""
        try:
            return super().respond(request)
        except access.ExtoleError as error:
            return access.known_error(self.random, error)

    def body_of(self, request: VendorRequest) -> Json:
        """Parse the body; it is not decompressed ([I]), so gzip is invalid JSON."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not request.body:
            raise access.ExtoleError("missing_request_body")
        if kind != JSON_TYPE:
            raise access.ExtoleError("unsupported_media_type", content_type=kind)
        try:
            body: Json = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise access.ExtoleError("invalid_json") from None
        return body

    def person(self, number: int) -> JsonObject:
        """Return a person in the API's format."""
        own_id, email, partner_user_id, first_name, last_name, erased = self.persons.row(number)
        parameters: list[Json] = [*self.persons.parameters(number)]
        return {
            "id": long_id(own_id),
            "email": email,
            "partner_user_id": partner_user_id,
            "first_name": first_name,
            "last_name": last_name,
            "parameters": parameters,
            "erased": bool(erased),
        }

    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:  # noqa: ARG002  never sends one
        """Return an error response in this vendor's format."""
        return access.status_error(self.random, status)

    def counts(self) -> dict[str, int]:
        """Return the numbers of stored and received items."""
        stored = {
            "persons": self.state.number("SELECT count(*) FROM extole_persons WHERE NOT erased"),
            "persons_erased": self.state.number("SELECT count(*) FROM extole_persons WHERE erased"),
            "events": self.state.number("SELECT count(*) FROM extole_events WHERE duplicate_of IS NULL"),
        }
        return stored | self.state.counters(self.name)

    def snapshot(self, limit: int) -> JsonObject:
        """Return the newest persons and events."""
        persons: list[Json] = [self.person(person) for person in self.persons.newest(limit)]
        events: list[Json] = [*self.persons.newest_events(limit)]
        return {"persons": persons, "events": events}

    def credentials(self) -> list[str]:
        """Return the accepted credentials."""
        return [f"Authorization: Bearer {' or '.join(self.settings.access_tokens)}"]
