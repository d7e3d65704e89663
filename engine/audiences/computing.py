"""Who is in a definition at a moment, from the archive into a Parquet file, with the ID that vendors know them by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.archive.queries import opened
from engine.audiences.changes import COLUMNS, Comparison, ids_of, write, write_columns
from engine.audiences.compiling import compiled
from engine.audiences.events import AUDIENCE
from engine.audiences.model import Definition

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection, QueryLimits

ANONYMOUS = "CASE WHEN u.user_id IS NULL THEN u.person_id END"
IDS = {
    "userId": ("NULL", "NULL", "'u:' || u.user_id"),
    "userId or anonymousId": (ANONYMOUS, "NULL", "coalesce('u:' || u.user_id, 'a:' || u.person_id)"),
    "traits.email": (ANONYMOUS, "u.email", "'t:' || lower(trim(u.email))"),
}
"""For each form of `id`: the anonymousId and the email that its events have, and what users are compared by."""

MEMBERS = """
    WITH wanted AS ({sql})
    SELECT wanted.person_id::VARCHAR AS person_id, u.user_id::VARCHAR AS user_id, ({anonymous})::VARCHAR AS anonymous_id,
        ({email})::VARCHAR AS email, ({id})::VARCHAR AS id, {value} AS value
    FROM wanted LEFT JOIN users AS u ON u.person_id = wanted.person_id
"""


def compute(archive: Path, definition: Definition, moment: float, limits: QueryLimits, files: Comparison) -> None:
    """Write the members, or the values, of a definition at a moment, and who of those sent before was merged.

    Raises ArchiveError and QueryError, and what DuckDB raises if it runs out of memory or disk.
    """
    with opened(archive, limits) as connection:
        members(connection, definition, moment, files.members)
        if files.before is not None and files.merged is not None:
            _merged(connection, files.before, files.merged)


def members(connection: ArchiveConnection, definition: Definition, moment: float, path: Path) -> int:
    """Write the members of a definition, from whatever the connection has; return how many there are."""
    query = compiled(definition, moment)
    anonymous, email, identity = IDS[definition.id]
    value = "'true'" if definition.kind == AUDIENCE else "wanted.value::VARCHAR"
    sql = MEMBERS.format(sql=query.sql, anonymous=anonymous, email=email, id=identity, value=value)
    found = connection.execute(sql, query.parameters).to_arrow_reader(50_000)
    return write(path, found.schema, found)


def _merged(connection: ArchiveConnection, before: Path, target: Path) -> None:
    """Write which of the person_ids that were sent are those of another person now."""
    gone: list[str | None] = []
    for ids in ids_of(before):
        gone += [row[0] for row in connection.execute(GONE, [ids]).fetchall()]
    write_columns(target, ["id"], [gone])
