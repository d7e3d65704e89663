"""What the commands of `engine outbox` share: a state as a line, which outcomes are final, an ID that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.commands.output.text import Display
from engine.delivery.outbox.base import outbox_command
from engine.errors import UsageError
from engine.language.texts import visible
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed, Outbox

FINAL = (Outcome.DELIVERED, Outcome.IGNORED, Outcome.INVALID, Outcome.REJECTED)
SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)
SHOWN = 50
"""How many events are shown at once, if nothing else is said."""


def row_text(display: Display, row: Listed, outcome: Outcome, reason: str) -> str:
    """Return a state as a line: ID, messageId, connection, outcome, reason."""
    painted = display.paint(f"{outcome.value:<9}", outcome.value)
    return f"{row.event:>6}  {visible(row.message_id)}  {row.connection}  {painted}  {visible(reason)}"


def no_event(outbox: Outbox, event: str) -> UsageError:
    """Return the error for an ID that the outbox does not have."""
    shown = outbox_command("list", outbox.path)
    return UsageError(f"There is no event {visible(event)} in this outbox; {shown} shows the events.")
