"""Definitions of audiences and computed traits, as commands and the sync use them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import field
from typing import Literal, NamedTuple, TypeAlias

from engine.audiences.rules import Rule
from engine.mapping.problems import Problem
from engine.noun import Noun
from engine.records import Json, JsonObject

DefinitionKind: TypeAlias = Literal["audience", "computed trait"]
UserIdForm: TypeAlias = Literal["userId", "userId or anonymousId", "traits.email"]
DEFAULT_GUARD = 0.5


class DefinitionPlace(NamedTuple):
    """Where a definition is written; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class DefinitionExample(NamedTuple):
    """A test of a definition: of these events, at this moment, these are the members, or the values.

    `at` is in seconds since 1970. A computed trait has no `members`, an audience no `values` (user's ID -> value).
    """

    events: tuple[JsonObject, ...]
    at: float
    members: tuple[str, ...] | None
    values: dict[str, Json] | None
    place: DefinitionPlace
    path: str = ""
    """Where it is inside the file: `audiences[0].examples[0]`."""


class Definition(Noun):
    """One audience or computed trait.

    `key` is the trait's name at destinations. `every` is in seconds, None without a schedule. `guard` is the share of
    members that may change at once, 0 to 1. Either `rule` or `sql` is set. `digest` (40 hex digits) changes with what
    decides who is a member, or what the value is, and with nothing else.
    """

    kind: DefinitionKind
    name: str
    key: str
    title: str = ""
    about: str = ""
    connections: tuple[str, ...] = ()
    every: float | None = None
    id: UserIdForm = "userId"
    guard: float = DEFAULT_GUARD
    rule: Rule | None = None
    sql: str | None = None
    examples: tuple[DefinitionExample, ...] = ()
    digest: str = ""
    place: DefinitionPlace = field(default=DefinitionPlace("", 1, 1), compare=False)


class Definitions(NamedTuple):
    """All definitions of a file, in its order; `warnings` are what could not be checked."""

    entries: tuple[Definition, ...]
    warnings: tuple[Problem, ...] = ()

    def __iter__(self) -> Iterator[Definition]:  # type: ignore[override]
        return iter(self.entries)

    def by_key(self) -> dict[str, Definition]:
        """Return the definitions by their keys."""
        return {each.key: each for each in self.entries}

    def named(self, name: str) -> Definition | None:
        """Return the definition with this name or key."""
        key = key_of(name)
        return next((each for each in self.entries if name in (each.name, each.key) or each.key == key), None)


def key_of(name: str) -> str:
    """Return the key of a definition's name, as Engage does: `Order Completed Last 30days` is one word in snake_case.

    Letters are small, and whatever is no letter or digit is an underscore, never two in a row or at an end: digits
    and capitals inside a word start no new one.
    """
    plain = unicodedata.normalize("NFKC", name).replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    return re.sub(r"[\W_]+", "_", plain.lower()).strip("_")
