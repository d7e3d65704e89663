"""What became of a deletion in words: a line for each system, and what a person still has to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.deletion.archived import ARCHIVE_DAMAGED, ARCHIVED, ARCHIVED_MASKED, AUDIENCES
from engine.deletion.vendors import LOOK, QUEUE, QUEUED, VendorPart, from_json
from engine.delivery.outbox import removal
from engine.language.texts import visible
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.deletions import Deletion

QUEUED_TEXT = "a delete event waits to be sent"
HELD_TEXT = "a delete event waits, and the connection is held: {reason}"
BY_HAND_TEXT = "a person has to delete the user there: {reason}"
LOOK_TEXT = "a person has to look: {reason}"
DAMAGED = "files that cannot be read may have more; a person has to restore or remove them (engine archive check)"
LEFT = "their email is in {events} of other users that still wait; delete the user again once they were sent"


def report_lines(deletion: Deletion, counts: Mapping[str, int], held: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what became of a deletion, by system; `held` has why connections are held."""
    lines = [("outbox", outbox_text(counts))]
    if counts.get(removal.LEFT):
        lines.append(("outbox", LEFT.format(events=_counted(counts[removal.LEFT], "event"))))
    if counts.get(ARCHIVED) or counts.get(ARCHIVED_MASKED):
        lines.append(("archive", removed_text(counts.get(ARCHIVED, 0), counts.get(ARCHIVED_MASKED, 0))))
    known = {removal.EVENTS, removal.WAITED, removal.ATTEMPTS, removal.MASKED, removal.LEFT, removal.DISCARDS}
    if counts.get(ARCHIVE_DAMAGED):
        lines.append(("archive", DAMAGED))
    if counts.get(AUDIENCES):
        lines.append(("audiences", f"{_counted(counts[AUDIENCES], 'membership')} removed"))
    known |= {ARCHIVED, ARCHIVED_MASKED, ARCHIVE_DAMAGED, AUDIENCES, removal.REQUESTS_MASKED}
    lines += [(what, f"{n} removed") for what, n in counts.items() if what not in known]
    return lines + [(name, vendor_text(part, held.get(name, ""))) for name, part in from_json(deletion.vendors).items()]


def outbox_text(counts: Mapping[str, int]) -> str:
    """Return what was removed from the outbox."""
    text = removed_text(counts.get(removal.EVENTS, 0), counts.get(removal.MASKED, 0))
    waited = counts.get(removal.WAITED, 0)
    parts = [f"{waited} not sent yet"] if waited else []
    parts += [_counted(counts[removal.ATTEMPTS], "request")] if counts.get(removal.ATTEMPTS) else []
    if counts.get(removal.DISCARDS):
        parts.append(f"{_counted(counts[removal.DISCARDS], 'discarded event')}")
    return "; ".join([text, *parts])


def removed_text(events: int, masked: int) -> str:
    """Return how many events were removed, and masked."""
    more = f", masked in {masked} of other users" if masked else ""
    return f"{_counted(events, 'event')} removed{more}"


def vendor_text(part: VendorPart, held: str) -> str:
    """Return what became of a connection's part; `held` is why the connection is held."""
    if part.state in (QUEUE, QUEUED):
        return HELD_TEXT.format(reason=visible(held)) if held else QUEUED_TEXT
    if part.by_hand:
        refused = part.state in (Outcome.REJECTED, Outcome.INVALID)
        reason = f"{part.state}, {part.reason}" if refused else part.reason
        return (LOOK_TEXT if part.state == LOOK else BY_HAND_TEXT).format(reason=visible(reason))
    return f"{part.state}: {visible(part.reason)}" if part.reason else part.state


def is_to_do(text: str) -> bool:
    """Return whether a line says that a person has to do something."""
    return "a person has to" in text or "is held" in text or "other users that still wait" in text


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
