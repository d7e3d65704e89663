"""Archives and outboxes made for tests, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from engine.archive.catalog import Catalog
from engine.archive.columns import ArchiveRow, row_of
from engine.archive.writing import write
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.normalizing import normalize_json

NOW = 1_796_000_000.0  # 2026-11-30T00:53:20Z
TODAY = "2026-11-29T12:00:00.000Z"
FOLLOWED = (
    "The archive {} is in use: another process follows its outbox (`engine serve --archive`). Nothing was changed; try "
    "again when it has ended."
)


def event(number: int, **fields: object) -> bytes:
    """Return a track call, number `m1`, `m2`, ..., received at noon."""
    call = {"type": "track", "event": "Order Completed", "userId": f"u{number}", "messageId": f"m{number}"}
    return orjson.dumps({**call, "timestamp": TODAY, "receivedAt": TODAY, **fields})


def row(number: int, **fields: object) -> ArchiveRow:
    """Return the row of such an event."""
    return row_of(normalize_json(event(number, **fields), received_at=TODAY), "web", f"m{number}", TODAY)


def filled(directory: Path, *batches: Sequence[ArchiveRow]) -> Catalog:
    """Return an open archive with a file for each batch, and day in it."""
    catalog = Catalog.open(directory, create=True)
    for rows in batches:
        assert write(catalog, rows, "test", 0, erasures_seen=catalog.erasures(), now=NOW)
    return catalog


def stored(path: Path, *raws: bytes, keep: int = 0, source: str = "web") -> None:
    """Take events into an outbox; `keep` removes all but the last so many."""
    with closing(SqliteOutbox(path)) as outbox:
        if raws:
            events = [NewEvent(source, str(orjson.loads(raw)["messageId"]), TODAY, raw) for raw in raws]
            outbox.take_in(events, [], NOW)
        if keep:
            outbox._db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (keep,))


def archived(catalog: Catalog, *columns: str) -> list[dict]:
    """Return the rows of all files that count, in the order of their numbers."""
    found = []
    for file in catalog.snapshot().files:
        found += pq.read_table(catalog.directory / file.path).to_pylist()
    found.sort(key=lambda each: each["row"])
    return [{name: each[name] for name in columns} if columns else each for each in found]


def ids(catalog: Catalog) -> list[str]:
    """Return the messageIds of all rows, in the order of their numbers."""
    return [each["message_id"] for each in archived(catalog, "message_id")]


def files(directory: Path) -> list[str]:
    """Return the files of events that are on disk."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.glob("events/day=*/*"))
