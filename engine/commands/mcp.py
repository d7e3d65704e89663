"""`engine mcp`: tools for assistants that write mappings, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.options import DIRECTORY
from engine.commands.shared import HELP_SETTINGS
from engine.errors import UsageError


@click.command("mcp", context_settings=HELP_SETTINGS)
@click.option(
    "--root",
    type=DIRECTORY,
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="The folder whose mappings may be read; nothing outside of it is.",
)
def command(root: Path) -> None:
    """Serve an assistant over standard input and output: tools that check, run, explain and test mappings.

    It only reads, and sends nothing; `${env:NAME}` in settings is refused. It needs the extra "mcp".
    """
    try:
        from engine.assistant.server import serve
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("mcp"):
            raise
        raise UsageError("engine mcp needs the extra \"mcp\": pip install 'waybill[mcp]'") from None
    serve(root)
