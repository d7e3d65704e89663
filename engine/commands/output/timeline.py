"""What became of one event: for each connection a timeline of what was planned, sent, answered and decided.

All of it comes from the outbox.  Events and vendors' answers are data: shown with escapes, folded, wrapped, and never
more of them than the outbox keeps.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, cast

import orjson

from engine.commands.output.event_states import EventState, ShownEvent
from engine.commands.output.events import report_lines
from engine.commands.output.text import Display, local_time
from engine.commands.shared import counted
from engine.delivery.intake import iso
from engine.delivery.outbox.base import DEFAULT_FILE, ConnectionRow, delivering_commands, resume_command
from engine.language.texts import visible
from engine.records import Json, JsonObject, Outcome, Report

if TYPE_CHECKING:
    from engine.delivery.outbox.attempts import Attempt
    from engine.delivery.outbox.location import Location
    from engine.delivery.sending.versions import Version

WAITING = (Outcome.WAITING, Outcome.HELD)
INDENT = 2
AT = 23
"""Where the text of a timeline begins, behind its time."""


Again: TypeAlias = "Mapping[int, Version | str]"
NOT_AGAIN: Again = MappingProxyType({})


def event_lines(display: Display, shown: ShownEvent, now: float, again: Again = NOT_AGAIN) -> Iterator[str]:
    """Yield the lines of an event: what came, then a timeline for each connection.

    `again` has what plans it again, or why nothing can, by the place of a state.
    """
    event = shown.event
    title = f"event {shown.number}  {visible(event.message_id)}  from {visible(event.source)}"
    yield display.paint(title, "title")
    yield f"  received {local_time(shown.states[0].found.taken_at) if shown.states else event.received_at}"
    yield from _reports(shown.reports, "  ! ", display)
    yield from _payload(display, event.raw)
    if again:
        from engine.commands.output.planned_again import requests_lines
    for state in shown.states:
        yield ""
        yield from _state_lines(display, state, shown, now)
        if state.found.place in again:
            yield from requests_lines(display, state, again[state.found.place])


def _payload(display: Display, raw: bytes) -> Iterator[str]:
    try:
        yield from display.fold(orjson.loads(raw), INDENT)
    except orjson.JSONDecodeError:
        yield f"  {visible(raw[:1000].decode(errors='replace'))}"


def _reports(reports: Iterable[Report], first: str, display: Display) -> Iterator[str]:
    return (line.rstrip("\n") for line in report_lines(reports, first, display))


def _state_lines(display: Display, state: EventState, shown: ShownEvent, now: float) -> Iterator[str]:
    found = state.found
    outcome = display.paint(found.outcome.value, found.outcome.value)
    head = f"{display.paint(found.connection, 'title')}  {outcome}  "
    yield display.wrap(found.reason, head, len(found.connection) + len(found.outcome.value) + 4)
    yield from _entry(display, found.taken_at, "received")
    if state.is_duplicate:
        of = "" if state.first is None else f" of event {state.first}"
        yield from _entry(display, found.changed_at, f"a duplicate{of}; it is not sent")
        return
    yield from _timeline(display, state)
    yield from _next(display, state, shown.outbox, now)
    yield from _reports(found.reports.mapping, "  ! ", display)
    if found.digest is not None:
        yield f"  {display.paint('why:', 'place')} {explain_command(state, shown.outbox)}"


def _timeline(display: Display, state: EventState) -> Iterator[str]:
    found = state.found
    if earlier := found.attempts.earlier:
        yield from _entry(display, None, f"{counted(earlier, 'earlier request')} no longer listed")
    if purged := len(found.attempts.numbers) - len(state.attempts):
        yield from _entry(display, None, f"{counted(purged, 'request')} no longer kept: purged")
    parts = [(attempt.number / 1e6, list(_attempt(display, attempt))) for attempt in state.attempts]
    if state.queued_again:
        parts.append((found.queued_at, list(_entry(display, found.queued_at, "queued again by a person (replay)"))))
    if found.digest is not None:
        is_old = state.queued_again and found.outcome in WAITING and found.tried_at is None
        parts.append((found.taken_at if is_old else found.queued_at, list(_entry(display, None, _version(state)))))
    parts.sort(key=lambda part: part[0])
    for _, lines in parts:
        yield from lines
    if found.outcome not in WAITING:
        yield from _entry(display, found.changed_at, f"{found.outcome.value}: {found.reason}")
    elif found.tried_at is not None:
        yield from _entry(display, found.changed_at, f"not done: {found.reason}")
    if found.error and not any(found.error in each.answer for each in state.attempts):
        yield from _entry(display, None, f"the vendor: {found.error}")


def _version(state: EventState) -> str:
    digest = state.found.digest
    name = f"{state.mapping}, version {digest}" if state.mapping else f"version {digest} of its mapping"
    if state.current is None:
        return f"planned by {name}"
    if state.current == digest:
        return f"planned by {name}, the current one"
    return f"planned by {name}; the current one is {state.current}"


def _attempt(display: Display, attempt: Attempt) -> Iterator[str]:
    address = visible(f"{attempt.method} {attempt.url}")  # on one line, to be copied
    yield f"  {local_time(attempt.number / 1e6):<{AT - 2}}{display.paint(address, 'request')}"
    items = "" if attempt.items == 1 else f", {counted(attempt.items, 'item')}"
    result = str(attempt.status) if attempt.status else "no answer"
    refused = f", not {'accepted' if attempt.items == 1 else 'all accepted'}," if attempt.refused else ""
    yield from _entry(display, None, f"{result}{refused} in {attempt.took} ms ({attempt.name}{items})")
    if attempt.failure:
        yield from _entry(display, None, attempt.failure)
    for line in attempt.headers.splitlines():
        yield from _entry(display, None, line)
    if attempt.answer:
        yield from _entry(display, None, "the vendor:")
        yield from _answer(display, attempt.answer)
    if attempt.cut:
        yield from _entry(display, None, f"{attempt.cut:,} more bytes of the answer were not kept")


def _answer(display: Display, answer: str) -> Iterator[str]:
    try:
        yield from display.fold(orjson.loads(answer), AT + 2)
    except orjson.JSONDecodeError:
        yield display.wrap(answer, " " * (AT + 2), AT + 2)


def _entry(display: Display, moment: float | None, text: str, style: str = "") -> Iterator[str]:
    time = f"  {local_time(moment):<{AT - 2}}"
    lines = display.wrap(text, "", AT).split("\n")
    yield time + display.paint(lines[0], style)
    yield from (" " * AT + display.paint(line.strip(), style) for line in lines[1:])


def _next(display: Display, state: EventState, outbox: Location, now: float) -> Iterator[str]:
    if (text := next_try(state, outbox, now)) is None:
        return
    yield from _entry(display, state.row.due if _is_paused(state.row, now) else None, f"next try: {text}")
    if command := resuming(state, outbox, now):
        yield " " * AT + command


def _is_paused(row: ConnectionRow, now: float) -> bool:
    return not row.held and row.due is not None and row.due > now


def next_try(state: EventState, outbox: Location, now: float) -> str | None:
    """Say when an event that waits is sent; None for one that is finished."""
    row, found = state.row, state.found
    if found.outcome not in WAITING:
        return None
    if row.held:
        hint = f" {row.hint.rstrip(' .')}. Then:" if row.hint else " After fixing the cause:"
        return f"none before a person resumes {row.name}, held since {local_time(row.held_at)}.{hint}"
    if _is_paused(row, now):
        return f"when the pause of {row.name} ends ({row.pause.rstrip('.')}), or at once with:"
    if row.owner is None:
        return f"none now, because no process delivers for {row.name}: run {delivering_commands(outbox)}"
    if found.tried_at is not None:
        return "when its own wait ends, at most the mapping's retry.max_wait (5m) after the last one"
    return "as soon as it is its turn; it was not tried yet"


def resuming(state: EventState, outbox: Location, now: float) -> str | None:
    """Return the command that lets an event's connection go on, None if it is neither held nor paused."""
    is_stopped = state.found.outcome in WAITING and (state.row.held or _is_paused(state.row, now))
    return resume_command(state.row.name, outbox) if is_stopped else None


def explain_command(state: EventState, outbox: Location) -> str:
    """Return the command that explains an event for a connection, to be pasted into a shell.

    Where the version that planned it was not kept, a person has to name a mapping.
    """
    file = "" if outbox == DEFAULT_FILE else f" --outbox {shlex.quote(str(outbox))}"
    if not state.mapping:
        return f"engine explain MAPPING{file} --message-id {state.found.event}"
    return f"engine explain{file} --message-id {state.found.event} --connection {shlex.quote(state.found.connection)}"


def event_json(shown: ShownEvent, now: float, again: Again = NOT_AGAIN) -> JsonObject:
    """Return an event as `--format json` has it; `raw` is there instead of `payload` where that is no JSON."""
    event = shown.event
    try:
        payload: JsonObject = {"payload": orjson.loads(event.raw)}
    except orjson.JSONDecodeError:
        payload = {"payload": None, "raw": event.raw.decode(errors="replace")}
    return {
        "event": shown.number,
        "messageId": event.message_id,
        "source": event.source,
        "receivedAt": event.received_at,
        **payload,
        "reports": _reports_json(shown.reports),
        "connections": [{**_state_json(each, shown.outbox, now), **_again_json(each, again)} for each in shown.states],
    }


def _again_json(state: EventState, again: Again) -> JsonObject:
    """Return the requests as they are planned again, or why they are not; nothing where that was not asked for."""
    version = again.get(state.found.place)
    if version is None:
        return {}
    if isinstance(version, str):
        return {"plannedAgain": None, "notPlannedAgain": f"version {state.found.digest} {version}"}
    from engine.commands.output.planned_again import planned_again

    outcome, requests = planned_again(state, version)
    shown: list[Json] = [{**each.request, "asSent": each.is_same} for each in requests]
    return {"plannedAgain": {"outcome": outcome, "requests": shown}}


def _state_json(state: EventState, outbox: Location, now: float) -> JsonObject:
    found, row = state.found, state.row
    is_current = None if state.current is None or found.digest is None else state.current == found.digest
    return {
        "connection": found.connection,
        "outcome": found.outcome.value,
        "reason": found.reason,
        "error": found.error,
        "duplicateOf": state.first,
        "takenAt": iso(found.taken_at),
        "queuedAt": iso(found.queued_at),
        "queuedAgain": state.queued_again,
        "triedAt": None if found.tried_at is None else iso(found.tried_at),
        "changedAt": iso(found.changed_at),
        "mapping": None
        if found.digest is None
        else {"name": state.mapping, "digest": found.digest, "current": is_current},
        "requests": [_attempt_json(each) for each in state.attempts],
        "earlierRequests": found.attempts.earlier + len(found.attempts.numbers) - len(state.attempts),
        "nextTry": next_try(state, outbox, now),
        "nextTryAt": iso(cast("float", row.due)) if _is_paused(row, now) and found.outcome in WAITING else None,
        "resume": resuming(state, outbox, now),
        "reports": _reports_json(found.reports.mapping),
        "explain": None if found.digest is None else explain_command(state, outbox),
    }


def _attempt_json(attempt: Attempt) -> JsonObject:
    return {
        "at": iso(attempt.number / 1e6),
        "milliseconds": attempt.took,
        "name": attempt.name,
        "method": attempt.method,
        "url": attempt.url,
        "items": attempt.items,
        "status": attempt.status or None,
        "failure": attempt.failure,
        "refused": attempt.refused,
        "headers": attempt.headers,
        "answer": attempt.answer,
        "cutBytes": attempt.cut,
        "digest": attempt.digest,
    }


def _reports_json(reports: Iterable[Report]) -> list[Json]:
    return [dict(each._asdict()) for each in reports]
