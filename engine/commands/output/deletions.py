"""How deletions read: a line for each system, and what a person still has to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.commands.output.text import Display
from engine.commands.shared import counted
from engine.deletion.archived import ARCHIVE_DAMAGED, ARCHIVED, ARCHIVED_MASKED, AUDIENCES
from engine.deletion.steps import state_of
from engine.deletion.vendors import QUEUE, QUEUED, VendorPart, from_json
from engine.delivery.intake import iso
from engine.delivery.outbox import removal
from engine.language.texts import visible
from engine.records import Json, JsonObject, Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.deletions import Deletion
    from engine.events.persons import PersonIds

MOST_SHOWN = 20
QUEUED_TEXT = "a delete event waits to be sent"
HELD_TEXT = "a delete event waits, and the connection is held: {reason}"
BY_HAND_TEXT = "a person has to delete the user there: {reason}"
DAMAGED = "files that cannot be read may have more; a person has to restore or remove them (engine archive check)"
LEFT = "their email is in {events} of other users that still wait; delete the user again once they were sent"


def report_lines(deletion: Deletion, counts: Mapping[str, int], held: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what became of a deletion, by system; `held` has why connections are held."""
    lines = [("outbox", _outbox_text(counts))]
    if counts.get(removal.LEFT):
        lines.append(("outbox", LEFT.format(events=counted(counts[removal.LEFT], "event"))))
    if counts.get(ARCHIVED) or counts.get(ARCHIVED_MASKED):
        lines.append(("archive", _removed(counts.get(ARCHIVED, 0), counts.get(ARCHIVED_MASKED, 0))))
    known = {removal.EVENTS, removal.WAITED, removal.ATTEMPTS, removal.MASKED, removal.LEFT, removal.DISCARDS}
    if counts.get(ARCHIVE_DAMAGED):
        lines.append(("archive", DAMAGED))
    if counts.get(AUDIENCES):
        lines.append(("audiences", f"{counted(counts[AUDIENCES], 'membership')} removed"))
    known |= {ARCHIVED, ARCHIVED_MASKED, ARCHIVE_DAMAGED, AUDIENCES, removal.REQUESTS_MASKED}
    lines += [(what, f"{n} removed") for what, n in counts.items() if what not in known]
    return lines + [
        (name, _vendor_text(part, held.get(name, ""))) for name, part in from_json(deletion.vendors).items()
    ]


def _outbox_text(counts: Mapping[str, int]) -> str:
    text = _removed(counts.get(removal.EVENTS, 0), counts.get(removal.MASKED, 0))
    waited = counts.get(removal.WAITED, 0)
    parts = [f"{waited} not sent yet"] if waited else []
    parts += [f"{counted(counts[removal.ATTEMPTS], 'kept request')} too"] if counts.get(removal.ATTEMPTS) else []
    if counts.get(removal.DISCARDS):
        parts.append(f"{counted(counts[removal.DISCARDS], 'discarded event')}")
    return "; ".join([text, *parts])


def _removed(events: int, masked: int) -> str:
    more = f", masked in {masked} of other users" if masked else ""
    return f"{counted(events, 'event')} removed{more}"


def _vendor_text(part: VendorPart, held: str) -> str:
    if part.state in (QUEUE, QUEUED):
        return HELD_TEXT.format(reason=visible(held)) if held else QUEUED_TEXT
    if part.by_hand:
        refused = part.state in (Outcome.REJECTED, Outcome.INVALID)
        reason = f"{part.state}, {part.reason}" if refused else part.reason
        return BY_HAND_TEXT.format(reason=visible(reason))
    return f"{part.state}: {visible(part.reason)}" if part.reason else part.state


def report_text(display: Display, deletion: Deletion, counts: Mapping[str, int], held: Mapping[str, str]) -> str:
    """Return one deletion with what became of it in each system."""
    rows = report_lines(deletion, counts, held)
    width = max(len(name) for name, _ in rows)
    by = "suppressed, " if deletion.suppress else ""
    head = f"Deletion {deletion.number}: {state_of(deletion)} ({by}requested {_time(deletion.requested_at)} by "
    lines = [f"{head}{deletion.requested_by})"]
    for name, text in rows:
        to_do = "a person has to" in text or "is held" in text or "other users that still wait" in text
        lines.append(f"  {visible(name):<{width}}  {display.paint(text, 'rejected') if to_do else text}")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def summary_text(found: Sequence[Deletion], counts: Mapping[str, int]) -> str:
    """Return what became of many deletions together."""
    states = [state_of(each) for each in found]
    shown = ", ".join(f"{states.count(name)} {name}" for name in dict.fromkeys(states))
    lines = [f"{counted(len(found), 'deletion')}: {shown}"]
    lines.append(f"  outbox   {_outbox_text(counts)}")
    if counts.get(ARCHIVED):
        lines.append(f"  archive  {_removed(counts[ARCHIVED], counts.get(ARCHIVED_MASKED, 0))}")
    if counts.get(ARCHIVE_DAMAGED):
        lines.append(f"  archive  {DAMAGED}")
    if counts.get(AUDIENCES):
        lines.append(f"  audiences  {counted(counts[AUDIENCES], 'membership')} removed")
    lines += [f"  {visible(name)}  {text}" for name, text in _vendor_counts(found)]
    return "\n".join(lines)


def _vendor_counts(found: Iterable[Deletion]) -> list[tuple[str, str]]:
    texts: dict[tuple[str, str], int] = {}
    for each in found:
        for name, part in from_json(each.vendors).items():
            key = (name, _vendor_text(part, ""))
            texts[key] = texts.get(key, 0) + 1
    return [(name, f"{n} x {text}") for (name, text), n in texts.items()]


def listed_text(found: Sequence[tuple[Deletion, Mapping[str, int]]]) -> str:
    """Return deletions as lines: number, time, who asked, state, events removed."""
    lines = []
    for each, counts in found:
        events = counts.get(removal.EVENTS, 0) + counts.get(ARCHIVED, 0)
        state, by = state_of(each), each.requested_by
        lines.append(f"{each.number:>6}  {_time(each.requested_at)}  {by:<7}  {state:<9}  {counted(events, 'event')}")
    return "\n".join(lines)


def would_be_text(
    users: Sequence[str],
    persons: Sequence[PersonIds],
    counts: Mapping[tuple[int, str], int],
    archived: Sequence[int],
    vendors: JsonObject,
) -> str:
    """Return what a deletion would do: the IDs of each user and how many events, and the parts of connections.

    `archived` has the events in the archive, by user; it is empty without one.
    """
    lines = []
    for number, (user, ids) in enumerate(zip(users, persons, strict=True), 1):
        if number > MOST_SHOWN:
            lines.append(f"and {len(users) - MOST_SHOWN} more users")
            break
        events, waited = counts.get((number, removal.EVENTS), 0), counts.get((number, removal.WAITED), 0)
        others = sorted((ids.users | ids.anonymous | ids.emails) - {user})
        known = f"; also known as {', '.join(map(visible, others[:MOST_SHOWN]))}" if others else ""
        kept = f", {counted(archived[number - 1], 'event')} in the archive" if archived else ""
        found = f"{counted(events, 'event')} in the outbox, {waited} not sent yet{kept}"
        lines.append(f"{visible(user)}: {found}{known}")
    lines += [f"{visible(name)}: {_would_be(part)}" for name, part in from_json(vendors).items()]
    return "\n".join([*lines, "Nothing was removed."])


def _would_be(part: VendorPart) -> str:
    return "gets a delete event" if part.state == QUEUE else _vendor_text(part, "")


def as_json(deletion: Deletion, counts: Mapping[str, int]) -> JsonObject:
    """Return a deletion for programs."""
    vendors: JsonObject = {
        name: {"state": part.state, "reason": part.reason} for name, part in from_json(deletion.vendors).items()
    }
    removed: dict[str, Json] = dict(counts)
    return {
        "number": deletion.number,
        "state": state_of(deletion),
        "requestedAt": iso(deletion.requested_at),
        "requestedBy": deletion.requested_by,
        "suppress": deletion.suppress,
        "endedAt": None if deletion.ended_at is None else iso(deletion.ended_at),
        "removed": removed,
        "connections": vendors,
    }
