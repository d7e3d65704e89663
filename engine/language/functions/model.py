"""The nouns of the registry: Function, Parameter, Example, and what a function returns or raises besides a value.

A function is registered together with its description, types and examples.  The reference page, the JSON Schema, the
check of a chain's types and the tests of the examples are all made from that one entry, so they cannot diverge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from engine.noun import Noun
from engine.records import Json

TEXT = frozenset({"text"})
NUMBER = frozenset({"number"})
BOOLEAN = frozenset({"boolean"})
OBJECT = frozenset({"object"})
LIST = frozenset({"list"})
ANYTHING = TEXT | NUMBER | BOOLEAN | OBJECT | LIST


class CannotConvert(Exception):  # noqa: N818  it says what happened to a value
    """A function cannot convert its value; the text says why in a few words, without the value."""


class Nothing(CannotConvert):
    """The value counts as absent: that is what the function is for, so nothing is reported."""


class Noted:
    """A converted value together with a report about it."""

    __slots__ = ("code", "message", "value")

    def __init__(self, value: Json | Noted, code: str, message: str) -> None:
        self.value = value
        self.code = code
        self.message = message


class Parameter(Noun):
    """A parameter of a function, as in `{ round: 2 }` and `{ replace: { find: a, with: b } }`.

    `kind` is `text`, `integer`, `number`, `path`, `pattern`, `format` or `functions`; all but numbers and functions are
    written as text, and functions are handed over bound.  Without a `default` it is required.  `at_least` is the
    smallest integer, or the shortest length of a text.
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
        """Whether the parameter must be given."""
        return self.default is None


class Example(Noun, kw_only=False):
    """An example call: the value, and the result (`gives`) or the `reason` why it cannot be converted."""

    given: Json
    gives: Json = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""
    note: str = ""


class Group(NamedTuple):
    """A section of the reference: its title, and what is true of all its functions."""

    title: str
    about: str = ""


class Function(Noun):
    """A function that may be named in `as`.

    `call` takes the value, which is never null.  With `parameters`, `call` takes all of them by keyword instead, each
    already checked, and returns the callable that takes the value; it raises ValueError, with a sentence, for what
    the check of a single parameter cannot find.  Only a function with `notes` may return a `Noted`.

    As JSON, the result is at most `growth` times as long as the value, besides 400 characters; every character of a
    parameter that is text may add as much again.
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
    growth: int = 1
    source: str = ""

    @property
    def writes_numbers(self) -> bool:
        """Whether a number that it is given counts as its text."""
        reads_number = self.group in ("numbers", "times") or bool(self.gives & (NUMBER | BOOLEAN))
        return self.takes >= NUMBER and not self.takes & OBJECT and not reads_number
