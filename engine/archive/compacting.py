"""Small files of a day become large ones, and old days are removed.

Rows keep their numbers, so that what refers to rows (users, duplicates) stays true.  Each group of files is one step
under the maintenance lock, sorted by DuckDB within a bound of memory and read from there a part at a time.  A file that
cannot be read is marked as damaged and left as it is; one of an older schema gets the columns that it lacks, empty.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.archive import people
from engine.archive.catalog import ArchiveError, ArchiveFile, Catalog
from engine.archive.columns import COLUMNS, schema
from engine.archive.connecting import in_memory
from engine.archive.writing import ROW_GROUP, Hook, fault_of, ignored, unlink_files, write_file

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1_000_000
MOST_BYTES = 256 * 1024 * 1024
"""Rows and bytes of a file that compaction makes, at most."""
SMALL = 2
"""A file is compacted while it has less than one part in this many of both."""
MEMORY = "256MB"
"""What DuckDB may use for sorting; more than that goes to the disk, into the archive's folder `spill`."""
SPILL = "8GB"
PART = 32 * 1024 * 1024
"""Bytes of rows that are in memory between reading and writing."""
SPILL_FOLDER = "spill/compacting"


class Compacted(NamedTuple):
    """What compaction and retention did."""

    replaced: int = 0
    made: int = 0
    removed: int = 0
    """Files of days that were too old."""
    removed_rows: int = 0
    damaged: int = 0

    def plus(self, other: Compacted) -> Compacted:
        """Return the sums."""
        return Compacted(*(one + two for one, two in zip(self, other, strict=True)))


def groups(files: Sequence[ArchiveFile]) -> list[list[ArchiveFile]]:
    """Return which files become one: small ones of the same day, in the order of their rows.  Pure."""
    small = [each for each in files if each.rows < MOST_ROWS // SMALL and each.bytes < MOST_BYTES // SMALL]
    found: list[list[ArchiveFile]] = []
    for _, of_day in groupby(sorted(small, key=lambda each: (each.day, each.first_row)), lambda each: each.day):
        group: list[ArchiveFile] = []
        for each in of_day:
            group.append(each)
            if sum(one.rows for one in group) > MOST_ROWS or sum(one.bytes for one in group) > MOST_BYTES:
                found.append(group[:-1])
                group = [each]
        found.append(group)
    return [group for group in found if len(group) > 1]


def compact(catalog: Catalog, now: float, *, reached: Hook = ignored) -> Iterator[Compacted]:
    """Compact what is worth it, and remove files that were replaced long enough ago; one group after the other.

    Yields after each group, so that the caller may end in between.  Raises ArchiveBusy, ArchiveFull and ArchiveError.
    """
    with catalog.maintenance():
        catalog.remove_replaced(now)
    for group in groups(catalog.snapshot().files):
        with catalog.maintenance():
            yield _compact_group(catalog, group, now, reached)


def _compact_group(catalog: Catalog, group: Sequence[ArchiveFile], now: float, reached: Hook) -> Compacted:
    whole = [each for each in group if not _is_damaged(catalog, each, full=False)]
    damaged = len(group) - len(whole)
    if len(whole) < 2:  # nothing to put together
        return Compacted(damaged=damaged)
    try:
        made = merged(catalog.directory, whole, now, reached)
    except NotMerged:
        found = sum(_is_damaged(catalog, each, full=True) for each in whole)
        if not found:
            raise
        return Compacted(damaged=damaged + found)
    if not catalog.replace(whole, [made], now):
        unlink_files(catalog, [made])
        return Compacted(damaged=damaged)
    return Compacted(replaced=len(whole), made=1, damaged=damaged)


def _is_damaged(catalog: Catalog, file: ArchiveFile, *, full: bool) -> bool:
    """Mark a file as damaged if it is; with `full`, read all of it."""
    path = catalog.directory / file.path
    reason = read_fault(path, file) if full else fault_of(path)
    if reason:
        catalog.mark_damaged(file.path, reason)
    return bool(reason)


class NotMerged(ArchiveError):  # noqa: N818  it says what happened
    """Files could not be put together: one is damaged, or there is no room for sorting them."""


def merged(directory: Path, files: Sequence[ArchiveFile], now: float, reached: Hook = ignored) -> ArchiveFile:
    """Write the rows of files of one day into a new one, which does not count yet.

    Raises NotMerged, ArchiveFull and ArchiveError.
    """
    import duckdb
    import pyarrow as pa

    def rows(spill: Path) -> Iterator[pa.Table]:
        try:
            yield from _sorted(directory, files, spill)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0][:200]
            raise NotMerged(f"The files of {files[0].day} in {directory} could not be compacted: {reason}") from error

    with _spill_folder(directory) as spill:
        return write_file(directory, files[0].day, rows(spill), now, reached)


def _sorted(directory: Path, files: Sequence[ArchiveFile], spill: Path) -> Iterator[pa.Table]:
    """Yield the rows of files sorted by timestamp, in tables that become one row group each."""
    import pyarrow as pa

    wanted = schema()
    with in_memory({}) as db:
        for name, value in {
            "memory_limit": MEMORY,
            "threads": 1,
            "temp_directory": str(spill),
            "max_temp_directory_size": SPILL,
            "preserve_insertion_order": False,
            "TimeZone": "UTC",
        }.items():
            db.execute(f"SET {name} = ?", [value])
        db.register("empty", wanted.empty_table())
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        query = (
            f"SELECT {names} FROM (SELECT * FROM empty UNION ALL BY NAME "  # noqa: S608  names of columns, above
            "SELECT * FROM read_parquet($paths, union_by_name = true, hive_partitioning = false)) "
            'ORDER BY "timestamp", "row"'
        )
        found = db.sql(query, params={"paths": [str(directory / each.path) for each in files]})
        part: list[pa.RecordBatch] = []
        batches: pa.RecordBatchReader = found.to_arrow_reader(10_000)
        for batch in batches:
            part.append(batch)
            if sum(each.num_rows for each in part) >= ROW_GROUP or sum(each.nbytes for each in part) >= PART:
                yield pa.Table.from_batches(part).cast(wanted)
                part = []
        if part:
            yield pa.Table.from_batches(part).cast(wanted)


@contextmanager
def _spill_folder(directory: Path) -> Iterator[Path]:
    """Make a folder for what does not fit into memory, empty it before, and remove it: it has events in it."""
    folder = directory / SPILL_FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_fault(path: Path, file: ArchiveFile) -> str:
    """Return why a file is damaged, '' if it is not; reads all of it, a part at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if reason := fault_of(path):
        return reason
    rows = 0
    try:
        with pq.ParquetFile(path) as reader:
            for batch in reader.iter_batches(10_000):
                rows += batch.num_rows
                numbers = pc.min_max(batch.column("row")).as_py()
                if batch.num_rows and not file.first_row <= numbers["min"] <= numbers["max"] <= file.last_row:
                    return f"it has rows outside {file.first_row} to {file.last_row}"
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        return str(error).splitlines()[0][:200]
    return "" if rows == file.rows else f"it has {rows} rows instead of {file.rows}"


def check(catalog: Catalog) -> Iterator[tuple[ArchiveFile, str]]:
    """Read every file that counts; yield it with why it is damaged, '' if it is not, and mark it accordingly.

    A file that was marked before and can be read again, because it was restored, counts again.
    """
    found = catalog.snapshot()
    for each in sorted((*found.files, *found.damaged)):
        reason = read_fault(catalog.directory / each.path, each)
        if reason != each.damaged and catalog.lists(each.path):  # compaction may have replaced it meanwhile
            catalog.mark_damaged(each.path, reason)
            yield each, reason
        else:
            yield each, each.damaged


def forget_damaged(catalog: Catalog, now: float) -> int:
    """Remove the files that are marked as damaged, for good; return how many. Raises ArchiveBusy and ArchiveError."""
    with catalog.maintenance():
        found = catalog.snapshot().damaged
        return len(found) if found and catalog.replace(found, [], now) else 0


def remove_old(catalog: Catalog, keep: float, now: float) -> Compacted:
    """Remove the days that ended more than `keep` seconds ago; raises ArchiveBusy and ArchiveError.

    A clock that is wrong must not empty an archive: what is too old is counted from the newest day in it, if that is
    before now.  What is known of users only by these days is forgotten with them.
    """
    with catalog.maintenance():
        found = catalog.snapshot()
        files = (*found.files, *found.damaged)
        first = first_day_kept(max((each.day for each in files), default=""), keep, now)
        old = [each for each in files if each.day < first]
        if not old:
            return Compacted()
        people.start_over(catalog, now)  # first: users never show what only removed events said
        if not catalog.replace(old, [], now):
            return Compacted()
    return Compacted(removed=len(old), removed_rows=sum(each.rows for each in old))


def first_day_kept(newest: str, keep: float, now: float) -> str:
    """Return the first day of which something is younger than `keep` seconds; '' if all are.  Pure."""
    if not newest:
        return ""
    end_of_newest = datetime.fromisoformat(newest).replace(tzinfo=UTC) + timedelta(days=1)
    return (min(datetime.fromtimestamp(now, UTC), end_of_newest) - timedelta(seconds=keep)).date().isoformat()
