"""What every check works with: the loaded mapping, its paths and values, and short ways to make and word a problem.

Uses of names that do not exist are also recorded (`unknown_names`), because one typo shows in several places: a part
that is misspelled where it is defined is unknown wherever it is used, and unused itself. names.py turns these into
one problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from engine.language.suggest import closest
from engine.language.texts import visible, visible_lines
from engine.mapping.load import Loaded
from engine.mapping.model import Value
from engine.mapping.problems import Fix, Level, Problem, place_text
from engine.mapping.walk import Occurrence, Occurrences, values_of
from engine.records import Place

LONGEST_QUOTE = 60
LONGEST_SENTENCE = 500
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
MOST_NAMED = 12

UNUSED_CODES = frozenset(
    {"unused-part", "unused-setting", "unused-request", "unused-batch", "unused-include", "unused-saved"}
)
"""Problems of tidiness: some fail `validate-mappings`, but examples of such a mapping run all the same."""


class UnknownName(NamedTuple):
    """A use of a name that does not exist: the `section` of the file it should be in, and the name probably meant.

    `name` is None where not even the section was written: `email` for `parts.email`.
    """

    section: str
    name: str | None
    guess: str | None
    problem: Problem


class CheckContext:
    """One mapping while it is checked."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.mapping = loaded.mapping
        self.occurrences = Occurrences(loaded.mapping)
        self.unknown_names: list[UnknownName] = []
        self.settings_in_texts: set[str] = set()  # named where text is meant: unused only because of that

    @cached_property
    def values(self) -> list[Value]:
        """Every value of the mapping, nested ones included."""
        return list(values_of(self.mapping))

    def owns(self, place: Place) -> bool:
        """Whether a place is in this file, and not in one that it extends or includes."""
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
        fix: Fix | None = None,
    ) -> Problem:
        """Make a problem at the value of a place, at its key, or at one character inside either."""
        resolved = self.loaded.resolved
        if place[-1:] == ("flatten",) and not key and isinstance(resolved.at(place), dict):
            place = (*place, "if")  # `flatten: { if: path }`: the model keeps only the path
        if column is not None:
            mark = resolved.key_mark_inside(place, column) if key else resolved.mark_inside(place, column)
        else:
            mark = resolved.key_mark(place) if key else resolved.mark(place)
        return Problem(*mark, place_text(place), code, _readable(message), _readable(advice), level, fix)

    def problem_in(
        self,
        found: Occurrence,
        column: int,
        code: str,
        message: str,
        advice: str = "",
        *,
        level: Level = "error",
        fix: Fix | None = None,
    ) -> Problem:
        """Make a problem at a column of a path."""
        at = found.column + column - 1
        return self.problem(found.place, code, message, advice, key=found.key, column=at, level=level, fix=fix)

    def record_unknown(self, section: str, name: str | None, guess: str | None, problem: Problem) -> Problem:
        """Record a problem about a name of `section` that does not exist, and return it."""
        self.unknown_names.append(UnknownName(section, name, guess, problem))
        return problem


def quoted(text: str) -> str:
    """Quote a text of a mapping for a sentence: shortened, and without characters that would affect a terminal."""
    from json import dumps

    short = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    return visible(dumps(short, ensure_ascii=False))


def _readable(text: str) -> str:
    """Shorten a sentence that is too long, and escape what would affect a terminal; it may quote paths as written."""
    short = text if len(text) <= LONGEST_SENTENCE else text[: LONGEST_SENTENCE - 1] + "…"
    return visible_lines(short)


def plain_or_quoted(name: str) -> str:
    """Write a name into a sentence: as it is if it looks like a name, else quoted."""
    return name if PLAIN.fullmatch(name) else quoted(name)


def suggestion(name: str, names: Iterable[str], kind: str, prefix: str = "") -> tuple[str | None, str]:
    """Return the name that was probably meant, and advice that names it, or lists all names where none is close.

    `kind` says what the names are ("settings"), `prefix` what is written before them ("settings.").
    """
    known = list(names)
    guess = closest(name, known)
    if guess is not None:
        return guess, f"Did you mean {prefix}{plain_or_quoted(guess)}?"
    some = [*map(plain_or_quoted, known[:MOST_NAMED]), *(["..."] if len(known) > MOST_NAMED else [])]
    return None, f"Available: {', '.join(some)}." if known else f"This mapping has no {kind}."


def better(written: str, guess: str | None) -> Fix | None:
    """Return the fix that replaces a mistyped name by the one that was probably meant; None without a guess."""
    return None if guess is None else Fix(written, guess)


def listed(names: Iterable[str], word: str = "or") -> str:
    """Write names as a list in a sentence: `a, b or c`."""
    known = list(names)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {word} {known[-1]}" if known else ""


def a_call(call: str) -> str:
    """Write the name of a call with its article, for the beginning of a sentence: `An identify call`."""
    return f"{'An' if call[0] in 'aei' else 'A'} {call} call"
