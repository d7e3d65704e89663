"""What a mapping makes of a stored event: the requests, and for each field the rule and the event's field that won.

Requests are not stored, because planning is deterministic: the same event, mapping and settings give the same request.
So what is shown is planned again, and it says by what, and whether that is what was sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import orjson

from engine.console.event_story import StateStory
from engine.console.planners import Planner, Planners
from engine.console.playground.links import sentence
from engine.console.playground.shown import ShownRequest, shown_requests
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Waiting
from engine.delivery.sending.jobs import normalized
from engine.delivery.sending.outgoing import DryRun, DryRunner
from engine.delivery.sending.recorded import AttemptRecorder
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.explaining.winners import leaf_paths
from engine.language.texts import compact_json, shortened, visible
from engine.plan import Connection
from engine.records import Json, JsonObject, Report

MOST_REQUESTS = 20
"""Requests of one event that are shown."""
MOST_FIELDS = 300
"""Fields of one request that are shown, sent and not sent."""
LONGEST_VALUE = 300
"""Characters of a value that are shown."""
LONGEST_HTTP = 64 * 1024
"""Characters of a request as HTTP that are shown; a longer curl command is left out."""
MOST_REPORTS = 50


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


SAME = "Its digest is that of the request that was sent, so this is what was sent."
DIFFERS = (
    "Its digest is not that of the request that was sent: the settings may have changed since, or the clock or a value "
    "from an earlier answer decides something."
)
BATCHED = (
    "It was sent in a batch with other events, of which this is one part; that the version of the mapping is the same "
    "says that this part was sent."
)
NOT_SENT = "No request of it is kept, so nothing says what was sent."


class Replanner:
    """Plans stored events again, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planners = Planners()

    def plan(
        self,
        state: StateStory,
        event: Waiting,
        configured: ConfiguredConnection | None,
        files: bytes | None,
        now: float,
    ) -> Replanned:
        """Return what an event becomes for the connection of one of its states.

        `files` are those of the mapping's version that planned it, None if they are not kept; `now` is in Unix seconds.
        """
        with self._lock:
            found = state.found
            planner = self._planners.find(found.connection, found.digest, configured, files)
            if planner.configured is None:
                return Replanned("warn", planner.note)
            at = state.sent_at or (found.changed_at if state.finished else now)
            return replanned(planner, planner.configured, event, at, [each.attempt for each in state.attempts])


def sent_note(run: DryRun, connection: Connection, attempts: Sequence[Attempt]) -> tuple[str, bool]:
    """Return whether the requests of a dry run are what was sent, for people, and whether nothing speaks against it."""
    if not attempts:
        return NOT_SENT, True
    if any(each.items > 1 for each in attempts):
        return BATCHED, True
    records, sent = AttemptRecorder(connection), {each.digest for each in attempts}
    try:
        planned = {records.digest(each.request, each.encode) for each in run.outgoing}
    except (TypeError, ValueError):
        return DIFFERS, False
    return (SAME, True) if planned and planned <= sent else (DIFFERS, False)


def replanned(
    planner: Planner, configured: ConfiguredConnection, event: Waiting, now: float, attempts: Sequence[Attempt]
) -> Replanned:
    """Return what an event becomes at a time; the connection records. `attempts` are the requests that were sent."""
    connection = configured.connection
    found = normalized(event)
    run = DryRunner(configured).run(connection.plan_normalized(found, now=now), now)
    http = tuple(map(_http_text, shown_requests(run, connection)[:MOST_REQUESTS]))
    explanation = explain(connection, OriginalEvent(_value(event), found, event.received_at, now), connection.secrets)
    requests = list(_requests(explanation))
    note, fits = sent_note(run, connection, attempts) if planner.exact and run.outgoing else ("", True)
    return Replanned(
        ("good" if attempts and run.outgoing else "info") if planner.exact and fits else "warn",
        f"{planner.note} {note}".strip(),
        str(explanation["outcome"]),
        str(explanation["reason"]),
        tuple(requests[:MOST_REQUESTS]),
        max(0, len(requests) - MOST_REQUESTS),
        http,
        tuple(_report(each) for each in _objects(explanation["reports"])[:MOST_REPORTS]),
    )


def _http_text(request: ShownRequest) -> HttpText:
    curl = request.curl if len(request.curl) <= LONGEST_HTTP else ""
    return HttpText(request.title, shortened(request.text, LONGEST_HTTP), curl)


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
            around = [_around(field, str(each["url"])) for field in _objects(each["around"])]
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


def _around(field: JsonObject, url: str) -> FieldRule:
    """Return a part of a request outside its body that fields of the event reach: its URL, a header."""
    output, sources = str(field["output"]), _texts(field["from"])
    value = shortened(url, LONGEST_VALUE) if output == "url" else ""
    return FieldRule(output, value, visible(f"{output} ← {', '.join(sources)}"), "", sources)


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
