"""What a replay would do: what each event was, and what it would become now.  Pure; `engine outbox replay` shows it.

The judging is the worker's own (`Job`, `outcome_of`), so a preview and the replay itself cannot differ, except where
the clock or the vendor's response decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.base import Listed, Outbox, Waiting
from engine.delivery.sending.jobs import Job, accepted_count, ids_of, normalized, outcome_of
from engine.delivery.sending.versions import Version
from engine.language.texts import kind_of_reason
from engine.records import Outcome, PlannedRequest, Secrets

MOST_GROUPS = 1000
"""Groups that are kept apart; the events of others are counted together, with OTHER as their reason."""

OTHER = "(others)"

READ_AT_ONCE = 20
"""Events in memory while previews are made: an event may have megabytes."""

GONE = "it is no longer there: it was purged or queued again meanwhile"


class ReplayEvent(NamedTuple):
    """A state as commands list it, and with all that planning it again needs."""

    row: Listed
    waiting: Waiting


class RequestLine(NamedTuple):
    """The method and the path of a request, secrets masked; for a request of a batch, those of the batch."""

    method: str
    path: str


class Preview(NamedTuple):
    """What an event was (`row`), and what it would become now: planned, or an outcome without being sent.

    `requests` would be sent. `accepted` were accepted by the vendor before and are not sent again. `sent_again` is how
    many were accepted under another mapping, which does not count: all are sent.
    """

    row: Listed
    outcome: Outcome
    reason: str
    requests: tuple[RequestLine, ...] = ()
    accepted: tuple[RequestLine, ...] = ()
    sent_again: int = 0


def stored(outbox: Outbox, rows: Iterable[Listed]) -> list[ReplayEvent]:
    """Return the events of listed states, without those that are gone meanwhile; READ_AT_ONCE rows at most."""
    by_place = {row.place: row for row in rows}
    return [ReplayEvent(by_place[each.place], each) for each in outbox.stored_at(list(by_place))]


def preview(events: Iterable[ReplayEvent], connection: ConfiguredConnection, now: float) -> list[Preview]:
    """Return what events of a connection would become at `now` (Unix seconds) under its mapping."""
    version = Version.of(connection, lambda: now)
    return [_preview(each, connection, version, now) for each in events]


def _preview(event: ReplayEvent, configured: ConfiguredConnection, version: Version, now: float) -> Preview:
    found = normalized(event.waiting)
    job = Job(version, event.waiting, now, found, ids_of(found))
    outcome, reason, _ = outcome_of(configured, job)
    if outcome is not Outcome.PLANNED:
        return Preview(event.row, outcome, reason)
    secrets = configured.connection.secrets
    sent: list[RequestLine] = []
    accepted: list[RequestLine] = []
    for request in job.plan.requests:
        is_accepted = (request.step, request.item) in job.accepted
        (accepted if is_accepted else sent).append(_line(request, secrets))
    again = 0 if job.accepted else accepted_count(event.waiting.progress)
    return Preview(event.row, outcome, reason, tuple(sent), tuple(accepted), again)


def _line(request: PlannedRequest, secrets: Secrets) -> RequestLine:
    url = str(request.url)  # masks what the mapping made of secrets, which taking it apart would reveal
    return RequestLine(str(request.method), secrets.mask(urlsplit(url).path or "/"))


class ReasonKey(NamedTuple):
    """What the events of a group share; `kind` is their reason without the values in it."""

    connection: str
    outcome: Outcome
    kind: str


@dataclass(slots=True)
class ReasonGroup:
    """Events of a connection that ended alike: how many, and when the first and the last did, in Unix seconds.

    `reason` and `error` (the vendor's message) are those of the first one that was counted.
    """

    key: ReasonKey
    reason: str
    error: str
    events: int = 0
    first: float = float("inf")
    last: float = 0.0
    varied: bool = False
    """Whether the others have other values in their reason."""
    now: Counter[Outcome] = field(default_factory=Counter)
    """What they would become, where that was asked."""


class ReasonGroups:
    """Groups events by connection, outcome and kind of reason; memory is bounded by MOST_GROUPS."""

    def __init__(self) -> None:
        self._groups: dict[ReasonKey, ReasonGroup] = {}

    def add(self, row: Listed, now: Outcome | None = None) -> None:
        """Count an event, and what it would become."""
        group = self._group(row)
        group.events += 1
        group.varied = group.varied or group.reason not in (row.reason, OTHER)
        group.first, group.last = min(group.first, row.changed_at), max(group.last, row.changed_at)
        if now is not None:
            group.now[now] += 1

    def _group(self, row: Listed) -> ReasonGroup:
        key = key_of(row)
        if key in self._groups:
            return self._groups[key]
        reason, error = row.reason, row.error
        if len(self._groups) >= MOST_GROUPS:
            key, reason, error = key._replace(kind=OTHER), OTHER, ""
        return self._groups.setdefault(key, ReasonGroup(key, reason, error))

    def of(self, connection: str) -> list[ReasonGroup]:
        """Return the groups of a connection, the largest first."""
        return [group for group in self.all() if group.key.connection == connection]

    def all(self) -> list[ReasonGroup]:
        """Return all groups by connection, the largest of each first."""
        return sorted(self._groups.values(), key=lambda each: (each.key.connection, -each.events, each.key))


def key_of(row: Listed) -> ReasonKey:
    """Return the group that an event belongs to, while there are at most MOST_GROUPS."""
    return ReasonKey(row.connection, row.outcome, kind_of_reason(row.reason))


def grouped(rows: Iterable[Listed]) -> list[ReasonGroup]:
    """Return the groups of events, by connection and the largest first."""
    groups = ReasonGroups()
    for row in rows:
        groups.add(row)
    return groups.all()
