"""Questions to an archive in SQL: three views over its files, locked down for queries of strangers, with bounds.

`opened` reads an archive, `memory` events that are given; both have the same views by the same rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.archive import identity, people, views
from engine.archive.catalog import ArchiveBusy, ArchiveError, ArchiveFile, Catalog, Snapshot
from engine.archive.columns import row_of, table_of
from engine.archive.connecting import QueryLimits, connected, spill_folder
from engine.archive.relations import People
from engine.archive.untrusted import QueryError, SqlFault, fault_of, fault_of_error, lock_down
from engine.events.normalizing import normalize
from engine.records import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LIMITS = QueryLimits()
UNREADABLE = "A file of {directory} cannot be read: {reason}. `engine archive check` finds and leaves out such files."
BATCH = 10_000
"""Rows of a result that are in memory at once."""


class ArchiveConnection:
    """A connection with the views `events users groups`; for one thread. Nothing that it is asked changes them."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        limits: QueryLimits,
        warnings: Sequence[str] = (),
        paths: Sequence[Path] = (),
        left_out: Sequence[str] = (),
    ) -> None:
        self._connection, self._paths = connection, paths
        self.limits = limits
        self.warnings = tuple(warnings)
        """What the answers leave out, and why."""
        self.left_out = tuple(left_out)
        """Those of them that are about files which cannot be read."""

    def execute(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> DuckDBPyConnection:
        """Run SQL of our own, with parameters, and return its result; ended after the limit's seconds."""
        with self._bounded(sql, self._connection):
            return self._connection.execute(sql, parameters)

    def read(self, sql: str) -> pa.RecordBatchReader:
        """Return the rows of SQL of our own without parameters, such as of a table made before, a batch at a time."""
        with self._bounded(sql, self._connection):
            return self._connection.sql(sql).to_arrow_reader(BATCH)

    def check(self, sql: str) -> SqlFault | None:
        """Return what is wrong with a query of a stranger, without running it."""
        return fault_of(sql)

    def query(self, sql: str) -> pa.RecordBatchReader:
        """Run a query of a stranger; its rows are computed while they are read.

        Columns of the type JSON are texts; the metadata of their fields says `type: JSON`.
        Raises QueryError: at once for a query that is not allowed or does not fit the views, and while rows are read
        when it fails, takes too long, or has more rows than the limit.
        """
        import pyarrow as pa

        fault = fault_of(sql)
        if fault is not None:
            raise QueryError(fault)
        cursor = self._connection.cursor()  # of its own: rows that nobody reads must not hold up what comes next
        with self._bounded(sql, cursor):
            relation = cursor.sql(sql)
            reader = relation.to_arrow_reader(BATCH)
        kinds = [{"type": "JSON"} if str(each) == "JSON" else None for each in relation.types]
        marked = pa.schema([field.with_metadata(kind) for field, kind in zip(reader.schema, kinds, strict=True)])
        batches = (
            pa.RecordBatch.from_arrays(each.columns, schema=marked) for each in self._batches(sql, cursor, reader)
        )
        return pa.RecordBatchReader.from_batches(marked, batches)

    def _batches(self, sql: str, cursor: DuckDBPyConnection, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        rows = 0
        with self._bounded(sql, cursor):
            for batch in reader:
                rows += batch.num_rows
                if rows > self.limits.rows:
                    raise QueryError(SqlFault(f"the result has more than {self.limits.rows:,} rows; add a LIMIT"))
                yield batch

    def _worded(self, error: Exception, sql: str) -> QueryError:
        """Return the error of a query; one about a file of the archive says so."""
        gone = [path for path in self._paths if not path.exists()]
        if gone:
            return QueryError(SqlFault(f"{gone[0]} was replaced while the query began; try again"), vanished=True)
        named = next((path for path in self._paths if path.name in str(error)), None)
        if named is not None:
            return QueryError(
                SqlFault(f"{named} cannot be read; `engine archive check` finds and leaves out such files")
            )
        return QueryError(fault_of_error(error, sql))

    @contextmanager
    def _bounded(self, sql: str, connection: DuckDBPyConnection) -> Iterator[None]:
        """End what runs inside after the limit's seconds, and word its errors."""
        import duckdb

        timer = threading.Timer(self.limits.seconds, connection.interrupt)
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
            raise self._worded(error, sql) from error
        finally:
            timer.cancel()


@contextmanager
def opened(archive: Path, limits: QueryLimits = LIMITS, *, refresh: bool = True) -> Iterator[ArchiveConnection]:
    """Open the views over an archive as it is now; `refresh` brings users up to its last event first.

    Files that cannot be read are left out; `warnings` names them.  Raises ArchiveError.
    """
    import duckdb

    with Catalog.open(archive) as catalog:
        warnings: list[str] = []
        found = _refreshed(catalog, limits, warnings) if refresh else people.known(catalog)
        snapshot = catalog.snapshot()
    files, left_out = _readable(archive, snapshot)
    warnings += left_out
    if found.row < snapshot.last_row and not refresh:
        warnings.append("The newest events are left out: users were not brought up to date with them.")
    with spill_folder(archive) as spill, connected(limits, spill) as connection:
        relations = {name: found.relation(archive, name) for name in people.DERIVED}
        try:
            for statement in views.statements(people.events(archive, files), relations, found.row):
                connection.execute(statement)
        except duckdb.Error as error:
            raise ArchiveError(UNREADABLE.format(directory=archive, reason=str(error).partition("\n")[0])) from error
        paths = [archive / each.path for each in files] + found.paths(archive, people.DERIVED)
        lock_down(connection, [str(path.absolute()) for path in paths])
        yield ArchiveConnection(connection, limits, warnings, paths, left_out)


def _refreshed(catalog: Catalog, limits: QueryLimits, warnings: list[str]) -> People:
    """Return what is known of users up to now; what was known before if another process keeps it from being renewed."""
    try:
        return people.refresh(catalog, limits)
    except ArchiveBusy as busy:
        before = people.known(catalog)
        if not before.files:
            raise
        warnings.append(f"The newest events are left out. {busy}")
        return before


def _readable(archive: Path, snapshot: Snapshot) -> tuple[list[ArchiveFile], list[str]]:
    """Return the files that look whole, and words for those that do not, or were marked before."""
    faults = {each.path: each.damaged for each in snapshot.damaged}
    faults |= {each.path: fault for each in snapshot.files if (fault := people.fault_of_file(archive, each))}
    words = [
        f"{archive / path} is left out: {fault}. `engine archive check` says more." for path, fault in faults.items()
    ]
    return [each for each in snapshot.files if each.path not in faults], words


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
        connection.execute("CREATE TABLE archived AS SELECT *, received_at::DATE AS day FROM given")
        connection.unregister("given")
        _learn(connection)
        for statement in views.statements("archived", {name: f"known_{name}" for name in identity.LEARNED}):
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
    for name, learned in identity.LEARNED.items():
        connection.execute(f"CREATE TABLE known_{name} AS FROM {learned}")
