"""DuckDB, always in memory and within limits; files of Parquet as relations of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from engine.archive import identity

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class QueryLimits(NamedTuple):
    """What one query may use: memory of DuckDB, threads, seconds, rows of its result, and disk to spill to."""

    memory: str = "1GB"
    threads: int = 2
    seconds: float = 300.0
    rows: int = 10_000_000
    spill: str = "8GB"


@contextmanager
def connected(limits: QueryLimits, spill: str = "") -> Iterator[DuckDBPyConnection]:
    """Open DuckDB in memory, within limits, with the macros of identity; `spill` is a directory, '' for none."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": limits.memory,
            "threads": limits.threads,
            "temp_directory": spill,
            "max_temp_directory_size": limits.spill,
            "preserve_insertion_order": False,
        },
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        identity.prepare(connection)
        yield connection
    finally:
        connection.close()


@contextmanager
def spill_folder(archive: Path) -> Iterator[str]:
    """Make a folder in an archive that DuckDB may spill to; it is gone afterwards."""
    parent = archive / "spill"
    parent.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as path:
        yield path


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
