"""Events of files become rows of the archive: each file once, also if the import is interrupted and run again.

A file is known by the digest of its bytes and the source that its events get; the catalog has how many of its events
are archived.  What comes through a pipe has no digest: read again, it is archived again, and readers leave the copies
out, by source and messageId.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.archive.catalog import ArchiveBusy, Catalog
from engine.archive.columns import ArchiveRow, day_of, row_of
from engine.archive.writing import Hook, ignored, write
from engine.delivery.intake import iso
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.keys import person_key
from engine.events.normalizing import normalize_json
from engine.events.persons import emails_of, id_text
from engine.records import JsonObject

MOST_EVENTS = 100_000
MOST_BYTES = 64 * 1024 * 1024
MOST_DAYS = 1000
"""Events, bytes and days of a batch at most; each day becomes a file."""
WHOLE = "whole"
"""Noted of a file that was imported to its end."""


class ImportedFile(NamedTuple):
    """How many events of a file are new in the archive, were there already, or are of users that are suppressed."""

    new: int = 0
    known: int = 0
    suppressed: int = 0


def file_origin(path: Path, source: str) -> str:
    """Return under which name the catalog knows a file; reads all of it."""
    with path.open("rb") as file:
        return f"file:{hashlib.file_digest(file, 'sha256').hexdigest()}:{source}"


class Importer:
    """Archives the events of one file; `origin` is '' for a pipe."""

    def __init__(
        self,
        catalog: Catalog,
        origin: str,
        clock: Callable[[], float] = time.time,
        *,
        reached: Hook = ignored,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._catalog, self._origin, self._clock, self._reached = catalog, origin, clock, reached
        self._most_events = most_events
        place = catalog.place(origin)
        self._begin = self._since = place.position if origin else 0
        self.is_whole = bool(origin) and place.witness == WHOLE
        """Whether nothing of the file is left to import."""
        self._suppressed = catalog.suppressed()
        self.result = ImportedFile(known=self._begin)
        self._forget_batch(0)

    def take_in(self, events: Iterable[NewEvent], is_cut: Callable[[], bool] = lambda: False) -> None:
        """Archive all events of the file that are not archived yet; it is whole then, unless it `is_cut` short.

        Raises ArchiveBusy, ArchiveFull and ArchiveError; what was archived before stays, and is not archived again.
        """
        number = 0
        for number, event in enumerate(events, 1):
            if number > self._begin:
                self._add(number, event)
        self._write(number, witness="" if is_cut() else WHOLE)

    def _add(self, number: int, event: NewEvent) -> None:
        found = normalize_json(event.raw, now=self._clock())
        if self._suppressed and any(person_key(each) in self._suppressed for each in _persons_of(found.event)):
            self.result = self.result._replace(suppressed=self.result.suppressed + 1)
            return
        time_of_event = found.event.get("timestamp")
        received_at = time_of_event if type(time_of_event) is str else iso(self._clock())
        row = row_of(found, event.source, event.message_id, received_at)
        self._days.add(day_of(row))
        self._rows.append(row)
        self._bytes += len(event.raw)
        if len(self._rows) >= self._most_events or self._bytes >= MOST_BYTES or len(self._days) >= MOST_DAYS:
            self._write(number, witness="")

    def _write(self, number: int, witness: str) -> None:
        """Write the rows that were read, up to an event of the file."""
        if number < self._begin:  # cut short within what was archived before
            return
        seen = self._catalog.erasures()
        while not write(
            self._catalog,
            self._rows,
            self._origin,
            number,
            erasures_seen=seen,
            now=self._clock(),
            since=self._since if self._origin else None,
            witness=witness,
            reached=self._reached,
        ):
            if self._origin and self._catalog.position(self._origin) != self._since:
                raise ArchiveBusy("Another process imports the same file. Nothing was archived twice; let it finish.")
            seen = self._catalog.erasures()  # somebody else was erased: a file is imported as it is
        self.result = self.result._replace(new=self.result.new + len(self._rows))
        self._forget_batch(number)

    def _forget_batch(self, number: int) -> None:
        self._rows: list[ArchiveRow] = []
        self._days: set[str] = set()
        self._bytes = 0
        self._since = max(number, self._since)


def _persons_of(event: JsonObject) -> Iterator[str]:
    """Yield what an event calls the person that it is about; one with a userId is not judged by device or email."""
    user = id_text(event, "userId")
    yield from filter(None, (user, id_text(event, "previousId")))
    if not user:
        yield from filter(None, (id_text(event, "anonymousId"), *emails_of(event)))
