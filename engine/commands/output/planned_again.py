"""The requests of an event that is planned again, and whether they are what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from engine.commands.output.events import request_lines
from engine.commands.output.text import Display
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.outgoing import DryRunner
from engine.events.normalizing import normalize_parsed
from engine.showing.masking import Masking
from engine.showing.requests import outgoing_json

if TYPE_CHECKING:
    from engine.commands.output.event_states import EventState
    from engine.delivery.sending.outgoing import Outgoing
    from engine.delivery.sending.versions import Version
    from engine.records import JsonObject

SAME = "as sent: the digest is that of a request above"
NOT_THE_SAME = (
    "not as sent: no request above has its digest. Settings or the base URL may differ from those of then, or it holds "
    "values of the vendor's answers, or of the clock."
)
IN_BATCH = "sent in a batch with others, and the digest that is kept is that of the whole batch: not compared"
NOT_SENT = "no request of this event was kept, so there is nothing to compare with"


class PlannedAgain(NamedTuple):
    """A request as it is planned now, masked, and whether it is what was sent: True, False, or None if unknown."""

    request: JsonObject
    is_same: bool | None
    note: str


def planned_again(state: EventState, version: Version) -> tuple[str, list[PlannedAgain]]:
    """Plan an event by a version as of its last request, and return the text of the plan with its requests."""
    found = state.found
    now = state.attempts[-1].number / 1e6 if state.attempts else found.changed_at
    connection = version.connection
    fields = normalize_parsed(found.value, found.raw, received_at=found.received_at, now=now)
    configured = ConfiguredConnection(name=found.connection, connection=connection)
    run = DryRunner(configured).run(connection.plan_normalized(fields, now=now), now)
    secrets = connection.secrets
    shown = list(outgoing_json(run, Masking(connection, secrets)))
    requests = [
        PlannedAgain(request, *_compared(sent, state, version))
        for request, sent in zip(shown, run.outgoing, strict=True)
    ]
    return f"{run.plan.outcome.value}: {secrets.mask(run.plan.reason)}", requests


def _compared(sent: Outgoing, state: EventState, version: Version) -> tuple[bool | None, str]:
    digests = {attempt.digest for attempt in state.attempts}
    if not digests:
        return None, NOT_SENT
    try:
        is_same = version.recorder.digest(sent.request, sent.encode) in digests
    except (TypeError, ValueError):
        is_same = False
    if is_same:
        return True, SAME
    return (None, IN_BATCH) if sent.batch is not None else (False, NOT_THE_SAME)


def requests_lines(display: Display, state: EventState, version: Version | str) -> Iterator[str]:
    """Yield the requests of an event as `engine run` shows them, each with whether it is what was sent."""
    if isinstance(version, str):
        yield display.wrap(f"not planned again: version {state.found.digest} {version}", "  ", 2)
        return
    outcome, requests = planned_again(state, version)
    yield display.wrap(f"planned again by version {version.digest}: {outcome}", "  ", 2)
    for each in requests:
        yield from request_lines(each.request, display, headers=True)
        yield display.wrap(each.note, "      ", 6)
