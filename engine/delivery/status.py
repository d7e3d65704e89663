"""The status of connections as JSON, and one harmless request that shows whether a vendor knows the credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

from engine.compiler.runtime import Invalid
from engine.delivery.configured import Changed, Configured, base_url
from engine.delivery.intake import iso
from engine.delivery.outbox.base import ConnectionRow, Outbox, advice
from engine.delivery.sending import answers
from engine.delivery.sending.batching import Next, Parcel, Shipment
from engine.delivery.sending.http import Refused, Sender, Unsendable
from engine.delivery.sending.pacing import seconds
from engine.mapping.model import Step
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, PlannedRequest, masked
from engine.responses import ResponseReader

MOST_REASONS = 50


def standing(outbox: Outbox) -> JsonObject:
    """Return each connection with its events by outcome, and the commonest reasons of what was not delivered."""
    seen = outbox.overview(MOST_REASONS)
    connections: list[Json] = []
    for row in seen.connections:
        outcomes: JsonObject = {
            outcome.value: count for (name, outcome), count in seen.counts.items() if name == row.name
        }
        connections.append(_connection(row, outcomes, *seen.unfinished.get(row.name, (0, None))))
    reasons: list[Json] = [{**each._asdict(), "outcome": each.outcome.value} for each in seen.reasons]
    return {"connections": connections, "reasons": reasons}


def _connection(row: ConnectionRow, outcomes: JsonObject, unfinished: int, oldest: float | None) -> JsonObject:
    return {
        "name": row.name,
        "outcomes": outcomes,
        "unfinished": unfinished,
        "oldest_queued_at": _time(oldest),
        "held": row.held,
        "hint": advice(row.hint, row.name) if row.held else "",
        "held_at": _time(row.held_at),
        "pause": row.pause,
        "next_try_at": _time(row.due),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


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
    answer = answers.read(ResponseReader(configured.connection), shipment, reply)
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
