"""A vendor's answer -> what it means for each parcel of a shipment.  Pure."""

from __future__ import annotations

from typing import NamedTuple

from engine.delivery.sending.batching import Shipment
from engine.records import Json, JsonObject
from engine.responses import ItemResult, ResponseReader, Then, error_text

NO_HEADERS: JsonObject = {}
NO_RESULTS = "the answer does not say how each item of the batch went"


class VendorReply(NamedTuple):
    """What came back.

    `readable` is False for a body that should be JSON and is not, `failure` says why nothing came back, and
    `unsendable` why nothing could be sent in the first place.
    """

    status: int = 0
    headers: JsonObject = NO_HEADERS
    body: Json = None
    readable: bool = True
    failure: str = ""
    unsendable: str = ""


class ShipmentResult(NamedTuple):
    """What a reply means. For `accept`, `items` has one result per parcel."""

    then: Then
    status: int
    words: str = ""
    hint: str = ""
    items: list[ItemResult] | None = None

    @property
    def reason(self) -> str:
        """Say what happened, without the vendor's words."""
        if self.status:
            return f"the vendor answered {self.status}"
        return "the request could not be made" if self.then == "reject" else "no answer from the vendor"

    @property
    def told(self) -> str:
        """Say what happened, with the vendor's words."""
        return f"{self.reason}: {self.words}" if self.words else self.reason


def read(responses: ResponseReader, shipment: Shipment, reply: VendorReply) -> ShipmentResult:
    """Say what a reply means for a shipment.

    A batch is judged as its first request is: the mapping's rules hold for both.
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
