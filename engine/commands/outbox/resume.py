"""`engine outbox resume`: let a held or paused connection go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    check_connection,
    with_outbox,
)
from engine.commands.shared import counted

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox


@click.command("resume")
@click.argument("connection", metavar="CONNECTION")
@with_outbox
def command(outbox: Outbox, connection: str) -> None:
    """Resume a held or paused connection.

    A running `engine serve` then sends what is waiting, or the next `engine send`.
    """
    check_connection(outbox, connection)
    [row] = outbox.connections(connection)
    outbox.resume(connection)
    what = "resumed" if row.held or row.due is not None else "was not held or paused"
    click.echo(f"{connection} {what}; {counted(outbox.unfinished(connection)[0], 'event')} to send.")
