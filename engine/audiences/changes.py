"""Who is in, beside who was sent: two Parquet files become the changes that are sent, in their order.

DuckDB compares them, so 1 M members take about a second and bounded memory. Users are compared by the ID that vendors
know them by, so a user who was merged into another one, or whose person has another name here, is no change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.archive.catalog import ArchiveError
from engine.archive.connecting import in_memory, quoted, spill_folder
from engine.audiences.events import ADDED, ALL, KEPT, MemberChange
from engine.events.ids import NOTHING
from engine.files import sync_to_disk

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LONGEST_ID = 512
"""Characters of an ID; a longer one is no ID of a person, and vendors refuse it."""

MEMORY, THREADS, SPILL = "1GB", 2, "8GB"
BATCH = 50_000
"""Rows that are in memory at a time."""

PACK = 500
"""Changes that are read, and fed, at a time."""

COLUMNS = ("person_id", "user_id", "anonymous_id", "email", "id", "value")
"""Of a members' file and of a sent file: texts. `id` is what users are compared by, with its kind before it."""

CHANGE_COLUMNS = ("ordinal", "scope", "change", *COLUMNS)

# An ID that two members have is that of the first of them, so that it gets one event and always the same one.
# There are few such IDs, so only they are sorted.
USABLE = """
    CREATE VIEW usable AS SELECT {columns} FROM read_parquet({path}) WHERE id IS NOT NULL AND NOT ({wrong});
    CREATE TABLE doubles AS SELECT id FROM usable GROUP BY id HAVING count(*) > 1;
    CREATE TABLE current AS
        SELECT * FROM usable WHERE id NOT IN (SELECT id FROM doubles)
        UNION ALL
        SELECT * FROM usable WHERE id IN (SELECT id FROM doubles)
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY person_id, value) = 1
"""
# `id` begins with its kind and a colon. One pattern is 20 times as fast as `trim` with all blanks there are.
BLANK = r"[\s\v\p{Z}\x1c-\x1f\x{85}]*"
NO_ID = f"{BLANK}({'|'.join(re.escape(word) for word in sorted(NOTHING))})?{BLANK}"
WRONG = f"(length(id) > {LONGEST_ID + 2} OR regexp_full_match(id[3:], '{NO_ID}', 'i'))"
COUNT_USABLE = f"""
    SELECT count(*) FILTER (id IS NULL), count(*) FILTER (id IS NOT NULL AND ({WRONG})), count(*)
    FROM read_parquet($members)
"""  # noqa: S608  constants
NO_SENT = "CREATE TABLE before AS SELECT * FROM current LIMIT 0"
SENT = "CREATE VIEW before AS SELECT * FROM read_parquet({path})"
NO_MERGED = "CREATE TABLE gone (id VARCHAR)"
MERGED = "CREATE VIEW gone AS SELECT id FROM read_parquet({path})"

GONE = """
    SELECT DISTINCT b.person_id AS id FROM read_parquet({before}) AS b JOIN {person_of} AS p ON p.id = b.person_id
    AND p.kind = CASE WHEN b.user_id IS NULL THEN 'anonymous' ELSE 'user' END WHERE p.person_id <> b.person_id
"""
COMPARE = """
    CREATE TABLE compared AS SELECT
        CASE WHEN b.id IS NULL THEN 'entered'
             WHEN c.id IS NOT NULL THEN CASE WHEN c.value = b.value THEN 'unchanged' ELSE 'changed' END
             WHEN b.person_id IN (SELECT id FROM gone) THEN 'merged'
             ELSE 'left' END AS change,
        coalesce(c.person_id, b.person_id) AS person_id,
        CASE WHEN c.id IS NULL THEN b.user_id ELSE c.user_id END AS user_id,
        CASE WHEN c.id IS NULL THEN b.anonymous_id ELSE c.anonymous_id END AS anonymous_id,
        CASE WHEN c.id IS NULL THEN b.email ELSE c.email END AS email,
        coalesce(c.id, b.id) AS id,
        CASE WHEN c.id IS NULL THEN $value_of_left ELSE c.value END AS value
    FROM current AS c FULL JOIN before AS b ON b.id = c.id
"""
COUNTS = "SELECT change, count(*) FROM compared GROUP BY change"
# Who leaves goes first: a user whose ID is another one now is in at the end, also at a vendor that goes by userId.
CHANGES = """
    SELECT CASE change WHEN 'left' THEN '{kept}' WHEN 'unchanged' THEN '{added}' ELSE '{all}' END AS scope,
        change, {columns} FROM compared
    WHERE change IN ('left', 'changed', 'entered') OR ($first_syncs AND change = 'unchanged')
    ORDER BY CASE change WHEN 'left' THEN 0 WHEN 'changed' THEN 1 WHEN 'entered' THEN 2 ELSE 3 END, id
"""
SENT_AFTER = """
    SELECT {columns} FROM read_parquet($changes) WHERE ordinal < $fed AND change != 'left'
    UNION ALL
    SELECT {columns} FROM before
    WHERE id NOT IN (SELECT id FROM read_parquet($changes) WHERE ordinal < $fed)
"""


class ChangesDamaged(ArchiveError):  # noqa: N818  reads as what happened
    """The file of a run's changes is missing or damaged."""


class Compared(NamedTuple):
    """How many users changed how, and how many members were left out; `size` is how many are in."""

    entered: int = 0
    left: int = 0
    changed: int = 0
    unchanged: int = 0
    merged: int = 0
    without_id: int = 0
    wrong_id: int = 0
    same_id: int = 0
    size: int = 0
    total: int = 0


class ComparedFiles(NamedTuple):
    """The files of a comparison: those of the members, of who was sent before (None: nobody) and of who was merged.

    `changes` and `sent` are written: what to send, and who was sent once all of that is.
    """

    members: Path
    before: Path | None
    merged: Path | None
    changes: Path
    sent: Path
    archive: Path


def compare(files: ComparedFiles, *, value_of_left: str, first_syncs: bool) -> Compared:
    """Write the changes and who is sent once they are, and return how many there are.

    `value_of_left` is the value, as JSON, for those who left. `first_syncs` is whether some connections get all
    members, also those who are in as before.
    """
    with _database(files.archive) as db:
        without, wrong, members = _row(db.execute(COUNT_USABLE, {"members": str(files.members)}))
        db.execute(USABLE.format(columns=", ".join(COLUMNS), path=quoted(files.members), wrong=WRONG))
        _before(db, files.before, files.merged)
        db.execute(COMPARE, {"value_of_left": value_of_left})
        counts = dict(db.execute(COUNTS).fetchall())
        select = CHANGES.format(columns=", ".join(COLUMNS), kept=KEPT, added=ADDED, all=ALL)
        found = db.sql(select, params={"first_syncs": first_syncs}).to_arrow_reader(BATCH)
        total = write(files.changes, _numbered_schema(found.schema), _numbered(found))
        after = db.sql(f"SELECT {', '.join(COLUMNS)} FROM current").to_arrow_reader(BATCH)  # noqa: S608  constants
        write(files.sent, after.schema, after)
        size = members - without - wrong
        usable = sum(counts.get(each, 0) for each in ("entered", "changed", "unchanged"))
    kinds = {each: counts.get(each, 0) for each in ("entered", "left", "changed", "unchanged", "merged")}
    return Compared(**kinds, without_id=without, wrong_id=wrong, same_id=size - usable, size=usable, total=total)


def write_merged(files: ComparedFiles, person_of: str) -> None:
    """Write which of the users that were sent are another user now; `person_of` is SQL of who has become who."""
    assert files.before is not None
    assert files.merged is not None
    with _database(files.archive) as db:
        found = db.sql(GONE.format(before=quoted(files.before), person_of=person_of)).to_arrow_reader(BATCH)
        write(files.merged, found.schema, found)


def cut_short(files: ComparedFiles, fed: int) -> None:
    """Write who was sent when no more than the changes before the ordinal `fed` were."""
    with _database(files.archive) as db:
        if files.before is None:
            columns = ", ".join(f"NULL::VARCHAR AS {name}" for name in COLUMNS)
            db.execute(f"CREATE TABLE before AS SELECT {columns} LIMIT 0")
        else:
            db.execute(SENT.format(path=quoted(files.before)))
        given = {"changes": str(files.changes), "fed": fed}
        found = db.sql(SENT_AFTER.format(columns=", ".join(COLUMNS)), params=given).to_arrow_reader(BATCH)
        write(files.sent, found.schema, found)


def _before(db: duckdb.DuckDBPyConnection, before: Path | None, merged: Path | None) -> None:
    db.execute(NO_SENT if before is None else SENT.format(path=quoted(before)))
    db.execute(NO_MERGED if merged is None else MERGED.format(path=quoted(merged)))


def packs(changes: Path, start: int, size: int = PACK) -> Iterator[list[MemberChange]]:
    """Yield the changes from an ordinal on, some at a time; all of a pack are for the same connections."""
    pack: list[MemberChange] = []
    for row in _rows(changes, [name for name in CHANGE_COLUMNS if name not in ("change", "id")]):
        if row["ordinal"] < start:
            continue
        if len(pack) == size or (pack and pack[0].scope != row["scope"]):
            yield pack
            pack = []
        pack.append(MemberChange(**row))
    if pack:
        yield pack


def fault_of(sent: Path) -> str:
    """Return why a sent file cannot be read, '' if it can; reads all of it, which takes less than comparing it."""
    try:
        for _ in _batches(sent, list(COLUMNS)):
            pass
    except ChangesDamaged as error:
        return str(error.__cause__).partition("\n")[0].rstrip(".")
    return ""


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in _batches(path, columns):
        yield from batch.to_pylist()


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise ChangesDamaged(f"{path} cannot be read ({str(error).partition(chr(10))[0].rstrip('.')}).") from error


class SentUser(NamedTuple):
    """A user of a sent file; `value` is JSON text."""

    user_id: str | None
    anonymous_id: str | None
    email: str | None
    value: str


def sent_users(path: Path, limit: int) -> list[SentUser]:
    """Return the first users of a sent file."""
    found: list[SentUser] = []
    for row in _rows(path, list(SentUser._fields)):
        if len(found) == limit:
            break
        found.append(SentUser(**row))
    return found


def sent_user(path: Path, person_id: str) -> SentUser | None:
    """Return what was sent of one user, None if nothing was."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=list(SentUser._fields), filters=[("person_id", "=", person_id)]).to_pylist()
    return next((SentUser(**row) for row in rows), None)


def _numbered_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return schema.insert(0, pa.field("ordinal", pa.int64()))


def _numbered(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Put the ordinals before the columns."""
    import pyarrow as pa

    first, schema = 0, _numbered_schema(batches.schema)
    for batch in batches:
        ordinals = pa.array(range(first, first + batch.num_rows), pa.int64())
        yield pa.RecordBatch.from_arrays([ordinals, *batch.columns], schema=schema)
        first += batch.num_rows


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write a Parquet file that is there as a whole or not at all, also after a crash; return how many rows it has."""
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}.tmp")
    rows = 0
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    rows += batch.num_rows
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_to_disk(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return rows


def write_columns(path: Path, names: Sequence[str], columns: Sequence[list[str | None]]) -> int:
    """Write a Parquet file of text columns, as `write` does."""
    import pyarrow as pa

    table = pa.table({name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)})
    return write(path, table.schema, table.to_reader())


@contextmanager
def _database(archive: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory for our own statements; what is too large for it is on the archive's disk meanwhile."""
    import duckdb

    with spill_folder(archive) as spill:
        config: dict[str, Any] = {
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": spill,
            "max_temp_directory_size": SPILL,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        db = in_memory(config)
        try:
            yield db
        except duckdb.Error as error:
            raise ArchiveError(f"The members cannot be compared: {str(error).partition(chr(10))[0]}") from error
        finally:
            db.close()


def _row(cursor: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    row = cursor.fetchone()
    assert row is not None
    return tuple(row)
