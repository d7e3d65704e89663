"""What a mapping makes of a stored event: the requests, and for each field the rule and the event's field that won.

Requests are not stored, because planning is deterministic: the same event, mapping and settings give the same request.
So what is shown is planned again, and it says by what, and whether that is what was sent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, cast

import orjson

from engine.compiler.recording import Recorder
from engine.console.event_story import StateStory
from engine.console.playground.links import sentence
from engine.console.playground.shown import shown_requests
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.base import Waiting
from engine.delivery.sending.jobs import normalized
from engine.delivery.sending.outgoing import DryRunner
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.explaining.winners import leaf_paths
from engine.language.texts import compact_json, shortened, visible
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Report

MOST_REQUESTS = 20
"""Requests of one event that are shown."""
MOST_FIELDS = 300
"""Fields of one request that are shown, sent and not sent."""
LONGEST_VALUE = 300
"""Characters of a value that are shown."""
MOST_REPORTS = 50
REMEMBERED = 8
"""Mappings that are kept compiled for explaining."""


class FieldRule(NamedTuple):
    """A field of a request: its value as text, the rule behind it in one line, and the event's fields that it is of."""

    output: str
    value: str
    rule: str
    where: str
    sources: tuple[str, ...]

    @property
    def sources_json(self) -> str:
        """The sources as a list in JSON, for the page's script."""
        return orjson.dumps(self.sources).decode()


class ReplannedRequest(NamedTuple):
    """A request that an event becomes; `hidden` is how many fields are not shown."""

    name: str
    method: str
    url: str
    batch: str
    fields: tuple[FieldRule, ...]
    absent: tuple[FieldRule, ...]
    hidden: int


class HttpText(NamedTuple):
    """A request as HTTP and as a curl command, secrets masked."""

    title: str
    text: str
    curl: str


class Replanned(NamedTuple):
    """What a mapping makes of an event. `kind` is good if that is what was sent, and `note` says why or why not."""

    kind: str
    note: str
    outcome: str = ""
    reason: str = ""
    requests: tuple[ReplannedRequest, ...] = ()
    hidden: int = 0
    http: tuple[HttpText, ...] = ()
    reports: tuple[Report, ...] = ()


class Planner(NamedTuple):
    """A connection whose mapping records what it does, and what is known about it."""

    configured: ConfiguredConnection
    kind: str
    note: str


CURRENT = "By the mapping that planned it, version {digest}, so this is what was sent."
NOT_PLANNED = "It was not planned yet. This is what the current mapping, version {digest}, would send."
OTHER = (
    "It was planned by version {old} of the mapping, which is not in the outbox. This is what the current one, version "
    "{digest}, makes of it, so what was sent may differ."
)
NO_MAPPING = (
    "This console does not know the connection {name}, so it cannot say what its requests were made of. "
    "Start it with --connections FILE."
)


class Replanner:
    """Plans stored events again, one at a time; compiled mappings are remembered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recording: OrderedDict[int, tuple[Connection, Connection]] = OrderedDict()

    def plan(self, state: StateStory, event: Waiting, configured: ConfiguredConnection | None, now: float) -> Replanned:
        """Return what an event becomes for the connection of one of its states; `now` is in Unix seconds."""
        if configured is None:
            return Replanned("warn", NO_MAPPING.format(name=visible(state.found.connection)))
        with self._lock:
            planner = self._planner(state, configured)
            at = state.sent_at or (state.found.changed_at if state.finished else now)
            return replanned(planner, event, at)

    def _planner(self, state: StateStory, configured: ConfiguredConnection) -> Planner:
        digest, old = configured.digest(), state.found.digest
        if old is None:
            kind, note = "info", NOT_PLANNED.format(digest=digest)
        elif old == digest:
            kind, note = "good", CURRENT.format(digest=digest)
        else:
            kind, note = "warn", OTHER.format(old=visible(old), digest=digest)
        return Planner(replace(configured, connection=self._recorded(configured.connection)), kind, note)

    def _recorded(self, connection: Connection) -> Connection:
        """Return a connection like this one that records; it is compiled anew for that."""
        known = self._recording.get(id(connection))
        if known is None:
            recording = Connection(Destination(connection.destination.loaded, Recorder()), connection.settings)
            known = self._recording[id(connection)] = (connection, recording)  # keeps the first, so its id is its own
        self._recording.move_to_end(id(connection))
        while len(self._recording) > REMEMBERED:
            self._recording.popitem(last=False)
        return known[1]


def replanned(planner: Planner, event: Waiting, now: float) -> Replanned:
    """Return what an event becomes at a time; the planner's connection records."""
    configured, connection = planner.configured, planner.configured.connection
    found = normalized(event)
    run = DryRunner(configured).run(connection.plan_normalized(found, now=now), now)
    http = tuple(HttpText(each.title, each.text, each.curl) for each in shown_requests(run, connection)[:MOST_REQUESTS])
    explanation = explain(connection, OriginalEvent(_value(event), found, event.received_at, now), connection.secrets)
    requests = list(_requests(explanation))
    return Replanned(
        planner.kind,
        planner.note,
        str(explanation["outcome"]),
        str(explanation["reason"]),
        tuple(requests[:MOST_REQUESTS]),
        max(0, len(requests) - MOST_REQUESTS),
        http,
        tuple(_report(each) for each in _objects(explanation["reports"])[:MOST_REPORTS]),
    )


def _value(event: Waiting) -> Json:
    try:
        return cast("Json", orjson.loads(event.raw))
    except orjson.JSONDecodeError:
        return None


def _report(value: JsonObject) -> Report:
    return Report(*(str(value[name]) for name in Report._fields))


def _requests(explanation: JsonObject) -> Iterator[ReplannedRequest]:
    for step in _objects(explanation["steps"]):
        for each in _objects(step["requests"]):
            around = [FieldRule(str(it["output"]), "", "", "", _texts(it["from"])) for it in _objects(each["around"])]
            sent = [*around, *(_rule(field, sent=True) for field in _objects(each["fields"]))]
            absent = [_rule(field, sent=False) for field in _objects(each["absent"])]
            hidden = max(0, len(sent) - MOST_FIELDS) + max(0, len(absent) - MOST_FIELDS)
            yield ReplannedRequest(
                str(step["request"]),
                str(each["method"]),
                str(each["url"]),
                str(each["batch"] or ""),
                tuple(sent[:MOST_FIELDS]),
                tuple(absent[:MOST_FIELDS]),
                hidden,
            )


def _rule(field: JsonObject, *, sent: bool) -> FieldRule:
    details = _objects(field["details"])
    tried = [str(each["text"]) for each in leaf_paths(details) if each["kind"] == "path"]
    given = [str(each["text"]) for each in leaf_paths(details) if each["kind"] == "path" and each["value"] is not None]
    sources = _texts(field["from"]) or tuple(dict.fromkeys(given if sent else tried))
    value = shortened(compact_json(field["value"]), LONGEST_VALUE) if sent else ""
    where = f"{field['file']}:{field['line']}"
    return FieldRule(str(field["output"]), value, sentence(field, sent=sent), where, sources)


def _objects(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", value)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(each) for each in cast("list[Json]", value))
