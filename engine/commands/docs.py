"""`engine docs`: the pages that messages refer to, from a wheel as from a checkout, and pages made from mappings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.mapping_arguments import load_all, without_problems
from engine.commands.options import mappings_option
from engine.commands.shared import FOUND, counted, did_you_mean
from engine.errors import UsageError
from engine.mapping import bundled

if TYPE_CHECKING:
    from engine.mapping.load import Library, Loaded

INDEX = "README"


@click.command("docs")
@click.argument("name", default=INDEX, metavar="[PAGE|MAPPING|FOLDER]")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write a page for each mapping, and an index, README.md, into this folder.",
)
@click.option("--check", is_flag=True, help="Only say which pages in --output are missing or out of date.")
@mappings_option
def command(name: str, output: Path | None, check: bool, directories: tuple[Path, ...]) -> int:
    """Print PAGE of the documentation, such as `language`; without PAGE, the list of pages.

    For a MAPPING, a name or a file, prints the page of its destination, made from the mapping: settings, limits,
    calls, fields, errors, examples. For a FOLDER of mappings, the index. What is the name of a page is a page; write
    `./language.yaml` for a mapping of the same name.

    Exit code 0: fine; 1: pages are out of date (--check), or a mapping has problems; 2: wrong usage.
    """
    if check and output is None:
        raise UsageError("--check needs --output FOLDER: the folder with the pages to check.")
    pages = {path.stem: path for path in sorted(bundled("docs").glob("*.md"))}
    pages["destinations"] = bundled("docs") / "destinations" / "README.md"
    page = name.removeprefix("docs/").removesuffix(".md")
    if page in pages and output is None:
        click.echo_via_pager(pages[page].read_text(encoding="utf-8").rstrip("\n"))  # it ends the text with one
        return 0
    return _of_mappings(name, output, check, directories, list(pages))


def _of_mappings(name: str, output: Path | None, check: bool, directories: tuple[Path, ...], known: list[str]) -> int:
    from engine.mapping.load import Library
    from engine.pages.folder import index_page
    from engine.pages.folder import pages as pages_of
    from engine.pages.page import destination_page

    library = Library(directories or None)
    loaded = without_problems(_found(library, name, known))
    if output is not None:
        return _checked(output, pages_of(loaded)) if check else _written(output, pages_of(loaded))
    text = index_page([each.mapping for each in loaded]) if Path(name).is_dir() else destination_page(loaded[0])
    click.echo_via_pager(text.rstrip("\n"))
    return 0


def _found(library: Library, name: str, known: list[str]) -> list[Loaded]:
    """Load a mapping, or all of a folder; an unknown name gets the nearest page or mapping."""
    is_path = name.endswith((".yaml", ".yml")) or "/" in name or Path(name).is_dir()
    if not is_path and name not in library.names():
        names = sorted({*library.names(), *(each for each in known if each != INDEX)})
        advice = did_you_mean(name.removesuffix(".md"), names)
        raise UsageError(f'There is no page and no mapping "{name}". {advice}')
    return load_all(library, name)


def _checked(output: Path, wanted: dict[str, str]) -> int:
    from engine.pages.folder import stale

    found = stale(output, wanted)
    for each in found:
        click.echo(f"{each.path} {each.reason}.")
    if not found:
        click.echo(f"{counted(len(wanted), 'page')} up to date.")
        return 0
    click.echo("Make them again: the same command without --check.")
    return FOUND


def _written(output: Path, wanted: dict[str, str]) -> int:
    from engine.pages.folder import write

    changed, gone = write(output, wanted)
    for path in changed:
        click.echo(f"wrote {path}")
    for path in gone:
        click.echo(f"removed {path}")
    click.echo(f"{counted(len(wanted), 'page')}, {len(changed)} written, {len(gone)} removed.")
    return 0
