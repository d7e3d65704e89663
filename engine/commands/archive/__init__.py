"""`engine archive`: all events as Parquet files by day, beside an outbox that forgets them. One module a command."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.archive import check, compact, follow, import_files, query, status
from engine.commands.archive.shared import ARCHIVE, DEFAULT_ARCHIVE
from engine.commands.shared import CommandGroup


@click.group("archive", cls=CommandGroup)
@click.option(
    "--archive",
    "directory",
    type=ARCHIVE,
    metavar="DIR",
    default=DEFAULT_ARCHIVE,
    show_default=True,
    help="The directory of the archive.",
)
@click.pass_context
def command(context: click.Context, directory: Path) -> None:
    """Keep all events as Parquet files, by day, and look after them; `engine serve --archive` adds what comes in.

    --archive may precede or follow the command's name.
    """
    context.obj = directory


for each in (status, query, import_files, compact, check, follow):
    command.add_command(each.command)
