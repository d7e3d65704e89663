"""`engine import`: files of events into the outbox, as if a source had sent them; `engine serve` or `send` delivers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.shared import DEFAULT_OUTBOX, FILE, FOUND, INTERRUPTED, did_you_mean, mappings_option
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.write_keys import EventSource
    from engine.commands.input_files import Progress
    from engine.delivery.outbox.base import NewEvent, Outbox
    from engine.delivery.process import Ending
    from engine.events.reading import EventReader

CUT_SHORT = (
    "Interrupted: {count} events were taken in, and the rest of what was to be read was not. The same command goes on."
)
FOREVER = 100 * 365 * 24 * 3600.0


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", "name", required=True, help="The source, as sources: in the file of connections names it.")
@click.option("--connections", "connections_file", type=FILE, default=Path("connections.yaml"), show_default=True)
@mappings_option
@click.option("--outbox", "outbox_file", type=FILE, default=DEFAULT_OUTBOX, show_default=True)
def command(
    files: tuple[str, ...], name: str, connections_file: Path, directories: tuple[Path, ...], outbox_file: Path
) -> int:
    """Put the events of files (JSON, NDJSON, a JSON list, also .gz; - is standard input) into the outbox.

    An import that was interrupted is started again with the same command: what the outbox knows is not sent twice.
    """
    from engine.commands.input_files import progress_bar
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.delivery.process import Ending, on_signals

    source = _source(name, connections_file, directories)
    outbox = SqliteOutbox(outbox_file, window=FOREVER)  # a restart may come days later
    ending = Ending()
    try:
        with on_signals(ending), progress_bar(files) as progress:
            importing = _Importing(source, progress)
            for file in files:
                importing.take_in(outbox, file, ending)
    finally:
        outbox.close()
    if ending.signalled:
        taken = importing.taken
        click.echo(CUT_SHORT.format(count=taken.new + taken.duplicates), err=True)
    click.echo(importing.text())
    return INTERRUPTED if ending.signalled else importing.code


class _Importing:
    """Puts files into the outbox, one after the other; knows what became of them so far."""

    def __init__(self, source: EventSource, progress: Progress) -> None:
        from engine.commands.input_files import DISCARDED, ReadErrors
        from engine.delivery.outbox.base import TakenIn

        self.taken = TakenIn()
        self._source = source
        self._advance = progress.advance
        self._unreadable, self._discarded = ReadErrors(show=progress.show), ReadErrors(DISCARDED, progress.show)

    @property
    def code(self) -> int:
        return FOUND if self._unreadable.count or self._discarded.count else 0

    def text(self) -> str:
        counts = {"could not be read": self._unreadable.count, "discarded": self._discarded.count}
        said = "".join(f", {count} {words}" for words, count in counts.items() if count)
        return f"{self.taken.new} new, {self.taken.duplicates} were there before{said}."

    def take_in(self, outbox: Outbox, file: str, ending: Ending) -> None:
        from engine.delivery.intake import taken_in
        from engine.events.reading import read_events

        with read_events(file, stdin=sys.stdin.buffer) as reader:
            events = self._events(reader, ending)
            for taken in taken_in(outbox, events, self._source.connections, time.time):
                self.taken = self.taken.plus(taken)

    def _events(self, reader: EventReader, ending: Ending) -> Iterator[NewEvent]:
        """Return the events of one file; what is none is told and counted."""
        from engine.collector.discards import Discard
        from engine.collector.shaping import imported
        from engine.delivery.intake import iso

        lines = self._unreadable.readable(ending.until_asked(reader))
        before = 0
        for line, event in imported(lines, self._source.name, iso(time.time())):
            self._advance(reader.consumed - before)
            before = reader.consumed
            if isinstance(event, Discard):
                self._discarded.add(line.file, f"{line.file}:{line.line}: {event.reason} ({event.code})")
            else:
                yield event


def _source(name: str, file: Path, directories: Sequence[Path]) -> EventSource:
    from engine.collector import sources

    known = {each.name: each for each in sources.load(file, os.environ, directories).sources}
    if name not in known:
        raise UsageError(f'{file} has no source "{name}". {did_you_mean(name, known)}')
    if not known[name].connections:
        raise UsageError(f"Every connection of the source {name} is disabled in {file}; its events would go nowhere.")
    if not known[name].enabled:
        raise UsageError(
            f"The source {name} is disabled in {file} (enabled: false), so nothing is taken in for it; enable it, or "
            "name another one with --source."
        )
    return known[name]
