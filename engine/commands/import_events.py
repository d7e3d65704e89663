"""`engine import`: files of events into the outbox, as if a source had sent them; `engine serve` or `send` delivers."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.keys import Source
    from engine.delivery.rows import NewEvent
    from engine.sources.read import Line

FOUND = 1
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
LONG_INPUT = 4 * 1024 * 1024
FOREVER = 100 * 365 * 24 * 3600.0


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", "name", required=True, help="The source, as sources: in the file of connections names it.")
@click.option("--connections", "connections_file", type=FILE, default=Path("connections.yaml"), show_default=True)
@click.option("--mappings", "directories", multiple=True, type=DIRECTORY, help="Where your own mappings are.")
@click.option("--outbox", "outbox_file", type=FILE, default=Path("outbox.db"), show_default=True)
def command(
    files: tuple[str, ...], name: str, connections_file: Path, directories: tuple[Path, ...], outbox_file: Path
) -> int:
    """Put the events of files (JSON, NDJSON, a JSON list, also .gz; - is standard input) into the outbox.

    An import that was interrupted is started again with the same command: what the outbox knows is not sent twice.
    """
    from engine.delivery.intake import iso, take_in
    from engine.delivery.rows import TakenIn
    from engine.delivery.sqlite import SqliteOutbox

    source = _source(name, connections_file, directories)
    counts: Counter[str] = Counter()
    outbox = SqliteOutbox(outbox_file, window=FOREVER)  # a restart may come days later
    try:
        total = TakenIn()
        with _progress(files) as advance:
            for file in files:
                events = _events(file, source.name, iso(time.time()), counts, advance)
                total = total.plus(take_in(outbox, events, source.connections, time.time))
    finally:
        outbox.close()
    said = "".join(f", {count} {words}" for words, count in sorted(counts.items()))
    click.echo(f"{total.new} new, {total.duplicates} were there before{said}.")
    return FOUND if counts else 0


def _source(name: str, file: Path, directories: Sequence[Path]) -> Source:
    from engine.collector import sources

    known = {each.name: each for each in sources.load(file, os.environ, directories).sources}
    if name not in known:
        raise UsageError(f'{file} has no source "{name}". There are: {", ".join(known)}.')
    if not known[name].connections:
        raise UsageError(f"Every connection of the source {name} is disabled in {file}; its events would go nowhere.")
    return known[name]


def _events(
    file: str, source: str, now: str, counts: Counter[str], advance: Callable[[int], None]
) -> Iterator[NewEvent]:
    """Give the events of one file; what is none is told and counted."""
    from engine.collector.discards import Discard
    from engine.collector.importing import imported
    from engine.sources.read import read_events

    with read_events(file, stdin=sys.stdin.buffer) as reader:
        before = 0
        for line, event in imported(_readable(reader, counts), source, now):
            advance(reader.consumed - before)
            before = reader.consumed
            if isinstance(event, Discard):
                counts["discarded"] += 1
                click.echo(f"{line.file}:{line.line}: {event.reason} ({event.code})", err=True)
            else:
                yield event


def _readable(lines: Iterator[Line], counts: Counter[str]) -> Iterator[Line]:
    for line in lines:
        if line.error is None:
            yield line
        else:
            counts["could not be read"] += 1
            click.echo(line.error, err=True)


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal when the input is long."""
    from engine.sources.read import total_size

    sizes = [total_size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if not sys.stderr.isatty() or (total is not None and total < LONG_INPUT):
        yield lambda _bytes: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.BarColumn(), bars.DownloadColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("events", total=total)
        yield lambda count: bar.advance(task, count)
