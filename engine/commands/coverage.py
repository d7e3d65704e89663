"""`engine test --coverage`: what the examples of mappings use, and drafts of the examples that are missing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from engine.commands.shared import FOUND
from engine.commands.validate import default_folder, files_of
from engine.errors import MappingError
from engine.mapping.load import Library, Loaded
from engine.testing.coverage_report import Report


def show_coverage(paths: Sequence[Path], directories: Iterable[Path], style: str, fail_under: float | None) -> int:
    """Print the coverage of the mappings at `paths` as text, json or cobertura; return the exit code.

    Raises MappingError where the checker finds errors, and MappingNotFound.
    """
    from engine.testing.coverage_report import percent, report_on

    files = list(dict.fromkeys(files_of(paths or (default_folder(),))))
    mappings = _without_errors(Library(list(directories) or None), files, frozenset(paths))
    report = report_on(mappings, [path for path in files if _is_part(path) or path in {each.path for each in mappings}])
    _print(report, style)
    found = percent(report.items)
    if fail_under is None or found >= fail_under:
        return 0
    click.echo(
        f"The examples use {found:g} % of what is in the mappings; --fail-under asks for {fail_under:g} %.", err=True
    )
    return FOUND


def _without_errors(library: Library, files: Iterable[Path], named: frozenset[Path]) -> list[Loaded]:
    """Load the mappings among files; a YAML file of a folder that is no mapping is somebody else's."""
    from engine.mapping.checks import check

    found = [library.read(path) for path in files if not _is_part(path)]
    mappings = [loaded for loaded in found if loaded.path in named or _is_mapping(loaded)]
    problems = [problem for loaded in mappings for problem in check(loaded) if problem.level == "error"]
    if problems:
        raise MappingError(sorted(problems))
    return mappings


def _is_part(path: Path) -> bool:
    return path.parent.name == "parts"


def _is_mapping(loaded: Loaded) -> bool:
    value = loaded.resolved.document.value
    return not isinstance(value, dict) or "mapping" in value


def _print(report: Report, style: str) -> None:
    from engine.commands.output import coverage
    from engine.commands.output.text import Display

    if style == "json":
        import orjson

        from engine.language.texts import visible_lines

        click.echo(visible_lines(orjson.dumps(coverage.as_json(report), option=orjson.OPT_INDENT_2).decode()))
    elif style == "cobertura":
        click.echo(coverage.cobertura(report, int(time.time())), nl=False)
    else:
        for line in coverage.text_lines(report, Display(sys.stdout)):
            click.echo(line)
