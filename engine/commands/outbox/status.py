"""`engine outbox status`: how each connection stands, and how many events ended how, with reasons."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from engine.commands.options import with_outbox
from engine.commands.output.text import Display

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox


@click.command("status")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or the object that /status of the admin address returns.",
)
@with_outbox
def command(outbox: SqliteOutbox, style: str) -> None:
    """Show how each connection stands: state, what waits and for how long, rate, time to drain, the last hour.

    Below it, all events that the outbox has by connection and outcome, with reasons. `engine outbox top` shows the
    first part live.
    """
    now = time.time()
    if style == "json":
        _print_json(outbox, now)
        return
    from engine.commands.output.standings import notes, standing_lines
    from engine.commands.output.summary import delivery_text
    from engine.delivery.observers import MOST_REASONS

    display, standings = Display(sys.stdout), outbox.standings(now)
    for line in standing_lines(display, standings):
        click.echo(line)
    for each in standings:
        for line in notes(display, each, outbox.path):
            click.echo(line)
    click.echo("\n" * bool(standings) + delivery_text(display, outbox.overview(MOST_REASONS)))


def _print_json(outbox: SqliteOutbox, now: float) -> None:
    import json

    from engine.delivery.status import delivery_status
    from engine.language.texts import visible_lines

    click.echo(visible_lines(json.dumps(delivery_status(outbox, now), ensure_ascii=False, indent=2)))
