"""`engine outbox`: what is in a durable queue, and what a person can do about it. One module a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.commands.options import outbox_option
from engine.commands.outbox import discards, export, forget, listing, purge, replay, resume, showing, status, top
from engine.commands.shared import CommandGroup
from engine.delivery.outbox.base import DEFAULT_FILE

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location


@click.group("outbox", cls=CommandGroup)
@outbox_option("location", default=DEFAULT_FILE)
@click.pass_context
def command(context: click.Context, location: Location) -> None:
    """Inspect an outbox: how connections stand, what became of each event and why; send events again.

    --outbox may precede or follow the command's name.
    """
    context.obj = location


for each in (status, top, listing, showing, export, discards, replay, resume, purge, forget):
    command.add_command(each.command)
