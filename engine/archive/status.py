"""How an archive stands: what is in it, what could not be read, and how far behind its outboxes it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.archive.catalog import ArchiveFile, Catalog
from engine.archive.following import GAPS, origin_of
from engine.delivery.outbox.reading import events_behind

OUTBOX = "outbox:"


class ArchiveStatus(NamedTuple):
    """What is in an archive; times are microseconds since 1970, None where there is no event.

    `gaps` are events that left an outbox before they were archived. `replaced` counts files that only queries that run
    may still read.
    """

    events: int
    invalid: int
    days: int
    files: int
    bytes: int
    first: int | None
    last: int | None
    damaged: tuple[ArchiveFile, ...]
    gaps: int
    last_row: int


def archive_status(catalog: Catalog) -> ArchiveStatus:
    """Return how it stands now."""
    found = catalog.snapshot()
    files = found.files
    return ArchiveStatus(
        events=sum(each.rows for each in files),
        invalid=sum(each.invalid for each in files),
        days=len({each.day for each in files}),
        files=len(files),
        bytes=sum(each.bytes for each in files),
        first=min((each.first_timestamp for each in files), default=None),
        last=max((each.last_timestamp for each in files), default=None),
        damaged=found.damaged,
        gaps=int(catalog.get(GAPS) or 0),
        last_row=found.last_row,
    )


def behind(catalog: Catalog, outbox: Path) -> int:
    """Return how many events of an outbox are not archived yet, about; raises OutboxError and UsageError."""
    return events_behind(outbox, catalog.position(origin_of(outbox)))


def followed_outboxes(catalog: Catalog) -> list[Path]:
    """Return the outboxes that were archived here."""
    return [Path(origin.removeprefix(OUTBOX)) for origin in catalog.places() if origin.startswith(OUTBOX)]
