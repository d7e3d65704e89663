"""What a vendor's response means for each parcel of a shipment. Pure."""

from __future__ import annotations

from typing import NamedTuple

from engine.delivery.sending.batching import Shipment
from engine.records import Json, JsonObject
from engine.responses import ItemResult, ResponseReader, Then, error_text

NO_HEADERS: JsonObject = {}
NO_RESULTS = "the response has no result for each item of the batch"


class VendorReply(NamedTuple):
    """What came back.

    `readable` is False for a body that should be JSON and is not; `failure` is why no response came back, and
    `unsendable` why the request could not be sent at all.
    """

    status: int = 0
    headers: JsonObject = NO_HEADERS
    body: Json = None
    readable: bool = True
    failure: str = ""
    unsendable: str = ""


class ShipmentResult(NamedTuple):
    """What a reply means; for `accept`, `items` has one result per parcel. `error` is the vendor's message."""

    then: Then
    status: int
    error: str = ""
    hint: str = ""
    items: list[ItemResult] | None = None

    @property
    def reason(self) -> str:
        """Return what happened, without the vendor's message."""
        if self.status:
            return f"the vendor answered {self.status}"
        return "the request could not be made" if self.then == "reject" else "no response from the vendor"

    @property
    def description(self) -> str:
        """Return what happened, with the vendor's message."""
        return f"{self.reason}: {self.error}" if self.error else self.reason


def read(responses: ResponseReader, shipment: Shipment, reply: VendorReply) -> ShipmentResult:
    """Return what a reply means for a shipment.

    A batch is judged like its first request: the mapping's rules apply to both.
    """
    if reply.unsendable:
        return ShipmentResult("reject", 0, reply.unsendable)
    if reply.failure:
        return ShipmentResult("retry", 0, reply.failure)
    request = shipment.parcels[0].request.request
    then, error, hint = responses.judge(request, reply.status, reply.headers, reply.body, readable=reply.readable)
    if then != "accept":
        return ShipmentResult(then, reply.status, error or error_text(reply.body), hint)
    if shipment.batch is None:
        return ShipmentResult(then, reply.status, items=[ItemResult(True)])
    items = responses.results(shipment.batch, reply.body, len(shipment.parcels))
    if items is None:
        return ShipmentResult("retry", reply.status, NO_RESULTS)
    return ShipmentResult(then, reply.status, items=items)
