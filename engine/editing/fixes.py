"""What an editor shows of problems: where they are underlined, and the change that answers *did you mean*."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.editing.positions import Range, Replacement, TextLines
from engine.mapping.problems import Problem

WORD = re.compile(r"[^\s,\[\]{}:#]+")
MOST_UNDERLINED = 200


class QuickFix(NamedTuple):
    """A change that an editor offers, for the problem that it answers."""

    title: str
    edit: Replacement
    problem: Problem


def underlined(problem: Problem, lines: TextLines) -> Range:
    """Return the range of a problem: what is written wrong, else the word where it is."""
    start = lines.at(problem)
    if problem.fix is not None and (found := _written(problem, lines)) is not None:
        return found
    match = WORD.match(lines.text, start, start + MOST_UNDERLINED)
    return lines.range(start, match.end() if match else min(start + 1, len(lines.text)))


def changes(problems: list[Problem], lines: TextLines, wanted: Range) -> list[QuickFix]:
    """Return the changes for the problems that touch a range."""
    found = []
    for problem in problems:
        place = underlined(problem, lines)
        if problem.fix is None or place.start > wanted.end or place.end < wanted.start:
            continue
        written = _written(problem, lines)
        if written is not None:
            title = f"Replace {problem.fix.written} with {problem.fix.better}"
            found.append(QuickFix(title, Replacement(written, problem.fix.better), problem))
    return found


def _written(problem: Problem, lines: TextLines) -> Range | None:
    """Return where the mistake of a problem is written; None where it is written with escapes, or differently."""
    assert problem.fix is not None
    start = lines.at(problem)
    if lines.text[start : start + 1] in ("'", '"'):
        start += 1
    if not problem.fix.written or not lines.text.startswith(problem.fix.written, start):
        return None
    return lines.range(start, start + len(problem.fix.written))
