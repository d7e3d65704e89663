"""`engine outbox purge`: remove events that ended long ago."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    parse_time,
    with_outbox,
)
from engine.commands.outbox.shared import FINAL
from engine.commands.shared import counted
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox, Purged


@click.command("purge")
@click.option("--older-than", required=True, metavar="TIME", help="Remove what ended before then: 30d, or a date.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice([outcome.value for outcome in FINAL]),
    help="Only events that ended these ways.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, but remove nothing.")
@with_outbox
def command(outbox: Outbox, older_than: str, outcomes: tuple[str, ...], dry_run: bool) -> None:
    """Remove events that ended long ago. Without --outcome this includes rejected and invalid ones.

    Waiting and held events always stay. An event is removed once it has ended this way for all its connections; its
    messageId is then forgotten, and it cannot be replayed.
    """
    remove = outbox.purgeable if dry_run else outbox.purge
    purged = remove(parse_time(older_than, time.time()), tuple(map(Outcome, outcomes)))
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{counted(purged.events, 'event')} {verb}{_outcomes_text(purged)}.")


def _outcomes_text(purged: Purged) -> str:
    """Count how the removed events had ended; an event of several connections, or with duplicates, several times."""
    if not purged.outcomes:
        return ""
    counts = [f"{purged.outcomes[each]} {each.value}" for each in Outcome if each in purged.outcomes]
    same = sum(purged.outcomes.values()) == purged.events
    return f": {', '.join(counts)}{'' if same else ' (counted for each connection and duplicate)'}"
