"""`engine outbox`: what is in a durable queue, and what a person can do about it. One module a command."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.options import OUTBOX_FILE
from engine.commands.outbox import discards, export, listing, purge, replay, resume, showing, status, top
from engine.commands.shared import CommandGroup
from engine.delivery.outbox.base import DEFAULT_FILE


@click.group("outbox", cls=CommandGroup)
@click.option(
    "--outbox",
    "path",
    type=OUTBOX_FILE,
    metavar="FILE",
    default=DEFAULT_FILE,
    show_default=True,
    help="The outbox file.",
)
@click.pass_context
def command(context: click.Context, path: Path) -> None:
    """Inspect an outbox: how connections stand, what became of each event and why; send events again.

    --outbox may precede or follow the command's name.
    """
    context.obj = path


for each in (status, top, listing, showing, export, discards, replay, resume, purge):
    command.add_command(each.command)
