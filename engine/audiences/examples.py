"""Runs the examples of definitions: their events at their moment, through the SQL that a sync runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.audiences.clock import set_clock
from engine.audiences.compiling import CompiledQuery, compiled
from engine.audiences.model import Definition, DefinitionExample
from engine.audiences.reasons import reasons
from engine.language.texts import visible
from engine.records import Json

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

MOST_SHOWN = 20
"""Users of one example that are explained."""


class TriedDefinition(NamedTuple):
    """What an example gave: user's ID -> value (true for a member), and the differences, one text for each."""

    actual: dict[str, Json]
    expected: dict[str, Json]
    differences: tuple[str, ...]


def try_definition(definition: Definition, example: DefinitionExample) -> TriedDefinition:
    """Run an example; its differences are empty where it gave what it expects."""
    from engine.archive.queries import memory
    from engine.archive.untrusted import QueryError

    expected: dict[str, Json] = example.values or dict.fromkeys(example.members or (), True)
    with memory(example.events, example.at) as connection:
        set_clock(connection, example.at)
        try:
            actual = _actual(connection, compiled(definition, example.at))
        except QueryError as error:
            return TriedDefinition({}, expected, (visible(error.fault.message),))
        found = list(_differences(actual, expected))
        texts = [_explained(connection, definition, example, each) for each in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        texts.append(f"and {len(found) - MOST_SHOWN:,} more users")
    return TriedDefinition(actual, expected, tuple(texts))


def _actual(connection: ArchiveConnection, query: CompiledQuery) -> dict[str, Json]:
    found = connection.execute(query.sql, list(query.parameters)).fetchall()
    return {row[0]: _value(row[1] if len(row) > 1 else None) for row in sorted(found)}


def _value(text: str | None) -> Json:
    value: Json = True if text is None else orjson.loads(text)
    return value


def _differences(actual: dict[str, Json], expected: dict[str, Json]) -> list[tuple[str, str]]:
    missing = [(f"missing: {user}", user) for user in expected if user not in actual]
    unexpected = [(f"unexpected: {user}", user) for user in actual if user not in expected]
    other = [
        (f"{user}: {_shown(actual[user])} instead of {_shown(value)}", user)
        for user, value in expected.items()
        if user in actual and (actual[user] != value or isinstance(actual[user], bool) is not isinstance(value, bool))
    ]
    return [*missing, *unexpected, *other]


def _explained(
    connection: ArchiveConnection, definition: Definition, example: DefinitionExample, difference: tuple[str, str]
) -> str:
    title, user = difference
    found = reasons(connection, definition, user, example.at)
    if found is None:
        return visible(f"{title}") + f"\n  {_unknown(connection, user)}"
    return "\n  ".join([visible(title), *map(str, found)])


def _unknown(connection: ArchiveConnection, user: str) -> str:
    row = connection.execute("SELECT person_id FROM person_of WHERE id = $1", [user]).fetchone()
    return "no event has this ID" if row is None else visible(f"merged into {row[0]}, which is the ID to expect")


def _shown(value: Json) -> str:
    return orjson.dumps(value).decode()
