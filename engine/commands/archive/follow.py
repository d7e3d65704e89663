"""`engine archive follow`: the process beside `engine serve --archive` that archives what the outbox takes in."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import keep_seconds, with_archive
from engine.commands.options import followed, outbox_option

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location


@click.command("follow", hidden=True)
@outbox_option(required=True)
@click.option("--keep", metavar="TIME", help="Remove days that ended longer ago.")
@with_archive
def command(directory: Path, outbox_file: Location, keep: str | None) -> None:
    """Archive what an outbox takes in, until SIGTERM or the end of standard input; `engine serve` starts it."""
    from engine.archive.catalog import Catalog
    from engine.archive.following import Follower
    from engine.archive.upkeep import Upkeep
    from engine.archive.writing import remove_orphans
    from engine.collector.companions import until_stopped
    from engine.delivery import logs
    from engine.delivery.process import rare_garbage_collection

    handler = logs.start(sys.stderr, ())
    try:
        with (
            rare_garbage_collection(),
            until_stopped() as stop,
            Catalog.open(directory, create=True) as catalog,
            catalog.follower(),
            followed(outbox_file) as looked,
        ):
            remove_orphans(catalog)
            upkeep = Upkeep(catalog, keep_seconds("--archive-keep", keep), time.time, stop.is_set)
            Follower(looked.file, catalog).run(stop, upkeep.run_if_due)
    finally:
        logs.stop(handler)
