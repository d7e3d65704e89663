"""`engine test --coverage`: what the examples of mappings use, and drafts of the examples that are missing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from engine.commands.options import CoverageOptions
from engine.commands.shared import FOUND
from engine.errors import MappingError
from engine.mapping.load import Library, Loaded
from engine.testing.coverage_report import CoverageReport
from engine.testing.kinds import PARTS


def show_coverage(files: Sequence[Path], options: CoverageOptions) -> int:
    """Print the coverage of mappings and files of parts; return the exit code.

    Raises MappingError where the checker finds errors.
    """
    from engine.testing.coverage_report import percent, report_on

    report = report_on(_without_errors(files), files)
    _print(report, options.style)
    found = percent(report.items)
    if options.fail_under is None or found >= options.fail_under:
        return 0
    message = (
        f"The examples use {found:g} % of what is in the mappings; --fail-under asks for {options.fail_under:g} %."
    )
    click.echo(message, err=True)
    return FOUND


def _without_errors(files: Iterable[Path]) -> list[Loaded]:
    from engine.mapping.checks import check

    library = Library()
    mappings = [library.read(path) for path in files if path.parent.name != PARTS]
    problems = [problem for loaded in mappings for problem in check(loaded) if problem.level == "error"]
    if problems:
        raise MappingError(sorted(problems))
    return mappings


def _print(report: CoverageReport, style: str) -> None:
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
