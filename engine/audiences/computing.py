"""Who is in a definition at a moment, from the archive into a Parquet file, with the ID that vendors know them by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.archive.catalog import ArchiveError, Catalog
from engine.archive.containing import contained
from engine.archive.people import known
from engine.archive.queries import opened
from engine.archive.untrusted import QueryError
from engine.audiences.changes import COLUMNS, ComparedFiles, write, write_merged
from engine.audiences.clock import set_clock
from engine.audiences.compiling import compiled
from engine.audiences.events import AUDIENCE
from engine.audiences.model import Definition

if TYPE_CHECKING:
    from engine.archive.connecting import QueryLimits
    from engine.archive.queries import ArchiveConnection

LEFT_OUT = (
    "{first}{more} Without these events users would seem to have left, so nothing was computed or sent. Restore the "
    "files from a backup and run `engine archive check`, or give them up: engine archive check --forget"
)
ANONYMOUS = "CASE WHEN u.user_id IS NULL THEN u.person_id END"
IDS = {
    "userId": ("NULL", "NULL", "'u:' || u.user_id"),
    "userId or anonymousId": (ANONYMOUS, "NULL", "coalesce('u:' || u.user_id, 'a:' || u.person_id)"),
    "traits.email": (ANONYMOUS, "u.email", "'t:' || lower(trim(u.email))"),
}
"""For each form of `id`: the anonymousId and the email that its events have, and what users are compared by."""

MEMBERS = """
    CREATE OR REPLACE TEMP TABLE members_found AS
    WITH wanted AS ({sql})
    SELECT wanted.person_id::VARCHAR AS person_id, u.user_id::VARCHAR AS user_id,
        ({anonymous})::VARCHAR AS anonymous_id,
        ({email})::VARCHAR AS email, ({id})::VARCHAR AS id, ({value})::VARCHAR AS value
    FROM wanted LEFT JOIN users AS u ON u.person_id = wanted.person_id
"""


def compute(archive: Path, definition: Definition, moment: float, limits: QueryLimits, files: ComparedFiles) -> None:
    """Write the members, or the values, of a definition at a moment, and who of those sent before was merged.

    Raises QueryError, and ArchiveError also if files of events are left out: their users would seem to have left.
    """
    with opened(archive, limits) as connection:
        if connection.left_out:
            raise ArchiveError(LEFT_OUT.format(first=connection.left_out[0], more=_more(connection.left_out)))
        write_members(connection, definition, moment, files.members)
    if files.before is not None and files.merged is not None:
        with Catalog.open(archive) as catalog:
            person_of = known(catalog).relation(archive, "person_of")
        write_merged(files, person_of)


def _more(found: Sequence[str]) -> str:
    return f" And {len(found) - 1} more." if found[1:] else ""


def write_members(connection: ArchiveConnection, definition: Definition, moment: float, path: Path) -> int:
    """Write the members of a definition, from whatever the connection has; return how many there are.

    A query of a file that ignores its end, or takes all memory, ends the process: `contained` says why.
    """
    query = compiled(definition, moment)
    set_clock(connection, moment)
    if definition.sql is not None and (fault := connection.check(definition.sql)) is not None:
        raise QueryError(fault)
    anonymous, email, identity = IDS[definition.id]
    value = "'true'" if definition.kind == AUDIENCE else "wanted.value"
    sql = MEMBERS.format(sql=query.sql, anonymous=anonymous, email=email, id=identity, value=value)
    with contained(connection.limits, what=f'The query of "{definition.key}"'):
        connection.execute(sql, query.parameters)
    found = connection.read(f"SELECT {', '.join(COLUMNS)} FROM members_found")  # noqa: S608  constants
    return write(path, found.schema, found)
