"""`engine archive compact`: small files of a day become large ones; with --keep, old days are removed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import keep_seconds, with_archive
from engine.commands.shared import FOUND, counted

if TYPE_CHECKING:
    from engine.archive.compacting import Compacted


@click.command("compact")
@click.option("--keep", metavar="TIME", help="Also remove days that ended longer ago: 400d.")
@with_archive
def command(directory: Path, keep: str | None) -> int:
    """Put the small files of each day together, so that queries read fewer; a server does this once an hour.

    May run beside a server and beside queries: files that were replaced stay on disk for 10 minutes.

    Exit code 0: fine; 1: a file is damaged; 2: wrong usage; 4: the archive cannot be used, or is busy.
    """
    from engine.archive.catalog import Catalog
    from engine.archive.compacting import Compacted, compact, remove_old
    from engine.archive.writing import remove_orphans

    duration = keep_seconds("--keep", keep)
    total = Compacted()
    with Catalog.open(directory) as catalog:
        remove_orphans(catalog)
        if duration is not None:
            total = total.plus(remove_old(catalog, duration, time.time()))
        for each in compact(catalog, time.time()):
            total = total.plus(each)
    click.echo(_text(total))
    return FOUND if total.damaged else 0


def _text(total: Compacted) -> str:
    made = f"{counted(total.replaced, 'file')} became {total.made}" if total.replaced else "Nothing to put together"
    removed = f"; {counted(total.removed_rows, 'event')} of old days removed" if total.removed else ""
    damaged = f"; {counted(total.damaged, 'damaged file')} left out (engine archive status)" if total.damaged else ""
    return f"{made}{removed}{damaged}."
