"""`engine outbox status`: how each connection stands, and how many events ended how, with reasons."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import with_outbox
from engine.commands.output.text import Display

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox

UNDELIVERED = (
    "No worker has delivered to {name} for an hour. If it was removed from the connections files on purpose, run: "
    "{command}. Until then the streams keep all events that wait for it."
)


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
    from engine.language.texts import visible

    display, standings = Display(sys.stdout), outbox.standings(now)
    for line in standing_lines(display, standings):
        click.echo(line)
    for each in standings:
        for line in notes(display, each, outbox.path):
            click.echo(line)
    for name in _undelivered(outbox) or ():
        text = UNDELIVERED.format(name=visible(name), command=f"engine outbox forget {shlex.quote(visible(name))}")
        click.echo(display.wrap(text, "", 2))
    click.echo("\n" * bool(standings) + delivery_text(display, outbox.overview(MOST_REASONS)))


def _undelivered(outbox: SqliteOutbox) -> list[str] | None:
    """Return the connections of streams to which no worker has delivered for an hour; None for a file."""
    if isinstance(outbox.path, Path):
        return None
    from engine.stream.outbox import StreamOutbox

    return outbox.undelivered() if isinstance(outbox, StreamOutbox) else None


def _print_json(outbox: SqliteOutbox, now: float) -> None:
    import json

    from engine.delivery.status import delivery_status
    from engine.language.texts import visible_lines

    found, names = delivery_status(outbox, now), _undelivered(outbox)
    if names is not None:
        found["undelivered"] = [*names]
    click.echo(visible_lines(json.dumps(found, ensure_ascii=False, indent=2)))
