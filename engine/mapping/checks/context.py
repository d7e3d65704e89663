"""What every check is given: the loaded mapping, its occurrences, and short ways to make a problem.

A name that does not exist is noted apart (`unknown`), because one slip shows in several places: a part that is
misspelt where it stands is unknown wherever it is used, and used nowhere.  check_echoes.py makes one problem of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from engine.language.suggest import closest
from engine.mapping.problems import Problem, place_text
from engine.mapping.walk import Occurrences, values_of
from engine.records import Place

if TYPE_CHECKING:
    from engine.mapping.load import Loaded
    from engine.mapping.model import Mapping, Value
    from engine.mapping.problems import Level

LONGEST_QUOTE = 60
LONGEST_SENTENCE = 500
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
MOST_NAMED = 12

UNUSED_CODES = frozenset(
    {"unused-part", "unused-setting", "unused-request", "unused-batch", "unused-include", "unused-saved"}
)
"""Problems of tidiness: they fail `validate-mappings`, but such a mapping can run."""

POINTLESS = frozenset(
    {
        "always-invalid",
        "function-type",
        "key-never-there",
        "map-never-matches",
        "must-never-holds",
        "never-equal",
        "never-runs",
        "not-a-list",
        "not-a-time",
        "not-an-object",
        "not-text",
        "pointless-default",
        "pointless-required",
        "query-in-url",
        "request-id-in-batches",
        "same-alternative",
        "same-target",
        "unknown-part-key",
        "unreachable-alternative",
        "url-never-filled",
    }
)
"""What is refused because nobody can want it, though the language gives it a meaning."""


class Missing(NamedTuple):
    """A name that does not exist: what kind of thing (`section` of the file), and the one that was probably meant.

    `name` is None where the name was not even written as one of the section: `email` for `parts.email`.
    """

    section: str
    name: str | None
    guess: str | None
    problem: Problem


class Checking:
    """One mapping being checked."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.mapping: Mapping = loaded.mapping
        self.occurrences = Occurrences(loaded.mapping)
        self.missing: list[Missing] = []

    @cached_property
    def values(self) -> list[Value]:
        """Every value of the mapping, those inside others too."""
        return list(values_of(self.mapping))

    def owns(self, place: Place) -> bool:
        """Whether what stands at a place is of this file, and not of one it extends or includes."""
        return self.loaded.resolved.owner(place) is self.loaded.resolved.document

    def problem(
        self,
        place: Place,
        code: str,
        message: str,
        advice: str = "",
        *,
        key: bool = False,
        column: int | None = None,
        level: Level = "error",
    ) -> Problem:
        """Make a problem at the value of a place, at its key, or at one character inside either."""
        resolved = self.loaded.resolved
        if place[-1:] == ("flatten",) and not key and isinstance(resolved.at(place), dict):
            place = (*place, "if")  # `flatten: { if: path }`: the model keeps only the path
        if column is not None:
            mark = resolved.key_mark_inside(place, column) if key else resolved.mark_inside(place, column)
        else:
            mark = resolved.key_mark(place) if key else resolved.mark(place)
        return Problem(*mark, place_text(place), code, _readable(message), _readable(advice), level)

    def unknown(self, section: str, name: str | None, guess: str | None, problem: Problem) -> Problem:
        """Note a problem about a name of `section` that does not exist."""
        self.missing.append(Missing(section, name, guess, problem))
        return problem


def quoted(text: str) -> str:
    """Write a text of a mapping into a sentence: cut, and without characters that would do something to a terminal."""
    from json import dumps

    short = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return dumps(short, ensure_ascii=not short.isprintable())


def _readable(text: str) -> str:
    """Cut what is endless and write out what would do something to a terminal; paths are quoted as they stand."""
    short = text if len(text) <= LONGEST_SENTENCE else text[: LONGEST_SENTENCE - 1] + "…"
    if short.isprintable():
        return short
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in short
    )


def named(name: str) -> str:
    """Write a name into a sentence: as it is if it looks like one, else quoted."""
    return name if PLAIN.fullmatch(name) else quoted(name)


def meant(name: str, names: Iterable[str], words: str, prefix: str = "") -> tuple[str | None, str]:
    """Return the name that was probably meant, and what to say about it or about those that are there."""
    known = list(names)
    guess = closest(name, known)
    if guess is not None:
        return guess, f"Did you mean {prefix}{named(guess)}?"
    some = [*map(named, known[:MOST_NAMED]), *(["..."] if len(known) > MOST_NAMED else [])]
    return None, f"There are: {', '.join(some)}." if known else f"This mapping has no {words}."


def listed(names: Iterable[str], word: str = "or") -> str:
    """Write names as a list in a sentence: `a, b or c`."""
    known = list(names)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {word} {known[-1]}" if known else ""
