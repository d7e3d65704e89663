"""Questions to an archive in SQL: three views over its files, locked down for queries of strangers, with bounds.

`opened` reads an archive, `memory` events that are given; both have the same views by the same rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from engine.archive import identity, views
from engine.archive.columns import row_of, table_of
from engine.archive.untrusted import QueryError, SqlFault, fault_of, fault_of_error, lock_down
from engine.events.normalizing import normalize
from engine.records import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

BATCH = 10_000
"""Rows of a result that are in memory at once."""


class QueryLimits(NamedTuple):
    """What one query may use: memory of DuckDB, threads, seconds, rows of its result, and disk to spill to."""

    memory: str = "1GB"
    threads: int = 2
    seconds: float = 300.0
    rows: int = 10_000_000
    spill: str = "8GB"


class ArchiveConnection:
    """A connection with the views `events users groups`; for one thread. Nothing that it is asked changes them."""

    def __init__(self, connection: DuckDBPyConnection, limits: QueryLimits, warnings: Sequence[str] = ()) -> None:
        self._connection = connection
        self.limits = limits
        self.warnings = tuple(warnings)
        """What the answers leave out, and why."""

    def execute(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> DuckDBPyConnection:
        """Run SQL of our own, with parameters, and return its result; ended after the limit's seconds."""
        with self._bounded(sql):
            return self._connection.execute(sql, parameters)

    def check(self, sql: str) -> SqlFault | None:
        """Return what is wrong with a query of a stranger, without running it."""
        return fault_of(sql)

    def query(self, sql: str) -> pa.RecordBatchReader:
        """Run a query of a stranger; its rows are computed while they are read.

        Raises QueryError: at once for a query that is not allowed or does not fit the views, and while rows are read
        when it fails, takes too long, or has more rows than the limit.
        """
        import pyarrow as pa

        fault = fault_of(sql)
        if fault is not None:
            raise QueryError(fault)
        with self._bounded(sql):
            reader = self._connection.sql(sql).to_arrow_reader(BATCH)
        return pa.RecordBatchReader.from_batches(reader.schema, self._batches(sql, reader))

    def _batches(self, sql: str, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        rows = 0
        with self._bounded(sql):
            for batch in reader:
                rows += batch.num_rows
                if rows > self.limits.rows:
                    raise QueryError(SqlFault(f"the result has more than {self.limits.rows:,} rows; add a LIMIT"))
                yield batch

    @contextmanager
    def _bounded(self, sql: str) -> Iterator[None]:
        """End what runs inside after the limit's seconds, and word its errors."""
        import duckdb

        timer = threading.Timer(self.limits.seconds, self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except duckdb.InterruptException as error:
            seconds = f"the query was ended after {self.limits.seconds:g} seconds"
            raise QueryError(SqlFault(f"{seconds}; ask for less, such as fewer days")) from error
        except duckdb.OutOfMemoryException as error:
            advice = "ask for less, or allow more memory"
            raise QueryError(SqlFault(f"the query needs more than {self.limits.memory} of memory; {advice}")) from error
        except (duckdb.Error, OSError) as error:
            raise QueryError(fault_of_error(error, sql)) from error
        finally:
            timer.cancel()


@contextmanager
def memory(events: Sequence[Json], now: float) -> Iterator[ArchiveConnection]:
    """Open the views over events that are given in the order of their arrival, received at `now` (Unix seconds).

    Events without a messageId get one that no other has. What is not a JSON object is an invalid event.
    """
    limits = QueryLimits(memory="200MB", threads=1, seconds=10.0, rows=100_000)
    received_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    rows = []
    for number, event in enumerate(events, 1):
        message_id = event.get("messageId") if isinstance(event, dict) else None
        found = normalize(event, received_at=received_at, now=now)
        name = message_id if isinstance(message_id, str) else f"event {number}"
        rows.append(row_of(found, "examples", name, received_at))
    with connected(limits) as connection:
        given = table_of(rows, 1)
        connection.register("given", given)
        connection.execute("CREATE TEMP TABLE archived AS SELECT *, received_at::DATE AS day FROM given")
        connection.unregister("given")
        _learn(connection)
        for statement in views.statements("archived", identity.TABLES):
            connection.execute(statement)
        lock_down(connection, [])
        yield ArchiveConnection(connection, limits)


def _learn(connection: DuckDBPyConnection) -> None:
    connection.execute(
        """
        CREATE TEMP TABLE duplicates AS SELECT row FROM (
            SELECT row, min(row) OVER (PARTITION BY source, message_id) AS first FROM archived WHERE type IS NOT NULL
        ) WHERE row > first
        """
    )
    connection.execute(
        "CREATE TEMP VIEW fresh AS SELECT * FROM archived WHERE type IS NOT NULL AND row NOT IN (FROM duplicates)"
    )
    identity.learn(connection)


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
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        identity.prepare(connection)
        yield connection
    finally:
        connection.close()
