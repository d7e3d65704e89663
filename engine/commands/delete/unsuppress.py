"""`engine delete unsuppress`: take the events of a suppressed user again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.delete.shared import archive_option, elsewhere, with_outbox_file
from engine.commands.shared import FOUND
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox


@click.command("unsuppress")
@click.option("--user", required=True, metavar="ID", help="A user ID, or an anonymous ID.")
@archive_option
@with_outbox_file
def command(outbox: SqliteOutbox, user: str, archive: Path | None) -> int:
    """Take the events of a user again that was deleted with --suppress.

    All IDs that were suppressed together with this one are taken again. Exit code 1: the user is not suppressed.
    """
    from engine.delivery.outbox import deletions

    places = elsewhere(archive)
    found = outbox.change(lambda db: deletions.unsuppress(db, user))
    for place in places:
        place.suppress(outbox.look(deletions.suppressed_keys))
    shown = visible(user)
    click.echo(f"{shown} is no longer suppressed." if found else f"{shown} is not suppressed.")
    return 0 if found else FOUND
