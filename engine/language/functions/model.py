"""The nouns of the registry: Function, Parameter, Example, and the two ways a function speaks up.

A function is registered together with everything that is said about it; the reference page, the JSON Schema,
the check of a chain's types and the tests of the examples are made from that one place, so they cannot part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.records import Json

TEXT = frozenset({"text"})
NUMBER = frozenset({"number"})
BOOLEAN = frozenset({"boolean"})
OBJECT = frozenset({"object"})
LIST = frozenset({"list"})
ANYTHING = TEXT | NUMBER | BOOLEAN | OBJECT | LIST


class CannotConvert(Exception):  # noqa: N818  it is what happened to a value, not an error of anybody's
    """A function cannot convert its value; the text says why, in a few words that do not hold the value."""


class Noted:
    """A converted value with something that a person should know about it."""

    __slots__ = ("code", "message", "value")

    def __init__(self, value: Json, code: str, message: str) -> None:
        self.value = value
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What a function may be told: `{ round: 2 }`, `{ replace: { find: a, with: b } }`.

    `kind` is `text`, `integer`, `path`, `pattern` or `format`; all but `integer` are written as text.  Without
    `default` it must be given.  `at_least` is the smallest integer, or the shortest text.
    """

    name: str
    about: str
    kind: str = "text"
    default: Json = None
    choices: tuple[str, ...] = ()
    at_least: int = 0
    at_most: int | None = None

    @property
    def required(self) -> bool:
        """Tell whether it must be given."""
        return self.default is None


@dataclass(frozen=True)
class Example:
    """One value given to a function, and what comes of it: `gives`, or `reason` where it cannot be converted."""

    given: Json
    gives: Json = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""
    note: str = ""


class Group(NamedTuple):
    """A chapter of the reference: its title, and what holds for all its functions."""

    title: str
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Function:
    """A word that may stand in `as`.

    `call` takes the value, and never null.  Where there are `parameters`, `call` takes those by keyword instead,
    all of them and checked, and gives the callable that takes the value; it raises ValueError, with a sentence,
    for what a check of one parameter cannot see.  Only a function with `notes` may give a `Noted`.
    """

    name: str
    group: str
    about: str
    takes: frozenset[str]
    gives: frozenset[str]
    examples: tuple[Example, ...]
    call: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
