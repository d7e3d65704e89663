"""`engine validate-mappings`: all problems of all files in one run, for people or for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from engine.commands.options import DIRECTORY
from engine.commands.shared import FOUND, HELP_SETTINGS, counted
from engine.errors import MappingNotFound
from engine.files import not_a_file
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.problems import Problem
from engine.testing.files import check_file
from engine.testing.kinds import kind_of

CONNECTIONS = "connections.yaml"
OTHER_CHECK = "{file} is left out: engine connections check {file} checks it."


@click.command("validate-mappings", context_settings=HELP_SETTINGS)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Text for people, a JSON list, or GitHub workflow annotations.",
)
@click.option(
    "--mappings",
    "directories",
    multiple=True,
    type=DIRECTORY,
    metavar="FOLDER",
    help="Folder to search for `extends` and `include`, after the file's own. Repeatable.",
)
def command(paths: tuple[Path, ...], style: str, directories: tuple[Path, ...]) -> int:
    """Check mapping files, or all in a folder (default: the folder mappings), and run their examples.

    A file of audiences (audiences.yaml) is checked as well.

    Exit code 0: no problems (warnings are shown); 1: problems; 2: wrong usage.
    """
    library = Library(directories or None)
    files = list(dict.fromkeys(mapping_files(paths or (default_folder(),))))
    problems = sorted({*_duplicates(files), *(problem for path in files for problem in _check(library, path))})
    {"text": _text, "json": _json, "github": _github}[style](problems, len(files))
    return FOUND if any(problem.level == "error" for problem in problems) else 0


def _check(library: Library, path: Path) -> list[Problem]:
    if kind_of(path) != "audiences":
        return check_file(library, path)
    from engine.audiences.checking import check_definitions

    return check_definitions(path)


def default_folder() -> Path:
    """Return the folder `mappings`; raises MappingNotFound."""
    here = Path("mappings")
    if not here.is_dir():
        raise MappingNotFound("There is no folder named mappings here; name the files or folders to check.")
    return here


def mapping_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as they are, and of folders the mappings and parts in them; raises MappingNotFound."""
    for path in paths:
        if path.is_dir():
            found = sorted([*path.glob("*.yaml"), *path.glob("*.yml"), *path.glob("parts/*.yaml")])
            if path / CONNECTIONS in found and kind_of(path / CONNECTIONS) is None:
                found.remove(path / CONNECTIONS)
                click.echo(OTHER_CHECK.format(file=path / CONNECTIONS), err=True)
            if not found:
                raise MappingNotFound(f"There are no mappings (*.yaml) in {path}.")
            yield from found
        elif path.exists():
            yield path
        elif path.is_symlink() and (fault := not_a_file(path)):
            raise MappingNotFound(f"{path} {fault}.")
        else:
            shipped = bundled("mappings") / f"{path}.yaml"
            advice = f" This command expects a file, such as {path}.yaml." if shipped.is_file() else ""
            raise MappingNotFound(f"There is no file {path}.{advice}")


def _duplicates(files: list[Path]) -> Iterator[Problem]:
    first: dict[tuple[str, bool], Path] = {}
    for path in files:
        key = (path.stem, path.parent.name == "parts")
        if key in first:
            message = f"Another mapping has this name: {first[key].as_posix()}."
            yield Problem(path.as_posix(), 1, 1, "", "duplicate-name", message, "Rename one of the two files.")
        first.setdefault(key, path)


def _text(problems: list[Problem], files: int) -> None:
    from engine.commands.output.events import problem_texts
    from engine.commands.output.text import Display

    for line in problem_texts(problems, Display(sys.stdout)):
        click.echo(line)
    click.echo(_counts(problems, files))


def _counts(problems: list[Problem], files: int) -> str:
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = counted(errors, "problem") + (f", {counted(warnings, 'warning')}" if warnings else "")
    return f"{counts} in {counted(files, 'file')}."


def _json(problems: list[Problem], _files: int) -> None:
    import orjson

    from engine.language.texts import visible_lines

    found = [problem.as_json() for problem in problems]
    click.echo(visible_lines(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()))


def _github(problems: list[Problem], files: int) -> None:
    for problem in problems:
        click.echo(problem.github())
    click.echo(_counts(problems, files))
