"""One event on its way to one connection: its plan, what was accepted of it, what comes next.  Pure.

Planning happens here, on the way out, with the messageId and the time of receipt that intake fixed: so it gives the
same requests each time, and a replay can use a corrected mapping.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import orjson

from engine.delivery.intake import own_id
from engine.delivery.outbox.base import Waiting
from engine.delivery.sending.batching import Next
from engine.events.normalizing import Normalized, normalize_parsed
from engine.plan import Connection
from engine.records import Json, JsonObject, Outcome, Plan, PlannedRequest

StepPart: TypeAlias = "tuple[int, int | None]"
ID_FIELDS = ("userId", "anonymousId", "previousId")
PIECES = ("", "1 request accepted", *(f"{count} requests accepted" for count in range(2, 100)))


class Job:
    """An unfinished event. `ids` are the texts that order it; `place` its place in the queue."""

    __slots__ = (
        "_normalized",
        "accepted",
        "connection",
        "event",
        "finished",
        "ids",
        "place",
        "plan",
        "queued_at",
        "row",
        "saved",
        "tried_at",
    )

    def __init__(self, connection: Connection, row: Waiting, digest: str, now: float) -> None:
        self.connection = connection
        self.row = row
        self.place = row.place
        self.queued_at = row.queued_at
        self.tried_at = row.tried_at
        self.finished = False
        self.accepted: set[StepPart] = set()
        self.saved: dict[int, JsonObject] = {}
        if row.progress is not None and row.digest == digest:
            self._take_up(row.progress)
        self._normalized = normalized(row)
        self.event = self._normalized.event
        ids = (self.event.get(name) for name in ID_FIELDS)
        self.ids = frozenset(each for each in ids if isinstance(each, str))
        self.plan = self._planned(now)

    @property
    def readable(self) -> bool:
        """Whether it is an event at all, whatever the mapping makes of it."""
        return self._normalized.invalid is None

    @property
    def call(self) -> str:
        """The event's type."""
        return cast("str", self._normalized.call)

    def _planned(self, now: float) -> Plan:
        return self.connection.plan_normalized(self._normalized, now=now, saved=self.saved)

    def next(self) -> Next:
        """Return what may be sent now."""
        found: list[PlannedRequest] = []
        for request in self.plan.requests:
            if (request.step, request.item) in self.accepted:
                continue
            if found and (request.batch is None or request.batch != found[0].batch):
                return Next(found, more=True)
            found.append(request)
        return Next(found, more=False)

    def accept(self, request: PlannedRequest, saved: JsonObject | None, now: float) -> None:
        """Note that the vendor took a request; what its step saves makes later requests complete."""
        self.accepted.add((request.step, request.item))
        if saved is not None:
            self.saved[request.step] = saved
            self.plan = self._planned(now)

    @property
    def done(self) -> bool:
        """Whether nothing is left to send."""
        if self.plan.outcome is not Outcome.PLANNED:
            return False
        return all((request.step, request.item) in self.accepted for request in self.plan.requests)

    def delivered_words(self) -> str:
        """Say what was accepted."""
        count = len(self.plan.requests)
        return PIECES[count] if count < len(PIECES) else f"{count} requests accepted"

    def partly(self) -> str:
        """Say how far an event got that cannot go on: `1 of 2 accepted`, or '' where nothing was accepted."""
        total = len(self.plan.requests) or len(self.accepted)
        return f"{len(self.accepted)} of {total} accepted" if self.accepted else ""

    def progress(self) -> str | None:
        """Write down what was accepted, None where nothing was."""
        if not self.accepted:
            return None
        return orjson.dumps(
            {"accepted": sorted(self.accepted, key=_order), "saved": {str(n): v for n, v in self.saved.items()}}
        ).decode()

    def _take_up(self, progress: str) -> None:
        noted = orjson.loads(progress)
        self.accepted = {(step, item) for step, item in noted["accepted"]}
        self.saved = {int(step): saved for step, saved in noted["saved"].items()}


def _order(part: StepPart) -> tuple[int, int]:
    return part[0], -1 if part[1] is None else part[1]


def normalized(row: Waiting) -> Normalized:
    """Read an event with what intake fixed: its messageId and when it was received."""
    try:
        value: Json = orjson.loads(row.raw)
    except orjson.JSONDecodeError as error:
        return Normalized({}, None, (), f"not valid JSON: {error}")
    if type(value) is dict and own_id(value) is None:
        value["messageId"] = row.message_id
    return normalize_parsed(value, row.raw, received_at=row.received_at)
