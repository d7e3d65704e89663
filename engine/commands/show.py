"""`engine show`: a mapping as its file, with `extends` and `include` resolved, or as the code it is compiled to."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.shared import mappings_option
from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader


@click.command("show")
@click.argument("name")
@click.option(
    "--resolved", "form", flag_value="resolved", help="Resolve extends and include; the result is valid alone."
)
@click.option("--code", "form", flag_value="code", help="Show the Python code the mapping is compiled to.")
@mappings_option
def command(name: str, form: str | None, directories: tuple[Path, ...]) -> None:
    """Print a mapping. NAME is a name or a path. A mapping that extends another is always resolved."""
    loaded = Library(directories or None).load(name)
    loaded.need()
    if form == "code":
        from engine.plan import destination

        click.echo(destination(loaded).compiled.code, nl=False)
    elif form == "resolved" or _extends(loaded):
        from engine.mapping.dump import dumped

        click.echo(dumped(loaded), nl=False)
    else:
        click.echo(loaded.path.read_text(encoding="utf-8-sig"), nl=False)


def _extends(loaded: Loaded) -> bool:
    own = reader.read(loaded.path).value
    return isinstance(own, dict) and "extends" in own
