"""All problems of one file: a mapping with its examples, or a file of shared parts.

It imports what it needs when it runs, because `engine validate-mappings --help` loads this module.
"""

from __future__ import annotations

from pathlib import Path

from engine.mapping.load import Library
from engine.mapping.problems import Problem


def check_file(library: Library, path: Path) -> list[Problem]:
    """Return the problems of one file, a mapping or a file of shared parts.

    Whatever is in it, the others are still checked: a file that is too much for Python has that as its problem.
    """
    try:
        return _check_file(library, path)
    except (MemoryError, RecursionError, SyntaxError):
        from engine.testing.examples import too_much

        return [too_much(path)]


def _check_file(library: Library, path: Path) -> list[Problem]:
    if path.parent.name == "parts":
        from engine.mapping.checks import check_parts

        return check_parts(path, library.read_document)
    from engine.testing.examples import validate

    return validate(library.read(path))
