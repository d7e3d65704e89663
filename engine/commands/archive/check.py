"""`engine archive check`: read every file of the archive, and mark, or remove, those that are damaged."""

from __future__ import annotations

import time
from pathlib import Path

import click

from engine.commands.archive.shared import with_archive
from engine.commands.archive.status import damaged_lines
from engine.commands.shared import FOUND, counted


@click.command("check")
@click.option("--forget", is_flag=True, help="Remove damaged files, and go on without their events.")
@with_archive
def command(directory: Path, *, forget: bool) -> int:
    """Read every file in full; damaged ones are left out of every answer from then on.

    They are removed only by --forget. Users are computed again if their files are damaged.

    Exit code 0: all can be read; 1: a file is damaged; 2: wrong usage; 4: the archive cannot be used.
    """
    from engine.archive import people
    from engine.archive.catalog import Catalog
    from engine.archive.compacting import check, forget_damaged

    files, restored, damaged = 0, 0, []
    with Catalog.open(directory) as catalog:
        for file, reason in check(catalog):
            files += 1
            restored += bool(file.damaged and not reason)
            if reason:
                damaged.append(file._replace(damaged=reason))
        if of_people := people.damaged(catalog):
            with catalog.maintenance():
                people.forget(catalog)
        forgotten = forget_damaged(catalog, time.time()) if forget else 0
    whole = f"{counted(files - len(damaged), 'file')} can be read"
    lines = [] if forgotten else damaged_lines(tuple(damaged))
    again = f", {restored} of them again" if restored else ""
    click.echo("\n".join([f"{whole}{again}.", *lines]))
    if of_people:
        click.echo(
            f"{counted(len(of_people), 'file')} of users could not be read; the next query computes users again."
        )
    if forgotten:
        click.echo(
            f"{counted(forgotten, 'damaged file')} removed; {sum(each.rows for each in damaged)} events are lost."
        )
        return 0
    return FOUND if damaged else 0
