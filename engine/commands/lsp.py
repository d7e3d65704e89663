"""`engine lsp`: a language server for editors, over standard input and output."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.options import FILE, mappings_option
from engine.commands.shared import HELP_SETTINGS
from engine.errors import UsageError


@click.command("lsp", context_settings=HELP_SETTINGS)
@click.option(
    "--events",
    "samples",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="File of events whose fields are proposed besides those of the examples. Repeatable.",
)
@mappings_option
@click.option("--stdio", is_flag=True, hidden=True, help="What many editors add; there is no other way.")
def command(samples: tuple[Path, ...], directories: tuple[Path, ...], stdio: bool) -> None:  # noqa: ARG001
    """Serve an editor over standard input and output: problems while you type, completion, hover, rename.

    It needs the extra "lsp". docs/editors.md has the settings of VS Code, Neovim and JetBrains.
    """
    try:
        from engine.editing.server import serve
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(("pygls", "lsprotocol")):
            raise
        raise UsageError("engine lsp needs the extra \"lsp\": pip install 'waybill[lsp]'") from None
    serve(directories, samples)
