"""Persons leave an archive: files that hold something of theirs are written again without it, and removed at once.

The number of the erasure is taken first: a batch of the follower that was read before it is not added any more, and all
that was added before it is in the files that are looked at. Under the maintenance lock no compaction runs; what one
replaced, or left behind when it was killed, is removed too. Each file is one step, and looking again finds only what is
left, so an erasing that was killed anywhere is simply done again.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.archive import people
from engine.archive.catalog import ArchiveError, ArchiveFile, Catalog
from engine.archive.columns import OBJECTS, schema
from engine.archive.compacting import SPILL_FOLDER, read_fault
from engine.archive.connecting import QueryLimits, connected, spill_folder
from engine.archive.writing import (
    ROW_GROUP,
    ArchiveFull,
    Hook,
    fault_of,
    ignored,
    unlink_files,
    unlink_orphans,
    write_file,
)
from engine.events.persons import DELETED, PersonIds

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LIMITS = QueryLimits(memory="512MB")
"""What DuckDB may use to find the rows; more than that goes to the disk, into the archive's folder `spill`."""
ABANDONED = 3600.0
"""Seconds after which a folder for spilling is taken for one of a process that was killed."""
TOGETHER = 200
"""Files that one query looks at."""
BATCH = 10_000
PART = 64 * 1024 * 1024
"""Rows that are read at a time, and bytes of them that are in memory between reading and writing."""
_EMAIL = r'"[^"\\@]*@[^"\\]*"'
"""A whole JSON string with an @, as the archive writes it."""
_FIND_EMAIL = re.compile(_EMAIL)
_TEXTS = "concat_ws(' ', " + ", ".join(f'"{name}"' for name in OBJECTS) + ")"
_FILES = "read_parquet($paths, union_by_name = true, hive_partitioning = false, filename = true)"
# What another user did on a person's device is not the person's (`whose` in engine/events/persons.py); only the ID of
# the device goes.
_BY_ID = f"""
    INSERT INTO touched SELECT filename, "row", is_user OR is_previous OR (is_device AND nobody) AS theirs FROM (
        SELECT filename, "row", user_id IS NULL AS nobody,
            coalesce(user_id IN (SELECT id FROM users), false) AS is_user,
            coalesce(previous_id IN (SELECT id FROM either), false) AS is_previous,
            coalesce(anonymous_id IN (SELECT id FROM anonymous), false) AS is_device
        FROM {_FILES}
    ) WHERE is_user OR is_previous OR is_device
"""  # noqa: S608  constants
# Most texts have one email at most, and finding the first one is ten times as fast as finding all.
_BY_EMAIL = f"""
    INSERT INTO touched SELECT DISTINCT filename, "row", false FROM (
        SELECT filename, "row", lower(unnest(
            CASE WHEN texts LIKE '%@%@%' THEN regexp_extract_all(texts, $pattern)
            ELSE [regexp_extract(texts, $pattern)] END
        )) AS email
        FROM (SELECT filename, "row", {_TEXTS} AS texts FROM {_FILES}) WHERE contains(texts, '@')
    ) SEMI JOIN emails USING (email)
"""  # noqa: S608  constants
_ROWS = """
    SELECT "row", bool_or(theirs) AS theirs FROM touched WHERE filename = ? GROUP BY "row"
"""


class Erased(NamedTuple):
    """What was erased: `events` of the persons, `masked` events of others in which an email or device was replaced.

    `files` were written again or removed. `damaged` could not be read, so a person has to remove or restore them.
    """

    events: int = 0
    masked: int = 0
    files: int = 0
    damaged: tuple[str, ...] = ()


def erase(archive: Path, persons: PersonIds, now: float, *, reached: Hook = ignored) -> Erased:
    """Remove all events of persons from an archive; `now` is Unix seconds.

    What an outbox still has of them comes back with its next batch: the caller removes it there first. Users, which
    are derived, are computed anew by the next refresh. Raises ArchiveBusy, ArchiveFull and ArchiveError; doing it again
    goes on with what is left.
    """
    with Catalog.open(archive) as catalog, catalog.maintenance():
        catalog.replace((), (), now, erased=True)
        reached("numbered")
        with catalog.writer():
            unlink_orphans(catalog)
        _empty_spill(archive, now)
        found = catalog.snapshot()
        damaged = [each.path for each in found.damaged]
        total = Erased()
        with _database(archive, persons) as db:
            damaged += _find(catalog, db, found.files)
            for file in found.files:
                if file.path not in damaged:
                    one = _tried(catalog, db, file, persons, now, reached)
                    total, damaged = _added(total, one), [*damaged, *one.damaged]
        catalog.remove_replaced(now, kept_for=0)
        reached("removed")
        people.forget(catalog)
        return total._replace(damaged=tuple(sorted(damaged)))


def _added(one: Erased, other: Erased) -> Erased:
    return Erased(one.events + other.events, one.masked + other.masked, one.files + other.files)


@contextmanager
def _database(archive: Path, persons: PersonIds) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that has the persons' IDs; what is too large for it goes to a folder of its own."""
    import pyarrow as pa

    with spill_folder(archive) as spill, connected(LIMITS, spill) as db:
        db.execute('CREATE TABLE touched (filename VARCHAR, "row" BIGINT, theirs BOOLEAN)')
        for name, column, values in (
            ("users", "id", persons.users),
            ("anonymous", "id", persons.anonymous),
            ("either", "id", persons.users | persons.anonymous),
            ("emails", "email", frozenset(f'"{email}"' for email in persons.emails if "@" in email)),
        ):
            db.register("given", pa.table({column: pa.array(values, pa.string())}))
            db.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608  the names above
            db.unregister("given")
        yield db


def _find(catalog: Catalog, db: duckdb.DuckDBPyConnection, files: Sequence[ArchiveFile]) -> list[str]:
    """Note the rows that are the persons' or mention them; return the files that cannot be read."""
    damaged: list[str] = []
    for start in range(0, len(files), TOGETHER):
        together = files[start : start + TOGETHER]
        bad = _damaged(catalog, together, full=False)
        whole = [each for each in together if each.path not in bad]
        if not _found(db, catalog.directory, whole):
            # The footers were right, but not all that follows from them.
            bad += _damaged(catalog, whole, full=True)
            whole = [each for each in whole if each.path not in bad]
            bad += [each.path for each in whole if not _found(db, catalog.directory, [each])]
        damaged += bad
    return damaged


def _found(db: duckdb.DuckDBPyConnection, directory: Path, files: Sequence[ArchiveFile]) -> bool:
    """Note the rows of files that are touched; False, and none is noted, if one of them cannot be read."""
    import duckdb

    if not files:
        return True
    paths = [str(directory / each.path) for each in files]
    db.execute("BEGIN")
    try:
        db.execute(_BY_ID, {"paths": paths})
        [has_emails] = db.execute("SELECT count(*) > 0 FROM emails").fetchone() or (False,)
        if has_emails:
            db.execute(_BY_EMAIL, {"paths": paths, "pattern": _EMAIL})
        db.execute("COMMIT")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:  # which one depends on what is wrong with the file
        db.execute("ROLLBACK")
        return False
    return True


def _damaged(catalog: Catalog, files: Sequence[ArchiveFile], *, full: bool) -> list[str]:
    found = []
    for each in files:
        path = catalog.directory / each.path
        reason = read_fault(path, each) if full else fault_of(path)
        if reason:
            catalog.mark_damaged(each.path, reason)
            found.append(each.path)
    return found


def _tried(
    catalog: Catalog,
    db: duckdb.DuckDBPyConnection,
    file: ArchiveFile,
    persons: PersonIds,
    now: float,
    reached: Hook,
) -> Erased:
    """Rewrite a file; what cannot be read of it may be in a column that nobody looked at before."""
    import pyarrow as pa

    try:
        return _rewritten(catalog, db, file, persons, now, reached)
    except (ArchiveError, pa.ArrowException) as error:
        if isinstance(error, ArchiveFull) or not _damaged(catalog, [file], full=True):
            raise
        return Erased(damaged=(file.path,))


def _rewritten(
    catalog: Catalog,
    db: duckdb.DuckDBPyConnection,
    file: ArchiveFile,
    persons: PersonIds,
    now: float,
    reached: Hook,
) -> Erased:
    """Put a file without the persons in the place of one that has something of theirs."""
    import pyarrow.compute as pc

    path = catalog.directory / file.path
    touched = db.sql(_ROWS, params=[str(path)]).to_arrow_table()
    if not touched.num_rows:
        return Erased()
    theirs = pc.filter(touched["row"], touched["theirs"])
    masked = pc.filter(touched["row"], pc.invert(touched["theirs"]))
    new = []
    if len(theirs) < file.rows:
        parts = _parts(path, theirs, frozenset(masked.to_pylist()), persons)
        new = [write_file(catalog.directory, file.day, parts, now, reached)]
    if not catalog.replace([file], new, now):
        unlink_files(catalog, new)
        return Erased()
    reached("replaced")
    path.unlink(missing_ok=True)
    return Erased(len(theirs), len(masked), 1)


def _parts(path: Path, theirs: pa.ChunkedArray, masked: frozenset[int], persons: PersonIds) -> Iterator[pa.Table]:
    """Yield the rows that stay, in their order, in tables that become one row group each."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = schema()
    part: list[pa.Table] = []
    with pq.ParquetFile(path) as reader:
        for batch in reader.iter_batches(BATCH):
            table = _as_of_now(pa.Table.from_batches([batch]), wanted)
            table = table.filter(pc.invert(pc.is_in(table["row"], value_set=theirs)))
            part.append(_without(table, masked, persons))
            if sum(each.num_rows for each in part) >= ROW_GROUP or sum(each.nbytes for each in part) >= PART:
                yield pa.concat_tables(part)
                part = []
    left = pa.concat_tables(part) if part else None
    if left is not None and left.num_rows:
        yield left


def _as_of_now(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return a table with the columns of this version: those that an older one lacks are empty."""
    import pyarrow as pa

    names = set(table.schema.names)
    arrays = [
        table[field.name].cast(field.type) if field.name in names else pa.nulls(table.num_rows, field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _without(table: pa.Table, masked: frozenset[int], persons: PersonIds) -> pa.Table:
    """Return the rows of others without the emails and devices of the persons."""
    import pyarrow as pa

    places = [place for place, row in enumerate(table["row"].to_pylist()) if row in masked] if masked else []
    if not places:
        return table
    for name in ("anonymous_id", *OBJECTS):
        values, change = table[name].to_pylist(), _device if name == "anonymous_id" else _text
        for place in places:
            if values[place] is not None:
                values[place] = change(values[place], persons)
        number = table.schema.get_field_index(name)
        table = table.set_column(number, table.schema.field(number), pa.array(values, pa.string()))
    return table


def _device(value: str, persons: PersonIds) -> str | None:
    return None if value in persons.anonymous else value


def _text(value: str, persons: PersonIds) -> str:
    """Return the JSON of another user's event with "(deleted)" for each email that is a whole string of it."""
    return _FIND_EMAIL.sub(
        lambda found: f'"{DELETED}"' if found[0][1:-1].lower() in persons.emails else found[0], value
    )


def _empty_spill(archive: Path, now: float) -> None:
    """Remove what processes that were killed left of rows that did not fit into their memory."""
    shutil.rmtree(archive / SPILL_FOLDER, ignore_errors=True)  # of a compaction, and none runs now
    for folder in (archive / "spill").glob("*"):
        with suppress(OSError):
            if folder.stat().st_mtime < now - ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
