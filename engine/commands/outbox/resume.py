"""`engine outbox resume`: let a held or paused connection go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    check_connection,
    with_outbox,
)
from engine.commands.shared import counted
from engine.delivery.outbox.location import StreamAddress

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox


@click.command("resume")
@click.argument("connection", metavar="CONNECTION")
@with_outbox
def command(outbox: Outbox, connection: str) -> None:
    """Resume a held or paused connection.

    A running `engine serve` then sends what is waiting, or the next `engine send`.
    """
    rows = outbox.connections(connection)
    if not rows:
        check_connection(outbox, connection)
    outbox.resume(connection)
    what = "resumed" if rows[0].held or rows[0].due is not None else "was not held or paused"
    if isinstance(outbox.path, StreamAddress):  # to count them, all of the streams would have to be read
        click.echo(f"{connection} {what}. All workers know within 2 seconds.")
    else:
        click.echo(f"{connection} {what}; {counted(outbox.unfinished(connection)[0], 'event')} to send.")
