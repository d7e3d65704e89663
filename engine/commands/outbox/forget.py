"""`engine outbox forget`: no longer keep events in streams for a connection that was removed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import check_connection, with_outbox
from engine.commands.shared import counted
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox

ONLY_ON_STREAMS = (
    "{outbox} is a file: events that wait for a removed connection keep no others there, so nothing needs to be "
    "forgotten. `engine delete` removes persons, `engine outbox purge` what has ended."
)
QUESTION = "{waiting} {verb} for {connection}, and will never be sent to it. Forget it?"


@click.command("forget")
@click.argument("connection", metavar="CONNECTION")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_outbox
def command(outbox: Outbox, connection: str, yes: bool) -> None:
    """Forget a connection that was removed, so that streams no longer keep events for it.

    Streams keep each event until all connections that it is for have finished it; one to which nobody delivers any
    more fills them. Remove it from the connections files first: it is not forgotten while a server delivers to it.
    """
    if isinstance(outbox.path, Path):
        raise UsageError(ONLY_ON_STREAMS.format(outbox=outbox.path))
    from engine.stream.outbox import StreamOutbox

    assert isinstance(outbox, StreamOutbox)
    check_connection(outbox, connection)
    count = outbox.unfinished(connection)[0]
    verb = "waits" if count == 1 else "wait"
    if not yes:
        click.confirm(QUESTION.format(waiting=counted(count, "event"), verb=verb, connection=connection), abort=True)
    outbox.forget(connection)
    click.echo(f"{connection} forgotten; {counted(count, 'event')} no longer kept for it.")
