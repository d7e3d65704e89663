"""`engine show`: a mapping as its file, as what extends and include make of it, or as the code it runs as."""

from __future__ import annotations

from pathlib import Path

import click

from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader


@click.command("show")
@click.argument("name")
@click.option("--resolved", "what", flag_value="resolved", help="With extends and include worked in; valid by itself.")
@click.option("--code", "what", flag_value="code", help="The Python that the mapping is compiled to.")
@click.option(
    "--mappings",
    "directories",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Where your own mappings are (also ENGINE_MAPPINGS).",
)
def command(name: str, what: str | None, directories: tuple[Path, ...]) -> None:
    """Print a mapping. NAME is a name or a path. A mapping that extends another is shown resolved."""
    loaded = Library(directories or None).load(name)
    loaded.need()
    if what == "code":
        from engine.plan import destination

        click.echo(destination(loaded).compiled.code, nl=False)
    elif what == "resolved" or _extends(loaded):
        from engine.mapping.dump import dumped

        click.echo(dumped(loaded), nl=False)
    else:
        click.echo(loaded.path.read_text(encoding="utf-8-sig"), nl=False)


def _extends(loaded: Loaded) -> bool:
    own = reader.read(loaded.path).value
    return isinstance(own, dict) and "extends" in own
