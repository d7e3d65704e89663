"""The part of the Data API that reads customers back or forgets them (private keys only).

[I] Consents, segmentations, expressions, predictions, recommendations, catalogues and analyses are not
emulated; asking for one as an attribute gives `success: false`.
"""

from __future__ import annotations

from engine.records import Json, JsonObject
from engine.sandbox.http_messages import VendorResponse
from engine.sandbox.vendors.exponea.access import refuse
from engine.sandbox.vendors.exponea.project import Project

EVERYONE = 1_000_000


def find(exponea: Project, body: JsonObject) -> int:
    """Return the customer that `customer_ids` names, or say that there is none."""
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
    """Return one customer's events of the types asked for."""
    customer = find(exponea, body)
    kinds = body.get("event_types")
    wanted = [str(kind) for kind in kinds] if isinstance(kinds, list) else None
    return VendorResponse(200, {"success": True, "data": exponea.customers.events(customer, wanted)})


def attributes(exponea: Project, body: JsonObject) -> VendorResponse:
    """Return single properties and ids of one customer, in the order asked for."""
    customer = find(exponea, body)
    held: dict[str, JsonObject] = {"property": exponea.customers.properties(customer), "id": exponea.ids(customer)}
    asked = body.get("attributes")
    results: list[Json] = [_attribute(held, one) for one in asked] if isinstance(asked, list) else []
    return VendorResponse(200, {"success": True, "results": results})


def _attribute(held: dict[str, JsonObject], asked: Json) -> Json:
    if not isinstance(asked, dict) or asked.get("type") not in held:
        return {"success": False, "error": "No permission"}
    kind = str(asked["type"])
    return {"success": True, "value": held[kind].get(str(asked.get(kind)))}


def export(exponea: Project, _body: JsonObject) -> VendorResponse:
    """Return every customer as a table (`format: native_json`)."""
    rows = [(exponea.ids(customer), properties) for customer, properties in exponea.customers.newest(EVERYONE)]
    id_names = [*exponea.settings.hard_ids, *exponea.settings.soft_ids]
    names = list(dict.fromkeys(name for _, properties in rows for name in properties))
    fields: list[Json] = [{"type": "id", "id": name} for name in id_names]
    fields += [{"type": "property", "property": name} for name in names]
    data: list[Json] = [
        [*(held.get(name) for name in id_names), *(properties.get(name) for name in names)] for held, properties in rows
    ]
    return VendorResponse(200, {"success": True, "fields": fields, "data": data})


def anonymize(exponea: Project, body: JsonObject) -> VendorResponse:
    """Take away ids and personal properties; the customer and its events stay."""
    _anonymize(exponea, find(exponea, body))
    return VendorResponse(200, {"success": True})


def _anonymize(exponea: Project, customer: int) -> None:
    new = f"{exponea.random.getrandbits(128):032x}"
    exponea.identity.anonymize(customer, (exponea.settings.soft_ids[0], new))
    exponea.customers.forget(customer, exponea.settings.pii)
    exponea.state.count(exponea.name, "customers_anonymized")
