"""`engine audiences`: audiences and computed traits, and what was sent of them. One module a command."""

from __future__ import annotations

import click

from engine.commands.audiences import follow, listing, showing, sync
from engine.commands.shared import CommandGroup


@click.group("audiences", cls=CommandGroup)
def command() -> None:
    """Compute audiences and computed traits from the archive, and send who entered and who left."""


for each in (listing.command, sync.command, showing.command, follow.command, follow.run_one):
    command.add_command(each)
