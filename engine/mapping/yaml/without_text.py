"""Problems of files with secrets, said without a word of the file.

For a mapping, the reader repeats what its author wrote, ready to copy. A file of settings has secrets exactly where
quotes are missing, so these messages only say what to do; the place says where.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from engine.mapping.problems import Problem

FIRST_LINE = re.compile(r" on line [0-9]+\.\Z")
QUOTES = "Put the whole text in quotes."


class _Words(NamedTuple):
    message: str
    advice: str


NEUTRAL = frozenset(
    [
        "file-missing",
        "file-is-directory",
        "file-unreadable",
        "too-large",
        "empty-file",
        "several-documents",
        "merge-key",
        "not-utf8",
        "not-printable",
        "too-deep",
        "indentation",
        "number-range",
    ]
)
"""Codes whose messages never repeat the file."""

WORDS = {
    "needs-quotes": _Words("This text needs quotes.", QUOTES),
    "tag": _Words("A text cannot begin with !.", QUOTES),
    "anchor": _Words("A text cannot begin with &.", QUOTES),
    "alias": _Words("A text cannot begin with *.", QUOTES),
    "key-not-text": _Words("This key is not text.", "Put it in quotes."),
    "duplicate-key": _Words("This key already appears{where}.", "Remove one of them."),
    "key-without-value": _Words("This key has no value.", "Put a text with a comma in it in quotes."),
    "capital-word": _Words("This is text here, not true, false or null.", "Write it in small letters, or in quotes."),
    "bad-escape": _Words(
        "This backslash has no meaning inside double quotes.",
        "In single quotes a backslash is literal; in double quotes write \\\\.",
    ),
    "not-closed": _Words(
        "A quote or a bracket is not closed, or a comma is missing.", "Close it, or put the whole text in quotes."
    ),
}
OTHER = _Words("This is not YAML.", "Write KEY: VALUE on each line, with a space after the colon.")


def without_text(problem: Problem) -> Problem:
    """Return a problem whose path, message and advice have nothing of the file in them."""
    if problem.code in NEUTRAL:
        return replace(problem, path="", fix=None)
    message, advice = WORDS.get(problem.code, OTHER)
    line = FIRST_LINE.search(problem.message)
    message = message.replace("{where}", line[0][:-1] if line else "")
    return replace(problem, path="", message=message, advice=advice, fix=None)
