"""`engine delete status`: what became of deletions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from engine.commands.delete.shared import advance, archive_option, code_of, counts_of, held_of, with_outbox_file
from engine.errors import UsageError
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.delivery.outbox.sqlite import SqliteOutbox

SHOWN = 50
NOBODY = "No deletion {of}; one that ended more than two years ago is not listed."


@click.command("status")
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--user", metavar="ID", help="Only deletions of the user with this ID.")
@click.option("--json", "as_lines", is_flag=True, help="Print JSON, a line for each deletion.")
@archive_option
@with_outbox_file
def command(outbox: SqliteOutbox, number: int | None, user: str | None, as_lines: bool, archive: Path | None) -> int:
    """Show the latest deletions, or one with all that became of it. Goes on with those that wait first.

    Exit code 0: all shown are done; 1: a person has to do something; 2: wrong usage; 3: some are not done yet; 4: the
    outbox or the archive cannot be used.
    """
    from engine.commands.output.deletions import as_json, listed_text, report_text
    from engine.commands.output.text import Display
    from engine.delivery.outbox import deletions

    advance(outbox, archive)
    found = outbox.look(lambda db: deletions.listed(db, number=number, user=user, limit=SHOWN))
    if not found and (number or user):
        raise UsageError(NOBODY.format(of=number or f"of {visible(user or '')}"))
    counts = [counts_of(outbox, [each]) for each in found]
    pairs = list(zip(found, counts, strict=True))
    if as_lines:
        for each, removed in pairs:
            click.echo(orjson.dumps(as_json(each, removed)).decode())
    elif number or user:
        held, display = held_of(outbox), Display(sys.stdout)
        click.echo("\n".join(report_text(display, each, removed, held) for each, removed in pairs))
    else:
        click.echo(listed_text(pairs) or "No deletions.")
    return code_of(found)
