"""`engine archive import`: put events of files into the archive, without sending them to anyone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import with_archive
from engine.commands.shared import FOUND, INTERRUPTED, counted

if TYPE_CHECKING:
    from engine.archive.catalog import Catalog
    from engine.archive.importing import ImportedFile
    from engine.commands.input_files import Progress
    from engine.delivery.outbox.base import NewEvent
    from engine.delivery.process import Shutdown
    from engine.events.reading import EventReader

CUT_SHORT = "Interrupted; the rest of the input was not read. Run the same command to continue."
SOURCE = "import"


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", default=SOURCE, show_default=True, help="The source that the events get in the archive.")
@with_archive
def command(files: tuple[str, ...], directory: Path, source: str) -> int:
    """Archive the events of files: JSON, NDJSON or a JSON list, also .gz; - is standard input.

    Nothing is sent. The day of an event is that of its receivedAt, else of its timestamp. A file is archived once; to
    continue after an interruption, run the same command again. May run beside `engine serve --archive`.

    Exit code 0: fine; 1: some lines could not be read or are no events; 2: wrong usage; 4: the archive cannot be used;
    130: interrupted.
    """
    from engine.archive.catalog import Catalog
    from engine.archive.writing import remove_orphans
    from engine.commands.input_files import progress_bar
    from engine.delivery.process import Shutdown, on_signals
    from engine.events.reading import STDIN, read_events

    for file in files:
        if file != STDIN and not Path(file).is_fifo():
            read_events(file).close()
    shutdown = Shutdown()
    with Catalog.open(directory, create=True) as catalog, on_signals(shutdown), progress_bar(files) as progress:
        remove_orphans(catalog)
        importing = _Importing(catalog, source, progress)
        for file in files:
            if not shutdown.requested:
                importing.take_in(file, shutdown)
    if shutdown.signaled:
        click.echo(CUT_SHORT, err=True)
    click.echo(importing.text())
    return INTERRUPTED if shutdown.signaled else importing.code


class _Importing:
    """Archives files one after the other, and counts what became of their events."""

    def __init__(self, catalog: Catalog, source: str, progress: Progress) -> None:
        from engine.commands.input_files import DISCARDED, ReadErrors

        self._catalog, self._source, self._progress = catalog, source, progress
        self._unreadable, self._discarded = ReadErrors(show=progress.show), ReadErrors(DISCARDED, progress.show)
        self._found: list[ImportedFile] = []

    @property
    def code(self) -> int:
        return FOUND if self._unreadable.count or self._discarded.count else 0

    def text(self) -> str:
        new, known, suppressed = (sum(each) for each in zip(*self._found, strict=True)) if self._found else (0, 0, 0)
        counts = {
            "already archived": known,
            "of suppressed users": suppressed,
            "could not be read": self._unreadable.count,
            "discarded": self._discarded.count,
        }
        others = "".join(f", {count} {name}" for name, count in counts.items() if count)
        return f"{counted(new, 'event')} archived{others}."

    def take_in(self, file: str, shutdown: Shutdown) -> None:
        from engine.archive.importing import Importer, file_origin
        from engine.events.reading import STDIN, read_events, total_size

        is_file = file != STDIN and Path(file).is_file()
        importer = Importer(self._catalog, file_origin(Path(file), self._source) if is_file else "")
        try:
            if importer.is_whole:
                self._progress.advance(total_size(file) or 0)
                return
            with read_events(file, stdin=sys.stdin.buffer) as reader:
                importer.take_in(self._events(reader, shutdown), lambda: shutdown.requested)
        finally:
            self._found.append(importer.result)

    def _events(self, reader: EventReader, shutdown: Shutdown) -> Iterator[NewEvent]:
        """Yield the events of one file; report and count what is none."""
        from engine.collector.discards import Discard
        from engine.collector.shaping import shape_lines
        from engine.delivery.intake import iso

        lines = self._unreadable.readable(shutdown.until_requested(reader))
        before = 0
        for line, event in shape_lines(lines, self._source, iso(time.time())):
            self._progress.advance(reader.consumed - before)
            before = reader.consumed
            if isinstance(event, Discard):
                self._discarded.add(line.file, f"{line.file}:{line.line}: {event.reason} ({event.code})")
            else:
                yield event
