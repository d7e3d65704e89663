"""Definitions that are SQL: the query of the file inside one that resolves its users, and what is wrong with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.audiences.model import DefinitionKind
from engine.audiences.value_sql import canonical

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

END = re.compile(r";\s*(?:--[^\n]*\s*|/\*(?:[^*]|\*(?!/))*\*/\s*)*\Z")
COLUMNS: dict[DefinitionKind, tuple[str, ...]] = {"audience": ("person_id",), "computed trait": ("person_id", "value")}
FORMS: dict[DefinitionKind, str] = {
    "audience": "The query of an audience gives one column, users' IDs, such as SELECT person_id FROM events",
    "computed trait": "The query of a computed trait gives two columns, such as SELECT person_id, count(*) FROM events"
    " GROUP BY person_id",
}


class SqlProblem(NamedTuple):
    """What is wrong with a query; `offset` (from 0) is the character of its text, None for the whole."""

    message: str
    offset: int | None = None


def without_end(sql: str) -> str:
    """Return a query without its last semicolons, so that it can stand in parentheses."""
    while (found := END.search(sql)) is not None:
        sql = sql[: found.start()]
    return sql


def wrapped(sql: str, kind: DefinitionKind) -> str:
    """Return a query of `person_id` (and `value`) around a checked query of the file.

    Its first column has IDs of users: user IDs or anonymous IDs, also those merged into others. NULL and IDs that
    nobody has are left out. A user has one row; of several values the first in the order of texts is taken.
    """
    named = ", ".join(COLUMNS[kind])
    given = f"SELECT * FROM (\n{without_end(sql)}\n) AS query({named})"  # noqa: S608  a query that was checked
    value = "" if kind == "audience" else f", min({canonical('CAST(to_json(given.value) AS VARCHAR)')}) AS value"
    kept = "" if kind == "audience" else " AND given.value IS NOT NULL"
    person = "coalesce(by_user.person_id, by_anonymous.person_id, CAST(given.person_id AS VARCHAR))"
    return (
        f"WITH given AS ({given})\n"
        f"SELECT users.person_id{value} FROM given\n"
        "LEFT JOIN person_of AS by_user ON by_user.kind = 'user' AND by_user.id = CAST(given.person_id AS VARCHAR)\n"
        "LEFT JOIN person_of AS by_anonymous"
        " ON by_anonymous.kind = 'anonymous' AND by_anonymous.id = CAST(given.person_id AS VARCHAR)\n"
        f"JOIN users ON users.person_id = {person}\n"
        f"WHERE given.person_id IS NOT NULL{kept} GROUP BY users.person_id"
    )


def check_sql(connection: ArchiveConnection, sql: str, kind: DefinitionKind) -> SqlProblem | None:
    """Return what is wrong with the query of a definition, or None; it is planned, and not run."""
    fault = connection.check(sql)
    if fault is not None:
        before = sql.split("\n")[: fault.line - 1]
        return SqlProblem(_sentence(fault.message), sum(len(line) + 1 for line in before) + fault.column - 1)
    columns = connection.execute(f"DESCRIBE {without_end(sql)}").fetchall()
    if len(columns) != len(COLUMNS[kind]):
        return SqlProblem(f"{FORMS[kind]}; this one gives {len(columns)}.")
    return None


def _sentence(clause: str) -> str:
    first = clause[:1].upper() if clause.partition(" ")[0].isalpha() else clause[:1]
    return f"{first}{clause[1:]}{'' if clause.endswith(('?', ')')) else '.'}"
