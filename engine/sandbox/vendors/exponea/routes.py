"""The endpoints of the emulated Exponea: `/track/v2/...` and the part of `/data/v2/...` that reads customers."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Handler, Routes
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.exponea import access, tracking
from engine.sandbox.vendors.exponea.access import refuse
from engine.sandbox.vendors.exponea.project import Project
from engine.sandbox.vendors.exponea.tracking import MAX_COMMANDS

EVERYONE = 1_000_000


def find(exponea: Project, body: JsonObject) -> int:
    """Return the customer with these `customer_ids`; raises a 404 refusal."""
    customer = exponea.identity.known(exponea.identity.read(body.get("customer_ids")))
    if customer is None:
        raise refuse(404, "errors", {"_global": ["Customer does not exist"]})
    return customer


def export_one(exponea: Project, body: JsonObject) -> VendorResponse:
    """Return everything about one customer."""
    customer = find(exponea, body)
    return VendorResponse(
        200,
        {
            "success": True,
            "ids": exponea.ids(customer),
            "properties": exponea.customers.properties(customer),
            "events": exponea.customers.events(customer),
        },
    )


def events(exponea: Project, body: JsonObject) -> VendorResponse:
    """Return one customer's events of the requested types."""
    customer = find(exponea, body)
    kinds = body.get("event_types")
    wanted = [str(kind) for kind in kinds] if isinstance(kinds, list) else None
    return VendorResponse(200, {"success": True, "data": exponea.customers.events(customer, wanted)})


def attributes(exponea: Project, body: JsonObject) -> VendorResponse:
    """Return single properties and IDs of one customer, in the requested order."""
    customer = find(exponea, body)
    values: dict[str, JsonObject] = {"property": exponea.customers.properties(customer), "id": exponea.ids(customer)}
    requested = body.get("attributes")
    results: list[Json] = [_attribute(values, one) for one in requested] if isinstance(requested, list) else []
    return VendorResponse(200, {"success": True, "results": results})


def _attribute(values: dict[str, JsonObject], requested: Json) -> Json:
    if not isinstance(requested, dict) or requested.get("type") not in values:
        return {"success": False, "error": "No permission"}
    kind = str(requested["type"])
    return {"success": True, "value": values[kind].get(str(requested.get(kind)))}


def export(exponea: Project, _body: JsonObject) -> VendorResponse:
    """Return every customer as a table (`format: native_json`)."""
    rows = [(exponea.ids(customer), properties) for customer, properties in exponea.customers.newest(EVERYONE)]
    id_names = [*exponea.settings.hard_ids, *exponea.settings.soft_ids]
    names = list(dict.fromkeys(name for _, properties in rows for name in properties))
    fields: list[Json] = [{"type": "id", "id": name} for name in id_names]
    fields += [{"type": "property", "property": name} for name in names]
    data: list[Json] = [
        [*(ids.get(name) for name in id_names), *(properties.get(name) for name in names)] for ids, properties in rows
    ]
    return VendorResponse(200, {"success": True, "fields": fields, "data": data})


def anonymize(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
    """Remove IDs and personal properties; the customer and its events stay."""
    return private(lambda exponea, body: _anonymize(exponea, request, body))(exponea, request, project)


def _anonymize(exponea: Project, request: VendorRequest, body: JsonObject) -> VendorResponse:
    request.erased = tuple(value for _, value in exponea.identity.read(body.get("customer_ids")))
    customer = find(exponea, body)
    email = exponea.customers.properties(customer).get("email")
    request.erased += tuple(value for _, value in exponea.identity.ids(customer))
    request.erased += (email,) if isinstance(email, str) and email else ()
    new = f"{exponea.random.getrandbits(128):032x}"
    exponea.identity.anonymize(customer, (exponea.settings.soft_ids[0], new))
    exponea.customers.remove_properties(customer, exponea.settings.pii)
    exponea.state.count(exponea.name, "customers_anonymized")
    exponea.state.erased()
    return VendorResponse(200, {"success": True})


def system_time(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
    """Return the server's time."""
    exponea.access.check(request, project)
    return VendorResponse(200, {"errors": [], **tracking.system_time(exponea, {}, request.now)})


def single(command: tracking.Command) -> Handler:
    """Make a handler for the endpoint of a single command."""

    def handler(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(request, project)
        try:
            return VendorResponse(200, {"errors": [], **command(exponea, body_of(request), request.now)})
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def batch(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
    """Run up to 50 commands; the status is 200 even if some of them fail."""
    exponea.access.check(request, project)
    commands = body_of(request).get("commands")
    if not isinstance(commands, list) or not commands:
        raise access.refuse(400, "message", "No commands")
    if not all(isinstance(command, dict) for command in commands):
        raise access.refuse(400, "message", "Invalid JSON")
    if len(commands) > MAX_COMMANDS:
        # [I] The maximum is documented, the response beyond it is not.
        raise access.refuse(400, "message", f"Too many commands ({len(commands)}), at most {MAX_COMMANDS}")
    results: list[Json] = []
    for command in commands:
        assert isinstance(command, dict)
        results.append(tracking.run(exponea, command, request.item_error(), request.now))
    exponea.state.count(exponea.name, "commands", len(commands))
    times: JsonObject = {"start_time": request.now, "end_time": exponea.clock()}
    return VendorResponse(200, {"results": results, **times, "success": True})


def private(read: Callable[[Project, JsonObject], VendorResponse]) -> Handler:
    """Make a handler for a Data API call."""

    def handler(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(request, project, private=True)
        try:
            return read(exponea, body_of(request))
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def body_of(request: VendorRequest) -> JsonObject:
    """Parse the body: an uncompressed JSON object (API FAQ: gzip gets the generic 400)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity") != "identity" or kind != JSON_TYPE:
        # [I] that another content type gets the same response as gzip.
        raise Refusal(VendorResponse(400, access.BAD_REQUEST.encode(), {"content-type": "text/plain; charset=utf-8"}))
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise access.refuse(400, "message", "Invalid JSON")
    return body


TRACK = "/track/v2/projects/{token}"
DATA = "/data/v2/projects/{token}/customers"


class Exponea(Project):
    """The project with its routes."""

    routes = Routes(
        [
            ("GET", f"{TRACK}/system/time", system_time),
            ("POST", f"{TRACK}/customers", single(tracking.update_customer)),
            ("POST", f"{TRACK}/customers/events", single(tracking.add_event)),
            ("POST", f"{TRACK}/batch", batch),
            ("POST", f"{DATA}/export-one", private(export_one)),
            ("POST", f"{DATA}/export", private(export)),
            ("POST", f"{DATA}/events", private(events)),
            ("POST", f"{DATA}/attributes", private(attributes)),
            ("POST", f"{DATA}/anonymize", anonymize),
        ]
    )
