"""`engine outbox status`: how many events ended how, by connection, with reasons."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    with_outbox,
)
from engine.commands.output.text import Display, local_time
from engine.delivery.outbox.base import resume_command
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox


@click.command("status")
@with_outbox
def command(outbox: Outbox) -> None:
    """Count events by connection and outcome, with reasons."""
    from engine.commands.output.summary import delivery_text
    from engine.delivery.observers import MOST_REASONS

    overview = outbox.overview(MOST_REASONS)
    click.echo(delivery_text(Display(sys.stdout), overview))
    for row in overview.connections:
        if row.name in overview.unfinished:
            count, oldest = overview.unfinished[row.name]
            click.echo(f"{row.name}: {count} unfinished; the oldest was queued {local_time(oldest)}.")
        if row.alarm:
            click.echo(f"{row.name}: {row.alarm}.")
        if row.held:
            click.echo(
                f"{row.name} has been held since {local_time(row.held_at)}. Once the cause is fixed, run: "
                f"{resume_command(row.name, outbox.path)}"
            )
        elif row.due is not None and row.name not in overview.unfinished:  # otherwise it is in the table
            click.echo(f"{row.name} is paused: {visible(row.pause.rstrip('.'))}. Next try: {local_time(row.due)}.")
