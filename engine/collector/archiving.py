"""What the server knows of its archive: how far behind it is, and what must stay in the outbox for it.

Each question opens the catalog, so that it may be asked in any thread, and so that the archive may be repaired while
the server runs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from engine.archive.catalog import Catalog
from engine.archive.following import origin_of
from engine.archive.status import archive_status, behind
from engine.delivery.intake import iso
from engine.delivery.outbox import looking
from engine.delivery.outbox.reading import OutboxFile
from engine.errors import WaybillError
from engine.records import JsonObject


class ServedArchive:
    """The archive of `engine serve --archive`; raises ArchiveError, OutboxError and UsageError."""

    def __init__(self, directory: Path, outbox: Path) -> None:
        self.directory, self._outbox = directory, outbox

    def behind(self) -> int:
        """Return how many events are not archived yet."""
        with Catalog.open(self.directory) as catalog:
            return behind(catalog, self._outbox)

    def kept_from(self) -> float | None:
        """Return when the first event that is not archived yet was taken in: what came then or later must stay."""
        with Catalog.open(self.directory) as catalog:
            position = catalog.position(origin_of(self._outbox))
        return OutboxFile(self._outbox).look(partial(looking.earliest_after, number=position))

    def status(self) -> JsonObject:
        """Return how it stands as JSON, or why that is not known."""
        try:
            with Catalog.open(self.directory) as catalog:
                found, waiting = archive_status(catalog), behind(catalog, self._outbox)
        except WaybillError as error:
            return {"directory": str(self.directory), "problem": str(error)}
        return {
            "directory": str(self.directory),
            "behind": waiting,
            "events": found.events,
            "invalid": found.invalid,
            "days": found.days,
            "bytes": found.bytes,
            "first": None if found.first is None else iso(found.first / 1_000_000),
            "last": None if found.last is None else iso(found.last / 1_000_000),
            "damaged": [each.path for each in found.damaged],
            "gaps": found.gaps,
        }
