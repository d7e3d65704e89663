"""Shards: Parquet files of events that are ready to be fed, read side by side in the order of their times.

All events of a user are in one shard, so the order within a shard is all that a user's events need. Reading the shards
in one common order besides means that one that is large does not run behind the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from engine.backfill.work import DAMAGED_SHARD, SHARDS, BackfillError, Shard
from engine.records import Report

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

COLUMNS = ("at", "message_id", "raw", "reports")
"""Unix seconds or null; text; JSON; null or a JSON list of reports."""

ROWS = 128
"""Rows of a shard that are in memory at a time, with their group of at most GROUP_BYTES."""

GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of a row group, so that many shards can be read side by side."""

CHANGED = "it is not the one that was planned"


class ShardRow(NamedTuple):
    """An event that is ready to be fed: `at` in Unix seconds, infinite without a time; `raw` is its JSON."""

    at: float
    shard: int
    message_id: str
    raw: bytes
    reports: tuple[Report, ...] = ()


def found_shards(folder: Path) -> list[Shard]:
    """Return the shards in a work folder, in a fixed order; raises BackfillError for one that is not whole."""
    files = sorted((folder / SHARDS).rglob("*.parquet"))
    return [Shard(str(file.relative_to(folder)), _opened(folder, file).metadata.num_rows) for file in files]


def merged(folder: Path, shards: Sequence[Shard], begin: Sequence[int]) -> Iterator[ShardRow]:
    """Yield the rows of all shards behind those that were fed, by time; what has no time comes last.

    `begin` is how many rows of each shard were fed. Raises BackfillError for a shard that is damaged.
    """
    with ExitStack() as stack:
        each = []
        for number, (shard, done) in enumerate(zip(shards, begin, strict=True)):
            file = stack.enter_context(_opened(folder, folder / shard.path))
            if file.metadata.num_rows != shard.rows or not {*COLUMNS} <= {*file.schema_arrow.names}:
                raise _damaged(folder, folder / shard.path, ValueError(CHANGED))
            each.append(_rows(file, number, done, folder, folder / shard.path))
        yield from heapq.merge(*each, key=lambda row: row[:2])


def _opened(folder: Path, file: Path) -> ParquetFile:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file, pre_buffer=False, buffer_size=64 * 1024)
    except (ArrowException, OSError) as error:
        raise _damaged(folder, file, error) from error


def _damaged(folder: Path, file: Path, error: Exception) -> BackfillError:
    return BackfillError(DAMAGED_SHARD.format(file=file, folder=folder, error=str(error).strip().rstrip(".")))


def _rows(file: ParquetFile, number: int, done: int, folder: Path, path: Path) -> Iterator[ShardRow]:
    from pyarrow import ArrowException

    groups, skipped = _groups_behind(file, done)
    skip = done - skipped
    try:
        for batch in file.iter_batches(ROWS, row_groups=groups, columns=list(COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            for at, message_id, raw, reports in zip(*(each[skip:] for each in columns), strict=True):
                yield ShardRow(inf if at is None else at, number, message_id, raw, _reports(reports))
            skip = max(0, skip - batch.num_rows)
    except (ArrowException, OSError, ValueError, TypeError) as error:
        raise _damaged(folder, path, error) from error


def _groups_behind(file: ParquetFile, done: int) -> tuple[list[int], int]:
    """Return the row groups that are not wholly fed, and how many rows are in those before them."""
    skipped = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if skipped + rows > done:
            return list(range(group, file.num_row_groups)), skipped
        skipped += rows
    return [], skipped


def _reports(text: str | None) -> tuple[Report, ...]:
    if text is None:
        return ()
    found: list[list[Any]] = orjson.loads(text)
    return tuple(Report(*each) for each in found)
