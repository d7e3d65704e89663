"""`engine import`: puts events of files into the outbox, as if a source had sent them; `serve` or `send` delivers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import FILE, mappings_option, outbox_option
from engine.commands.shared import FOUND, INTERRUPTED, counted, did_you_mean
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.discards import Discard
    from engine.collector.sources import ConnectionsAndSources, EventSource
    from engine.commands.input_files import Progress
    from engine.delivery.outbox.base import Discarded, EventIntake, NewEvent
    from engine.delivery.outbox.location import Location
    from engine.delivery.process import Shutdown
    from engine.events.reading import EventReader

CUT_SHORT = "Interrupted after adding {events}; the rest of the input was not read. Run the same command to continue."
ON_STREAMS = "Those that the streams have had in the last 24 hours are not sent again."
FOREVER = 100 * 365 * 24 * 3600.0


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", "name", required=True, help="A source of the connections file.")
@click.option("--connections", "connections_file", type=FILE, default=Path("connections.yaml"), show_default=True)
@mappings_option
@outbox_option("location", default=DEFAULT_FILE)
def command(
    files: tuple[str, ...], name: str, connections_file: Path, directories: tuple[Path, ...], location: Location
) -> int:
    """Add the events of files to the outbox: JSON, NDJSON or a JSON list, also .gz; - is standard input.

    To continue after an interruption, run the same command again: events the outbox knows are not added twice. An
    outbox on streams knows the events of the last 24 hours: those are not sent twice, so continue within this time.
    """
    from engine.commands.input_files import progress_bar
    from engine.delivery.process import Shutdown, on_signals

    source, secrets = _source(name, connections_file, directories)
    _check_files(files)
    shutdown = Shutdown()
    with _opened(location, source) as outbox, on_signals(shutdown), progress_bar(files) as progress:
        importing = _Importing(source, secrets, progress)
        for file in files:
            importing.take_in(outbox, file, shutdown)
    if shutdown.signaled:
        taken = importing.taken
        click.echo(CUT_SHORT.format(events=counted(taken.new + taken.duplicates, "event")), err=True)
    click.echo(importing.text(knows_all=isinstance(location, Path)))
    return INTERRUPTED if shutdown.signaled else importing.code


@contextmanager
def _opened(location: Location, source: EventSource) -> Iterator[EventIntake]:
    """Open or make the outbox; one in a file knows all its messageIds: a restart may come days later."""
    if isinstance(location, Path):
        from engine.delivery.outbox.sqlite import SqliteOutbox

        with closing(SqliteOutbox(location, window=FOREVER)) as outbox:
            yield outbox
        return
    from engine.collector.sources import partition_choices
    from engine.stream.outbox import opened_intake

    with opened_intake(location, partition_choices([source])) as intake:
        yield intake


class _Importing:
    """Adds files to the outbox, one after the other, and counts what became of their events."""

    def __init__(self, source: EventSource, secrets: Sequence[str], progress: Progress) -> None:
        from engine.collector.concealing import Concealing
        from engine.commands.input_files import DISCARDED, ReadErrors
        from engine.delivery.outbox.base import TakenIn

        self.taken = TakenIn()
        self._source = source
        self._concealing = Concealing(secrets)
        self._copies: list[Discarded] = []
        self._counted = 0
        self._advance = progress.advance
        self._unreadable, self._discarded = ReadErrors(show=progress.show), ReadErrors(DISCARDED, progress.show)

    @property
    def code(self) -> int:
        return FOUND if self._unreadable.count or self._discarded.count else 0

    def text(self, *, knows_all: bool) -> str:
        counts = {"could not be read": self._unreadable.count, "discarded": self._discarded.count}
        problems = "".join(f", {count} {name}" for name, count in counts.items() if count)
        if not knows_all:
            return f"{counted(self.taken.new, 'event')} added{problems}. {ON_STREAMS}"
        return f"{self.taken.new} new, {self.taken.duplicates} already in the outbox{problems}."

    def take_in(self, outbox: EventIntake, file: str, shutdown: Shutdown) -> None:
        from engine.delivery.intake import ROWS, ROWS_OF_STREAMS, taken_in
        from engine.events.reading import read_events

        with read_events(file, stdin=sys.stdin.buffer) as reader:
            events = self._events(reader, shutdown)
            at_once = ROWS if isinstance(outbox.path, Path) else ROWS_OF_STREAMS
            for taken in taken_in(outbox, events, self._source.connections, time.time, at_once=at_once):
                self.taken = self.taken.plus(taken)
        self._keep_discards(outbox)

    def _keep_discards(self, outbox: EventIntake) -> None:
        """Keep the first discards of this import, and count all of them."""
        more = self._discarded.count - self._counted
        if more:
            outbox.keep_discards(self._copies, {self._source.name: more}, time.time(), all_of_them=True)
        self._counted = self._discarded.count
        self._copies = []

    def _copy(self, discard: Discard) -> None:
        from engine.collector.discard_copies import copied, event_bytes
        from engine.delivery.outbox.base import Discarded
        from engine.delivery.outbox.keeping import MOST_DISCARDS

        if self._discarded.count <= MOST_DISCARDS:
            raw = event_bytes(discard.event)
            kept = Discarded(self._source.name, time.time(), discard.code, discard.reason, discard.message_id, raw)
            self._copies += copied(self._concealing, [kept])

    def _events(self, reader: EventReader, shutdown: Shutdown) -> Iterator[NewEvent]:
        """Yield the events of one file; report and count discards."""
        from engine.collector.discards import Discard
        from engine.collector.shaping import shape_lines
        from engine.delivery.intake import iso

        lines = self._unreadable.readable(shutdown.until_requested(reader))
        before = 0
        for line, event in shape_lines(lines, self._source.name, iso(time.time())):
            self._advance(reader.consumed - before)
            before = reader.consumed
            if isinstance(event, Discard):
                self._discarded.add(line.file, f"{line.file}:{line.line}: {event.reason} ({event.code})")
                self._copy(event)
            else:
                yield event


def _check_files(files: Sequence[str]) -> None:
    """Raise UsageError for a file that cannot be opened, before there is an outbox; a pipe can be opened only once."""
    from engine.events.reading import STDIN, read_events

    for file in files:
        if file != STDIN and not Path(file).is_fifo():
            read_events(file).close()


def _source(name: str, file: Path, directories: Sequence[Path]) -> tuple[EventSource, tuple[str, ...]]:
    """Return a source, and all secrets of the file."""
    from engine.collector import sources
    from engine.collector.reloading import Served

    found = sources.load(file, os.environ, directories)
    return source_of(name, found, file), Served(found.sources, found.file.connections).secrets


def source_of(name: str, found: ConnectionsAndSources, file: Path) -> EventSource:
    """Return a source of a connections file that can get events; raises UsageError where there is none."""
    known = {each.name: each for each in found.sources}
    if name not in known:
        raise UsageError(f'{file} has no source "{name}". {did_you_mean(name, known)}')
    if not known[name].connections:
        raise UsageError(f"Every connection of the source {name} is disabled in {file}: nothing would be delivered.")
    if not known[name].enabled:
        raise UsageError(
            f"The source {name} is disabled in {file} (enabled: false) and accepts no events. Enable it, or name "
            "another one with --source."
        )
    return known[name]
