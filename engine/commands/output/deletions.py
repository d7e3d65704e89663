"""How deletions read: a line for each system, and what a person still has to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.commands.output.text import Display
from engine.commands.shared import counted
from engine.deletion.archived import ARCHIVE_DAMAGED, ARCHIVED, ARCHIVED_MASKED, AUDIENCES
from engine.deletion.reporting import DAMAGED, is_to_do, outbox_text, removed_text, report_lines, vendor_text
from engine.deletion.steps import state_of
from engine.deletion.vendors import QUEUE, VendorPart, from_json
from engine.delivery.intake import iso
from engine.delivery.outbox import removal
from engine.language.texts import visible
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    from engine.delivery.outbox.deletions import Deletion
    from engine.events.persons import PersonIds

MOST_SHOWN = 20


def report_text(display: Display, deletion: Deletion, counts: Mapping[str, int], held: Mapping[str, str]) -> str:
    """Return one deletion with what became of it in each system."""
    rows = report_lines(deletion, counts, held)
    width = max(len(name) for name, _ in rows)
    by = "suppressed, " if deletion.suppress else ""
    head = f"Deletion {deletion.number}: {state_of(deletion)} ({by}requested {_time(deletion.requested_at)} by "
    lines = [f"{head}{deletion.requested_by})"]
    for name, text in rows:
        lines.append(f"  {visible(name):<{width}}  {display.paint(text, 'rejected') if is_to_do(text) else text}")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def summary_text(found: Sequence[Deletion], counts: Mapping[str, int]) -> str:
    """Return what became of many deletions together."""
    states = [state_of(each) for each in found]
    shown = ", ".join(f"{states.count(name)} {name}" for name in dict.fromkeys(states))
    lines = [f"{counted(len(found), 'deletion')}: {shown}"]
    lines.append(f"  outbox   {outbox_text(counts)}")
    if counts.get(ARCHIVED):
        lines.append(f"  archive  {removed_text(counts[ARCHIVED], counts.get(ARCHIVED_MASKED, 0))}")
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
            key = (name, vendor_text(part, ""))
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
    users: Sequence[str], persons: Sequence[PersonIds], counts: Mapping[tuple[int, str], int], vendors: JsonObject
) -> str:
    """Return what a deletion would do: the IDs of each user and how many events, and the parts of connections."""
    lines = []
    for number, (user, ids) in enumerate(zip(users, persons, strict=True), 1):
        if number > MOST_SHOWN:
            lines.append(f"and {len(users) - MOST_SHOWN} more users")
            break
        events, waited = counts.get((number, removal.EVENTS), 0), counts.get((number, removal.WAITED), 0)
        others = sorted((ids.users | ids.anonymous | ids.emails) - {user})
        known = f"; also known as {', '.join(map(visible, others[:MOST_SHOWN]))}" if others else ""
        lines.append(f"{visible(user)}: {counted(events, 'event')} in the outbox, {waited} not sent yet{known}")
    lines += [f"{visible(name)}: {_would_be(part)}" for name, part in from_json(vendors).items()]
    return "\n".join([*lines, "Nothing was removed."])


def _would_be(part: VendorPart) -> str:
    return "gets a delete event" if part.state == QUEUE else vendor_text(part, "")


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
