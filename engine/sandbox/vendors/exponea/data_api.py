"""The part of the Data API that reads or anonymizes customers (private keys only).

[I] Consents, segmentations, expressions, predictions, recommendations, catalogues and analyses are not
emulated; requesting one as an attribute returns `success: false`.
"""

from __future__ import annotations

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import VendorResponse
from engine.sandbox.vendors.exponea.access import refuse
from engine.sandbox.vendors.exponea.project import Project

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


def anonymize(exponea: Project, body: JsonObject) -> VendorResponse:
    """Remove IDs and personal properties; the customer and its events stay."""
    _anonymize(exponea, find(exponea, body))
    return VendorResponse(200, {"success": True})


def _anonymize(exponea: Project, customer: int) -> None:
    new = f"{exponea.random.getrandbits(128):032x}"
    exponea.identity.anonymize(customer, (exponea.settings.soft_ids[0], new))
    exponea.customers.remove_properties(customer, exponea.settings.pii)
    exponea.state.count(exponea.name, "customers_anonymized")
