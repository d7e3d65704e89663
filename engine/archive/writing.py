"""Rows become Parquet files, one for each day, and the catalog lists them: all of a batch, or nothing.

A file gets its name once its content is on the disk, and counts once the catalog lists it.  A crash before that leaves
files that nothing lists; `remove_orphans` removes them.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.archive.catalog import EVENTS, ArchiveBusy, ArchiveError, ArchiveFile, Catalog
from engine.archive.columns import METADATA_KEY, SCHEMA_VERSION, ArchiveRow, by_day, numbered, unnumbered
from engine.files import sync_to_disk

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Hook: TypeAlias = "Callable[[str], None]"
"""Called when a step was reached: `written`, `renamed`, `listed`; tests stop or fail there."""

ROW_GROUP = 100_000
TEMPORARY = ".tmp-"
_STATISTICS = [
    *("row", "source", "message_id", "type", "user_id", "anonymous_id", "event", "name", "timestamp", "received_at"),
]
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ArchiveFull(ArchiveError):  # noqa: N818  it says what happened
    """No space is left for the files; nothing was changed."""


def ignored(_step: str) -> None:
    """Do nothing: the hook of all but tests."""


def write(  # noqa: PLR0913  what is stored, and what must not have changed meanwhile
    catalog: Catalog,
    rows: Sequence[ArchiveRow] | pa.Table,
    origin: str,
    position: int,
    *,
    erasures_seen: int,
    now: float,
    since: int | None = None,
    witness: str = "",
    reached: Hook = ignored,
) -> bool:
    """Archive a batch, and move the position of its origin; takes the writer lock.  A table has no `row` yet.

    False if it was not added, as `Catalog.add` says.  Raises ArchiveBusy, ArchiveFull and ArchiveError; the archive is
    as it was then.
    """
    events = unnumbered(rows) if isinstance(rows, Sequence) else rows
    with catalog.writer():
        files = []
        try:
            first = catalog.next_rows(events.num_rows)
            for day, found in by_day(events):
                files.append(write_file(catalog.directory, day, [numbered(found, first)], now, reached))
                first += found.num_rows
            added = catalog.add(files, origin, position, erasures_seen=erasures_seen, since=since, witness=witness)
        except BaseException:
            unlink_files(catalog, files)
            raise
        if not added:
            unlink_files(catalog, files)
        reached("listed")
    return added


def write_file(
    directory: Path, day: str, tables: Sequence[pa.Table] | Iterator[pa.Table], now: float, reached: Hook = ignored
) -> ArchiveFile:
    """Write tables of events, together sorted by timestamp and not empty, into one new file of a day.

    The file is on the disk when this returns, and does not count yet: the caller lists it by `Catalog.add` or
    `Catalog.replace`.  Raises ArchiveFull and ArchiveError, and leaves nothing behind then.
    """
    folder = directory / EVENTS / f"day={day}"
    path = temporary = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        totals = _write_tables(temporary, tables)
        reached("written")
        size = temporary.stat().st_size
        path = folder / f"{totals.first_row}-{totals.last_row}-{secrets.token_hex(4)}.parquet"
        temporary.rename(path)
        sync_to_disk(folder)
        reached("renamed")
    except BaseException as error:
        for each in (temporary, path):
            with suppress(OSError):
                each.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _raised(directory, error) from error
        raise
    return totals.file(f"{EVENTS}/day={day}/{path.name}", day, size, now)


class _Totals:
    """What the catalog must know of the rows of a file."""

    def __init__(self) -> None:
        self.rows = self.invalid = 0
        self.first_row = self.first_timestamp = 2**63 - 1
        self.last_row = self.last_timestamp = -(2**63)

    def add(self, table: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = pc.min_max(table["row"]).as_py()
        times = pc.min_max(table["timestamp"].cast(pa.int64())).as_py()
        self.rows += table.num_rows
        self.invalid += table["type"].null_count
        self.first_row, self.last_row = min(self.first_row, numbers["min"]), max(self.last_row, numbers["max"])
        self.first_timestamp = min(self.first_timestamp, times["min"])
        self.last_timestamp = max(self.last_timestamp, times["max"])

    def file(self, path: str, day: str, size: int, now: float) -> ArchiveFile:
        numbers, times = (self.first_row, self.last_row), (self.first_timestamp, self.last_timestamp)
        return ArchiveFile(path, day, *numbers, self.rows, self.invalid, size, *times, now)


def _write_tables(path: Path, tables: Sequence[pa.Table] | Iterator[pa.Table]) -> _Totals:
    totals = _Totals()
    with open(path, "xb", opener=_owner_only) as file:
        writer: pq.ParquetWriter | None = None
        try:
            for table in tables:
                writer = writer or _parquet_writer(file, table.schema)
                writer.write_table(table, row_group_size=ROW_GROUP)
                totals.add(table)
        finally:
            if writer is not None:
                writer.close()
        file.flush()
        os.fsync(file.fileno())
    return totals


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _parquet_writer(file: object, schema: pa.Schema) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(file, schema, compression="zstd", write_statistics=_STATISTICS)


def _raised(directory: Path, error: OSError) -> ArchiveError:
    if error.errno in _NO_SPACE:
        return ArchiveFull(f"No space left on the disk of {directory}. The archive is whole; free some space.")
    return ArchiveError(f"{directory} cannot be written ({(error.strerror or str(error)).lower()}).")


def unlink_files(catalog: Catalog, files: Sequence[ArchiveFile]) -> None:
    """Remove files that were written and shall not count."""
    for each in files:
        with suppress(OSError):
            (catalog.directory / each.path).unlink()


def remove_orphans(catalog: Catalog) -> int:
    """Remove the files of events that the catalog does not list: a writer was killed, or its disk was full.

    Does nothing while another process writes; its next start comes here too.
    """
    with suppress(ArchiveBusy), catalog.writer(0.0), catalog.maintenance(0.0):
        return unlink_orphans(catalog)
    return 0


def unlink_orphans(catalog: Catalog) -> int:
    """Remove the files that the catalog does not list; for who holds both locks."""
    known = catalog.known_paths()
    orphans = [
        path
        for path in (catalog.directory / EVENTS).glob("day=*/*")
        if path.relative_to(catalog.directory).as_posix() not in known
    ]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def fault_of(path: Path) -> str:
    """Return why a file cannot be read as events, '' if it can: it is damaged, missing, or of a newer version.

    Only the footer is looked at; `engine archive check` reads everything.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path)
    except FileNotFoundError:
        return "the file is missing"
    except (OSError, pa.ArrowException) as error:
        return str(error).splitlines()[0][:200]
    version = (found.metadata or {}).get(METADATA_KEY, b"").decode(errors="replace")
    if not version.isdecimal():
        return "it has no events of an archive"
    if int(version[:9]) > SCHEMA_VERSION:
        return f"it has columns of version {version[:9]}; update the engine"
    return ""
