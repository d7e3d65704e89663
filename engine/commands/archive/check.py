"""`engine archive check`: read every file of the archive, and mark those that are damaged."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.archive.shared import with_archive
from engine.commands.archive.status import damaged_lines
from engine.commands.shared import FOUND, counted


@click.command("check")
@with_archive
def command(directory: Path) -> int:
    """Read every file in full; damaged ones are left out of every answer from then on, never removed.

    Exit code 0: all can be read; 1: a file is damaged; 2: wrong usage; 4: the archive cannot be used.
    """
    from engine.archive.catalog import Catalog
    from engine.archive.compacting import check

    files, restored, damaged = 0, 0, []
    with Catalog.open(directory) as catalog:
        for file, reason in check(catalog):
            files += 1
            restored += bool(file.damaged and not reason)
            if reason:
                damaged.append(file._replace(damaged=reason))
    whole = f"{counted(files - len(damaged), 'file')} can be read"
    again = f", {restored} of them again" if restored else ""
    click.echo("\n".join([f"{whole}{again}.", *damaged_lines(tuple(damaged))]))
    return FOUND if damaged else 0
