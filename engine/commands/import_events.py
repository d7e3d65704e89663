"""`engine import`: puts events of files into the outbox, as if a source had sent them; `serve` or `send` delivers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.sources import EventSource
    from engine.delivery.outbox.base import NewEvent, Outbox
    from engine.delivery.process import Ending
    from engine.events.reading import EventReader

FOUND, INTERRUPTED = 1, 130
CUT_SHORT = (
    "Interrupted: {count} events were added, and the rest of the input was not read. Run the same command to continue."
)
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
LONG_INPUT = 4 * 1024 * 1024
FOREVER = 100 * 365 * 24 * 3600.0


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", "name", required=True, help="A source of the connections file.")
@click.option("--connections", "connections_file", type=FILE, default=Path("connections.yaml"), show_default=True)
@click.option("--mappings", "directories", multiple=True, type=DIRECTORY, help="Where your own mappings are.")
@click.option("--outbox", "outbox_file", type=FILE, default=Path("outbox.db"), show_default=True)
def command(
    files: tuple[str, ...], name: str, connections_file: Path, directories: tuple[Path, ...], outbox_file: Path
) -> int:
    """Add the events of files to the outbox: JSON, NDJSON or a JSON list, also .gz; - is standard input.

    To continue after an interruption, run the same command again: events the outbox knows are not added twice.
    """
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.delivery.process import Ending, on_signals

    source = _source(name, connections_file, directories)
    importing = _Importing(source)
    outbox = SqliteOutbox(outbox_file, window=FOREVER)  # a restart may come days later
    ending = Ending()
    try:
        with on_signals(ending), _progress(files) as advance:
            for file in files:
                importing.take_in(outbox, file, ending, advance)
    finally:
        outbox.close()
    if ending.signalled:
        taken = importing.taken
        click.echo(CUT_SHORT.format(count=taken.new + taken.duplicates), err=True)
    click.echo(importing.text())
    return INTERRUPTED if ending.signalled else importing.code


class _Importing:
    """Adds files to the outbox, one after the other, and counts what became of their events."""

    def __init__(self, source: EventSource) -> None:
        from engine.commands.output.read_errors import DISCARDED, ReadErrors
        from engine.delivery.outbox.base import TakenIn

        self.taken = TakenIn()
        self._source = source
        self._unreadable, self._discarded = ReadErrors(), ReadErrors(DISCARDED)

    @property
    def code(self) -> int:
        return FOUND if self._unreadable.count or self._discarded.count else 0

    def text(self) -> str:
        counts = {"could not be read": self._unreadable.count, "discarded": self._discarded.count}
        problems = "".join(f", {count} {name}" for name, count in counts.items() if count)
        return f"{self.taken.new} new, {self.taken.duplicates} already in the outbox{problems}."

    def take_in(self, outbox: Outbox, file: str, ending: Ending, advance: Callable[[int], None]) -> None:
        from engine.delivery.intake import taken_in
        from engine.events.reading import read_events

        with read_events(file, stdin=sys.stdin.buffer) as reader:
            events = self._events(reader, ending, advance)
            for taken in taken_in(outbox, events, self._source.connections, time.time):
                self.taken = self.taken.plus(taken)

    def _events(self, reader: EventReader, ending: Ending, advance: Callable[[int], None]) -> Iterator[NewEvent]:
        """Yield the events of one file; report and count discards."""
        from engine.collector.discards import Discard
        from engine.collector.shaping import shape_lines
        from engine.delivery.intake import iso

        lines = self._unreadable.sifted(ending.until_asked(reader))
        before = 0
        for line, event in shape_lines(lines, self._source.name, iso(time.time())):
            advance(reader.consumed - before)
            before = reader.consumed
            if isinstance(event, Discard):
                self._discarded.tell(line.file, f"{line.file}:{line.line}: {event.reason} ({event.code})")
            else:
                yield event


def _source(name: str, file: Path, directories: Sequence[Path]) -> EventSource:
    from engine.collector import sources

    known = {each.name: each for each in sources.load(file, os.environ, directories).sources}
    if name not in known:
        raise UsageError(f'{file} has no source "{name}". Its sources: {", ".join(known)}.')
    if not known[name].connections:
        raise UsageError(f"Every connection of the source {name} is disabled in {file}: nothing would be delivered.")
    if not known[name].enabled:
        raise UsageError(
            f"The source {name} is disabled in {file} (enabled: false) and accepts no events. Enable it, or name "
            "another one with --source."
        )
    return known[name]


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal when the input is long."""
    from engine.events.reading import total_size

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
