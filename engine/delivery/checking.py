"""One harmless question to a vendor: does it know these credentials?  The mapping says which (`check`)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

from engine.compiler.runtime import Invalid
from engine.delivery import answers
from engine.delivery.batching import Next, Parcel, Shipment
from engine.delivery.config import Changed, Configured, base_url
from engine.delivery.pacing import seconds
from engine.delivery.sender import Refused, Sender, Unsendable
from engine.exchange import Exchange
from engine.mapping.model import Step
from engine.plan import Connection, Destination
from engine.records import Json, PlannedRequest, masked

QUESTION: Json = {"type": "track", "event": "check", "userId": "check", "messageId": "check"}


class Checked(NamedTuple):
    """What came of it; `fine` is None where nothing could be asked."""

    fine: bool | None
    words: str


class _Nobody:
    """Stands where an event would."""

    ids: frozenset[str] = frozenset()
    queued_at = 0.0

    def next(self) -> Next:
        return Next([], more=False)


async def ask(configured: Configured) -> Checked:
    """Ask a connection's vendor."""
    name = configured.mapping.check
    if name is None:
        return Checked(None, f"settings fit; {configured.mapping.title} has no harmless question to ask.")
    try:
        request = _question(configured, name)
        sender = Sender(base_url(configured.connection), timeout=seconds(configured.mapping.http.timeout), slots=1)
    except Invalid as error:
        return Checked(False, str(error))
    try:
        reply = await sender.send(request)
    except (Refused, Unsendable) as error:
        return Checked(False, str(error))
    finally:
        await sender.close()
    shipment = Shipment(None, [Parcel(_Nobody(), request)])
    answer = answers.read(Exchange(configured.connection), shipment, reply)
    if answer.then == "accept":
        return Checked(True, f"{configured.mapping.title} knows the credentials.")
    told = f"{answer.told}. {answer.hint}" if answer.hint else f"{answer.told}."
    return Checked(False, cast("str", masked(told, configured.connection.secrets)))


def _question(configured: Configured, name: str) -> PlannedRequest:
    """Plan the question as the only step of a call; a check uses nothing of an event.

    It has no request id: a vendor that remembers those would answer what was true the first time.
    """
    step = Step(place=("check",), request=name, value=None)
    http = replace(configured.mapping.http, request_id=None)
    calls = {"track": (step,)}
    loaded = Changed(configured.connection.destination.loaded, calls=calls, shared={}, integrations=(), http=http)
    plan = Connection(Destination(loaded), configured.connection.settings).plan(QUESTION)
    if not plan.requests:
        raise Invalid("check", plan.reason)
    return plan.requests[0]
