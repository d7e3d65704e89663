"""`engine delete resume`: go on with deletions that have begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.delete.shared import advance, archive_option, with_outbox_file
from engine.commands.shared import counted

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox


@click.command("resume")
@archive_option
@with_outbox_file
def command(outbox: SqliteOutbox, archive: Path | None) -> None:
    """Go on with deletions that were interrupted, and end those whose delete events were sent.

    A running `engine serve` does this by itself, and so does every other command of `engine delete`.
    """
    from engine.delivery.outbox import deletions

    ended = advance(outbox, archive)
    left = sum(outbox.look(deletions.at_steps).values())
    click.echo(f"{counted(ended, 'deletion')} ended, {left} not done yet.")
