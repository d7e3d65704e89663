"""`engine docs`: the pages that messages refer to, from a wheel as from a checkout."""

from __future__ import annotations

import click

from engine.commands.shared import did_you_mean
from engine.errors import UsageError
from engine.mapping import bundled

INDEX = "README"


@click.command("docs")
@click.argument("page", default=INDEX, metavar="[PAGE]")
def command(page: str) -> None:
    """Print PAGE of the documentation, such as `language`; without PAGE, the list of pages."""
    pages = {path.stem: path for path in sorted(bundled("docs").glob("*.md"))}
    name = page.removeprefix("docs/").removesuffix(".md")
    if name not in pages:
        raise UsageError(f'There is no page "{page}". {did_you_mean(name, sorted(pages.keys() - {INDEX}))}')
    click.echo_via_pager(pages[name].read_text(encoding="utf-8").rstrip("\n"))  # it ends the text with one
