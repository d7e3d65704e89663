"""One slip, one problem: what several checks say about the same misspelt name becomes one.

A name misspelt where it is used once is told there, and "nothing uses it" of the right one is left out.  A name
misspelt where it is defined is told there: many places of the file agree against one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.mapping.checking import UNUSED_CODES, Checking, Missing, quoted
from engine.mapping.problems import Problem, path_text

SECTIONS = {"parts": "part", "settings": "setting", "requests": "request", "batches": "batch", "saved": "saved value"}


def without_echoes(checking: Checking, problems: Iterable[Problem]) -> list[Problem]:
    """Leave out what another problem says already."""
    kept = list(problems)
    for missing in _by_name(checking.missing):
        first = missing[0]
        unused = [problem for problem in kept if _is_unused(problem, first)]
        if not unused:
            continue
        kept = [problem for problem in kept if problem not in unused]
        said = {each.problem for each in missing}
        if len(said) == 1:
            kept = [_which_nothing_uses(problem, unused[0], first) if problem in said else problem for problem in kept]
        if first.name is not None and len(said) > 1 and all(problem.file == unused[0].file for problem in said):
            kept = [problem for problem in kept if problem not in said]
            kept.append(_at_definition(unused[0], first))
    own = checking.loaded.resolved.document.file
    kept = [problem for problem in kept if problem.code not in UNUSED_CODES or problem.file == own]
    unused_settings = {problem.path for problem in kept if problem.code == "unused-setting"}
    return [each for each in kept if each.code != "setting-without-example" or each.path not in unused_settings]


def _by_name(every: Iterable[Missing]) -> Iterator[list[Missing]]:
    groups: dict[tuple[str, str | None, str], list[Missing]] = {}
    for missing in every:
        if missing.guess is not None:
            groups.setdefault((missing.section, missing.name, missing.guess), []).append(missing)
    yield from groups.values()


def _is_unused(problem: Problem, missing: Missing) -> bool:
    """Whether a problem says that nothing uses the name that was meant."""
    if problem.code not in UNUSED_CODES:
        return False
    name = str(missing.guess)
    if missing.section == "saved":
        return problem.code == "unused-saved" and problem.path.endswith(f".save.{name}")
    return problem.path == path_text((missing.section, name))


def _which_nothing_uses(problem: Problem, unused: Problem, missing: Missing) -> Problem:
    """Name the line of the definition too: it may be the one that is misspelt."""
    if problem.file != unused.file:
        return problem
    guess = f"{missing.guess}?"
    advice = problem.advice.replace(guess, f"{missing.guess} (line {unused.line}), which nothing uses?", 1)
    return replace(problem, advice=advice)


def _at_definition(unused: Problem, missing: Missing) -> Problem:
    word, name = SECTIONS[missing.section], quoted(str(missing.name))
    message = f"The {word} {name} is used in several places, but here it is called {quoted(str(missing.guess))}."
    advice = f"Did you mean {missing.name}?"
    return replace(unused, code=missing.problem.code, message=message, advice=advice)
