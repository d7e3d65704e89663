"""Definitions that are SQL: the query of the file inside one that resolves its users."""

from __future__ import annotations

from engine.audiences.model import DefinitionKind


def wrapped(sql: str, kind: DefinitionKind) -> str:
    """Return a query of `person_id` (and `value`) around a checked query of the file.

    Its first column has users' IDs: those of merged users, user IDs or anonymous IDs. NULL and repeated ones are left
    out; of several values for a user the smallest is taken.
    """
    columns = "id" if kind == "audience" else "id, value"
    value = "" if kind == "audience" else ", min(CAST(to_json(value) AS VARCHAR)) AS value"
    given = sql.strip().rstrip(";")
    return (
        f"WITH given AS (SELECT * FROM (\n{given}\n) AS query({columns})),\n"  # noqa: S608
        "ids AS (SELECT person_id AS id, person_id FROM users"
        " UNION SELECT user_id, person_id FROM users WHERE user_id IS NOT NULL"
        " UNION SELECT unnest(anonymous_ids), person_id FROM users)\n"
        f"SELECT ids.person_id{value} FROM given JOIN ids ON ids.id = CAST(given.id AS VARCHAR)\n"
        "WHERE given.id IS NOT NULL GROUP BY ids.person_id"
    )
