"""What a definition asks of users: a tree of conditions, or a value computed from events.

Every time of a condition counts back from the moment of the computation, `now`: `within` covers [now - within, now],
both ends included, and an event later than `now` does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from engine.language.paths.syntax import Node
from engine.records import Json

Sign: TypeAlias = Literal["<", "<=", "=", "!=", ">=", ">"]
Aggregation: TypeAlias = Literal[
    "count", "sum", "average", "min", "max", "first", "last", "most_frequent", "unique_list"
]
AGGREGATIONS: tuple[Aggregation, ...] = (
    "count",
    "sum",
    "average",
    "min",
    "max",
    "first",
    "last",
    "most_frequent",
    "unique_list",
)
MOST_LISTED = 1_000
"""Entries of a `unique_list`: the first ones in its order."""


class Times(NamedTuple):
    """How often: the number of events compares with `number`."""

    sign: Sign = ">="
    number: int = 1

    def holds(self, found: int) -> bool:
        """Whether a number of events meets it."""
        return {
            "<": found < self.number,
            "<=": found <= self.number,
            "=": found == self.number,
            "!=": found != self.number,
            ">=": found >= self.number,
            ">": found > self.number,
        }[self.sign]

    def __str__(self) -> str:
        return f"{self.sign} {self.number}"


class Where(NamedTuple):
    """A checked condition: its text as written, and its tree (JMESPath's, see `where`)."""

    text: str
    tree: Node


class Did(NamedTuple):
    """Whether the track events of a name, within `within` seconds before now, are as many as `times` says."""

    event: str
    times: Times = Times()
    within: float | None = None
    where: Where | None = None


class DidNot(NamedTuple):
    """Whether a user that exists has no such event."""

    event: str
    within: float | None = None
    where: Where | None = None


class HasTraits(NamedTuple):
    """Whether the user's traits have these values (any of several), and meet `where`."""

    values: tuple[tuple[str, tuple[Json, ...]], ...]
    where: Where | None = None


class AllOf(NamedTuple):
    """Whether every condition holds."""

    conditions: tuple[Condition, ...]


class AnyOf(NamedTuple):
    """Whether at least one condition holds."""

    conditions: tuple[Condition, ...]


class NoneOf(NamedTuple):
    """Whether a user that exists does not meet the condition."""

    condition: Condition


Condition: TypeAlias = "Did | DidNot | HasTraits | AllOf | AnyOf | NoneOf"


class Computation(NamedTuple):
    """The value of a computed trait: an aggregation of a field (None: of the events themselves) over events."""

    aggregation: Aggregation
    field: tuple[str, ...] | None
    over: Did


Rule: TypeAlias = "Condition | Computation"


def leaves_of(rule: Condition | Computation) -> Iterator[Did | DidNot | HasTraits]:
    """Yield the conditions on events and traits in a rule."""
    if isinstance(rule, AllOf | AnyOf):
        for each in rule.conditions:
            yield from leaves_of(each)
    elif isinstance(rule, NoneOf):
        yield from leaves_of(rule.condition)
    else:
        yield rule.over if isinstance(rule, Computation) else rule
