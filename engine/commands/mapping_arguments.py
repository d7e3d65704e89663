"""Mappings named on the command line: by name, by file, or all of a folder; only those without problems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import MappingError, UsageError

if TYPE_CHECKING:
    from engine.mapping.load import Library, Loaded


def load_all(library: Library, name: str) -> list[Loaded]:
    """Load a mapping, or all of a folder; raises MappingNotFound with the nearest name, UsageError for no mappings."""
    if not Path(name).is_dir():
        return [library.load(name)]
    files = sorted([*Path(name).glob("*.yaml"), *Path(name).glob("*.yml")])
    if not files:
        raise UsageError(f"There are no mappings (*.yaml) in {name}.")
    return [library.read(path) for path in files]


def without_problems(found: list[Loaded]) -> list[Loaded]:
    """Return the mappings if they have no errors; raises MappingError with all of them."""
    from engine.mapping.checks import check

    problems = [problem for loaded in found for problem in check(loaded) if problem.level == "error"]
    if problems:
        raise MappingError(problems)
    return found
