"""`engine fmt`: mapping files in the canonical layout. A file is replaced as a whole, or not at all."""

from __future__ import annotations

import sys
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.shared import FOUND, counted
from engine.commands.validate import default_folder, mapping_files
from engine.errors import MappingError, UsageError
from engine.files import not_a_file, replace
from engine.formatting.layout import LayoutError, formatted
from engine.language.texts import visible_lines
from engine.mapping.yaml import reader

if TYPE_CHECKING:
    from engine.mapping.yaml.reader import Document

STDIN = "-"


class UnformattableError(Exception):
    """What stands at a path is no regular file."""


@click.command("fmt")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a file is not in the canonical layout.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would be changed, and exit as with --check.")
def command(paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Write mapping files, or all in a folder (default: the folder mappings), in the canonical layout.

    Comments, quotes and numbers stay as they are written, and every value stays the same. - reads standard input and
    writes to standard output.

    Exit code 0: fine; 1: files would be changed (with --check or --diff), or are no YAML; 2: wrong usage.
    """
    if STDIN in paths:
        if len(paths) > 1:
            raise UsageError("- cannot be combined with files.")
        return _standard_input(check=check, diff=diff)
    written = [Path(path) for path in paths] or [default_folder()]
    changed, unreadable, files = 0, 0, 0
    for path in dict.fromkeys(mapping_files(written)):
        files += 1
        try:
            document = _document(path)
            changed += _done(document, path, check=check, diff=diff)
        except MappingError as error:
            unreadable += 1
            _show_problems(error)
        except (LayoutError, UnformattableError) as error:
            unreadable += 1
            click.echo(visible_lines(str(error)), err=True)
    verb = "would be changed" if check or diff else "changed"
    more = f", {counted(unreadable, 'file')} with problems" if unreadable else ""
    click.echo(f"{counted(changed, 'file')} {verb} of {files}{more}.", err=diff)
    return FOUND if unreadable or (changed and (check or diff)) else 0


def _document(path: Path) -> Document:
    """Read a file; a pipe would be waited for, and could not be replaced."""
    if fault := not_a_file(path):
        raise UnformattableError(f"{path} {fault}.")
    return reader.read(path)


def _done(document: Document, path: Path, *, check: bool, diff: bool) -> bool:
    """Format one file; return whether that changes it."""
    text = _formatted(document)
    # Bytes, because the reader takes off a byte order mark.
    if text.encode() == path.read_bytes():
        return False
    if diff:
        _show_difference(document.text, text, document.file)
    elif check:
        click.echo(visible_lines(document.file))
    else:
        replace(path.resolve(), text)  # a link stays a link
        click.echo(visible_lines(document.file))
    return True


def _formatted(document: Document) -> str:
    errors = [problem for problem in document.problems if problem.level == "error"]
    if errors:
        raise MappingError(errors)
    return formatted(document.text, document.file)


def _standard_input(*, check: bool, diff: bool) -> int:
    document = reader.parse(sys.stdin.buffer.read(reader.LARGEST + 1), "stdin")
    text = _formatted(document)
    changed = text != document.text
    if diff:
        _show_difference(document.text, text, document.file)
    elif not check:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    return FOUND if changed and (check or diff) else 0


def _show_difference(old: str, new: str, file: str) -> None:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for line in unified_diff(before, after, f"{file} (now)", f"{file} (formatted)"):
        click.echo(visible_lines(line.rstrip("\r\n")))


def _show_problems(error: MappingError) -> None:
    from engine.commands.output.events import problem_texts
    from engine.commands.output.text import Display

    click.echo("\n".join(problem_texts(error.problems, Display(sys.stderr))), err=True)
