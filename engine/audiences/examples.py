"""Runs the examples of definitions: their events at their moment, through the SQL that a sync runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.audiences.clock import set_clock
from engine.audiences.compiling import CompiledQuery, compiled
from engine.audiences.model import Definition, DefinitionExample
from engine.audiences.reasons import reasons
from engine.language.texts import visible
from engine.mapping.checks.context import quoted
from engine.records import Json
from engine.testing.examples import same

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

MOST_SHOWN = 20
"""Users of one example that are explained."""


class DefinitionDifference(NamedTuple):
    """A user for whom an example gave something else than it expects: what, and each condition with what was found."""

    message: str
    reasons: tuple[str, ...] = ()


class TriedDefinition(NamedTuple):
    """What an example gave: user's ID -> value (true for a member), and where that is not what it expects."""

    actual: dict[str, Json]
    expected: dict[str, Json]
    differences: tuple[DefinitionDifference, ...]


def try_definition(definition: Definition, example: DefinitionExample) -> TriedDefinition:
    """Run an example; its differences are empty where it gave what it expects."""
    from engine.archive.containing import contained
    from engine.archive.queries import memory
    from engine.archive.untrusted import QueryError

    expected: dict[str, Json] = example.values or dict.fromkeys(example.members or (), True)
    with memory(example.events, example.at) as connection:
        set_clock(connection, example.at)
        try:
            with contained(connection.limits, what=f'The query of "{definition.key}"'):
                actual = _actual(connection, compiled(definition, example.at))
        except QueryError as error:
            message = f"The query failed: {visible(error.fault.message)}."
            return TriedDefinition({}, expected, (DefinitionDifference(message),))
        users = [user for user in sorted({*actual, *expected}) if not _agree(user, actual, expected)]
        found = [
            DefinitionDifference(
                _message(user, actual, expected, definition), _reasons(connection, definition, user, example.at)
            )
            for user in users[:MOST_SHOWN]
        ]
    if len(users) > MOST_SHOWN:
        found.append(DefinitionDifference(f"{len(users) - MOST_SHOWN:,} more users differ."))
    return TriedDefinition(actual, expected, tuple(found))


def _actual(connection: ArchiveConnection, query: CompiledQuery) -> dict[str, Json]:
    found = connection.execute(query.sql, list(query.parameters)).fetchall()
    return {row[0]: orjson.loads(row[1]) if len(row) > 1 else True for row in sorted(found)}


def _agree(user: str, actual: dict[str, Json], expected: dict[str, Json]) -> bool:
    return user in actual and user in expected and same(actual[user], expected[user])


def _message(user: str, actual: dict[str, Json], expected: dict[str, Json], definition: Definition) -> str:
    name = quoted(user)
    if definition.kind == "audience":
        is_member = user in actual
        return f"{name} is {'' if is_member else 'not '}a member, but should {'not ' if is_member else ''}be."
    has, wanted = (_shown(of[user]) if user in of else "no value" for of in (actual, expected))
    return f"{name} has {has}; expected {wanted}."


def _reasons(connection: ArchiveConnection, definition: Definition, user: str, now: float) -> tuple[str, ...]:
    found = reasons(connection, definition, user, now)
    if found is not None:
        return tuple(map(str, found))
    row = connection.execute("SELECT person_id FROM person_of WHERE id = $1", [user]).fetchone()
    return ("No event has this ID.",) if row is None else (visible(f"It was merged into {row[0]}: expect that."),)


def _shown(value: Json) -> str:
    return visible(orjson.dumps(value).decode())
