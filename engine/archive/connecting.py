"""DuckDB, always in memory and within limits; files of Parquet as relations of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.archive import identity

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPILL = "spill"
_OURS = "query-"


class QueryLimits(NamedTuple):
    """What one query may use: memory of DuckDB, threads, seconds, rows of its result, and disk to spill to."""

    memory: str = "1GB"
    threads: int = 2
    seconds: float = 300.0
    rows: int = 10_000_000
    spill: str = "8GB"


def in_memory(config: dict[str, Any]) -> DuckDBPyConnection:
    """Open a DuckDB in memory; all of ours are opened here, since each prints a progress bar unless that is off."""
    import duckdb

    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection


@contextmanager
def connected(limits: QueryLimits, spill: str = "") -> Iterator[DuckDBPyConnection]:
    """Open DuckDB in memory, within limits, with the macros of identity; `spill` is a directory, '' for none."""
    connection = in_memory(
        {
            "memory_limit": limits.memory,
            "threads": limits.threads,
            "temp_directory": spill,
            "max_temp_directory_size": limits.spill,
            "preserve_insertion_order": False,
        }
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        identity.prepare(connection)
        yield connection
    finally:
        connection.close()


@contextmanager
def spill_folder(archive: Path) -> Iterator[str]:
    """Make a folder in an archive that DuckDB may spill to; it is gone afterwards, and so is what killed ones left.

    Each is locked as long as its process lives.  That of compaction belongs to who holds the maintenance lock.
    """
    parent = archive / SPILL
    parent.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        with _locked(parent, wait=True):  # nobody takes a folder that is not locked yet for one that was left
            for left in parent.glob(f"{_OURS}*"):
                with suppress(OSError), _locked(left):
                    shutil.rmtree(left, ignore_errors=True)
            path = held.enter_context(TemporaryDirectory(prefix=_OURS, dir=parent, ignore_cleanup_errors=True))
            held.enter_context(_locked(Path(path)))
        yield path


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which the system lets go when the process ends; raises OSError if it is held."""
    import fcntl

    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(number)


def parquet(paths: Sequence[Path], columns: str, *, by_day: bool = False) -> str:
    """Return SQL of a relation of the rows in Parquet files; `columns` are its names and types if there is no file.

    `by_day`: the files are in folders such as `day=2026-11-29`, and may lack columns that are new.
    """
    if not paths:
        named = ", ".join(_empty(each.strip()) for each in columns.split(","))
        return f"(SELECT {named} WHERE false)"
    files = ", ".join(map(quoted, paths))
    days = ", union_by_name = true, hive_partitioning = true, hive_types = {'day': DATE}" if by_day else ""
    return f"read_parquet([{files}]{days})"


def _empty(column: str) -> str:
    name, _, kind = column.partition(" ")
    return f"NULL::{kind} AS {name}"


def quoted(path: Path) -> str:
    """Return a path as a text of SQL."""
    return "'" + str(path.absolute()).replace("'", "''") + "'"
