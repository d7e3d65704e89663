"""One event to be delivered to one connection: its plan, which requests were accepted, and what comes next. Pure.

Events are planned here, on the way out, so a replay uses a corrected mapping. The messageId and the time of receipt
were fixed at intake, so planning again returns the same requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeAlias, cast

import orjson

from engine.compiler.runtime import MOST_REPORTS
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.intake import own_id
from engine.delivery.outbox.attempts import AttemptNumbers
from engine.delivery.outbox.base import Waiting
from engine.delivery.outbox.reports import MORE, NO_REPORTS, EventReports, kept
from engine.delivery.sending.fair_queue import Next, Retries
from engine.delivery.sending.versions import Version
from engine.events.normalizing import Normalized, normalize_parsed
from engine.records import Json, JsonObject, Outcome, Plan, PlannedRequest, Report

StepPart: TypeAlias = "tuple[int, int | None]"
MOST_EVENTS = 2000
"""Events that an SharedEvents remembers: as many as a connection has users in its queue."""
MOST_RAW = 4 * 1024 * 1024
PIECES = ("", "1 request accepted", *(f"{count} requests accepted" for count in range(2, 100)))


class Job:
    """An unfinished event; events that share one of `ids` are delivered in the order of their `place`.

    It is planned by a `version` of the mapping; progress that was made under another one does not count.
    """

    __slots__ = (
        "_normalized",
        "_noted",
        "accepted",
        "attempts",
        "event",
        "finished",
        "ids",
        "place",
        "plan",
        "queued_at",
        "retries",
        "row",
        "saved",
        "tried_at",
        "unwritten",
        "version",
        "weight",
    )

    def __init__(self, version: Version, row: Waiting, now: float, event: Normalized, ids: frozenset[str]) -> None:
        self.version = version
        self.row = row
        self.place = row.place
        self.queued_at = row.queued_at
        self.tried_at = row.tried_at
        self.attempts = row.attempts
        self.unwritten = ""
        self.finished = False
        self.accepted: set[StepPart] = set()
        self.saved: dict[int, JsonObject] = {}
        if row.progress is not None and row.digest == version.digest:
            self._restore(row.progress)
        self._normalized = event
        self.event = event.event
        self.ids = ids
        self.retries: Retries | None = None
        self._noted: dict[Report, None] = {}
        self.plan = self._planned(now)
        if row.kept is not NO_REPORTS and row.digest == version.digest:
            self._restore_reports(row.kept)
        self.weight = len(row.raw)
        for request in self.plan.requests:
            self.weight += _size(request)

    @property
    def readable(self) -> bool:
        """Whether it is an event at all, regardless of the mapping."""
        return self._normalized.invalid is None

    @property
    def apart(self) -> bool:
        """Whether it is sent without others: it is planned by an older version of the mapping."""
        return self.version.older

    @property
    def call(self) -> str:
        """The event's type."""
        return cast("str", self._normalized.call)

    @property
    def user(self) -> str:
        """Whose event it is, for counting: one of its ids."""
        return min(self.ids, default=str(self.place))

    @property
    def reports(self) -> EventReports:
        """What the outbox keeps of the reports of its plan."""
        found = (*self.plan.reports, *self._noted)
        return kept(found, len(self._normalized.reports), self.version.connection.secrets) if found else NO_REPORTS

    def note(self, reports: Iterable[Report]) -> None:
        """Add what the batch left out that carried a request of this event, once however often it is sent."""
        self._noted = dict.fromkeys(islice((*self._noted, *reports), MOST_REPORTS))

    def tried(self, number: str, came_of_it: str) -> None:
        """Record the number of an attempt that carried a request of it; what came of it is `unwritten` until then."""
        known, self.unwritten = self.attempts, came_of_it
        self.attempts = number if known is None else AttemptNumbers.of(known).plus(int(number)).text()

    def _planned(self, now: float) -> Plan:
        return self.version.connection.plan_normalized(self._normalized, now=now, saved=self.saved)

    def next(self) -> Next:
        """Return the requests that may be sent now."""
        requests = self.plan.requests
        if len(requests) == 1 and not self.accepted:  # most events
            return Next([requests[0]], more=False)
        if self.accepted:
            return Next.of(each for each in requests if (each.step, each.item) not in self.accepted)
        return Next.of(requests)

    def accept(self, request: PlannedRequest, saved: JsonObject | None, now: float) -> None:
        """Record that the vendor accepted a request; the plan is completed with the values its step saves."""
        self.accepted.add((request.step, request.item))
        if saved is not None:
            self.saved[request.step] = saved
            self.plan = self._planned(now)

    @property
    def done(self) -> bool:
        """Whether every request was accepted."""
        if self.plan.outcome is not Outcome.PLANNED:
            return False
        return all((request.step, request.item) in self.accepted for request in self.plan.requests)

    def delivered_reason(self) -> str:
        """Return how many requests were accepted."""
        count = len(self.plan.requests)
        return PIECES[count] if count < len(PIECES) else f"{count} requests accepted"

    def accepted_part(self) -> str:
        """Return how much of an event was accepted, e.g. `1 of 2 accepted`; '' if nothing was."""
        total = len(self.plan.requests) or len(self.accepted)
        return f"{len(self.accepted)} of {total} accepted" if self.accepted else ""

    def progress(self) -> str | None:
        """Return what was accepted as text for the outbox, None if nothing was."""
        if not self.accepted:
            return None
        return orjson.dumps(
            {"accepted": sorted(self.accepted, key=_order), "saved": {str(n): v for n, v in self.saved.items()}}
        ).decode()

    def _restore(self, progress: str) -> None:
        stored = orjson.loads(progress)
        self.accepted = {(step, item) for step, item in stored["accepted"]}
        # A step whose response had nothing to save has saved nothing; only one that was not sent yet gives markers.
        self.saved = {step: {} for step, _ in self.accepted}
        self.saved |= {int(step): saved for step, saved in stored["saved"].items()}

    def _restore_reports(self, reports: EventReports) -> None:
        """Keep what an earlier worker noted while it sent a part of the event."""
        mask = self.version.connection.secrets.mask
        planned = {report._replace(message=mask(report.message)) for report in self.plan.reports}
        self.note(each for each in reports.mapping if each not in planned and each.code != MORE)


def outcome_of(configured: ConfiguredConnection, job: Job) -> tuple[Outcome, str, EventReports]:
    """Return the outcome of an event that is not sent, its reason and what is kept of its reports; or planned.

    An event the connection does not want is ignored, even if it is invalid.
    """
    if job.readable:
        unwanted = configured.unwanted(job.call, job.event)
        if unwanted is not None:
            return Outcome.IGNORED, configured.connection.secrets.mask(unwanted), NO_REPORTS
    if job.plan.outcome is Outcome.PLANNED:
        return Outcome.PLANNED, job.plan.reason, NO_REPORTS
    reason = configured.connection.secrets.mask(job.plan.reason)  # it may quote the event
    return job.plan.outcome, reason, job.reports


def accepted_count(progress: str | None) -> int:
    """Return how many requests were accepted by the stored progress of an event."""
    return 0 if progress is None else len(orjson.loads(progress)["accepted"])


def _order(part: StepPart) -> tuple[int, int]:
    return part[0], -1 if part[1] is None else part[1]


def _size(request: PlannedRequest) -> int:
    """Return the bytes of a body; the time is that of a single write of JSON."""
    try:
        return len(orjson.dumps(request.body))
    except TypeError:  # the sender says what is wrong with it
        return 0


def ids_of(event: Normalized) -> frozenset[str]:
    """Return the ids that order an event among others."""
    get = event.event.get
    ids = (get("userId"), get("anonymousId"), get("previousId"))
    return frozenset([each for each in ids if each is not None and isinstance(each, str)])


class SharedEvents:
    """Reads the events of an outbox for several connections, which mostly want the same ones at about the same time.

    So what was read is remembered, and each event is parsed once: all connections but the first take 0.8 us, not 9.8.
    What is remembered is bounded by MOST_EVENTS, and by MOST_RAW bytes of raw events.
    """

    def __init__(self) -> None:
        self._read: dict[int, tuple[Waiting, Normalized]] = {}
        self._bytes = 0

    def read(self, row: Waiting) -> Normalized:
        """Return the event of a row; plans do not change it, so all connections get the same."""
        found = self._read.get(row.event)
        if found is not None and _of_event(found[0]) == _of_event(row):
            return found[1]
        event = normalized(row)
        self._forget(row.event)
        while self._read and (len(self._read) >= MOST_EVENTS or self._bytes + len(row.raw) > MOST_RAW):
            self._forget(next(iter(self._read)))
        if len(row.raw) <= MOST_RAW:
            self._read[row.event] = row, event
            self._bytes += len(row.raw)
        return event

    def _forget(self, number: int) -> None:
        found = self._read.pop(number, None)
        if found is not None:
            self._bytes -= len(found[0].raw)


def _of_event(row: Waiting) -> tuple[str, str, bytes, tuple[Report, ...]]:
    """Return what `normalized` reads of a row."""
    return row.message_id, row.received_at, row.raw, row.reports


def normalized(row: Waiting) -> Normalized:
    """Read an event, with the messageId, the time of receipt and the reports of intake."""
    try:
        value: Json = orjson.loads(row.raw)
    except orjson.JSONDecodeError as error:
        return Normalized({}, None, row.reports, f"not valid JSON: {error}")
    if type(value) is dict and own_id(value) is None:
        value["messageId"] = row.message_id
    event = normalize_parsed(value, row.raw, received_at=row.received_at)
    return event._replace(reports=row.reports + event.reports) if row.reports else event
