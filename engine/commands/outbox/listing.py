"""`engine outbox list`: events, one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    selected_rows,
    selection,
    with_outbox,
)
from engine.commands.outbox.shared import SHOWN, row_text
from engine.commands.output.text import Display
from engine.commands.shared import counted
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed, Outbox


OUTCOMES = [outcome.value for outcome in Outcome if outcome is not Outcome.PLANNED]
MOST_ROWS = 2**31 - 1


@click.command("list")
@click.option("--connection", metavar="NAME", help="Only this connection.")
@click.option(
    "--outcome", "outcomes", multiple=True, type=click.Choice(OUTCOMES), help="Only this outcome. Repeatable."
)
@click.option("--since", metavar="TIME", help="Only what changed since then: 2h, 7d, or a date.")
@click.option(
    "--limit", type=click.IntRange(1, MOST_ROWS), default=SHOWN, show_default=True, help="Show at most N events."
)
@click.option("--skip", type=click.IntRange(0, MOST_ROWS), default=0, help="Skip N events, to see the next page.")
@click.option("--first", is_flag=True, help="Show the oldest events instead of the newest.")
@with_outbox
def command(
    outbox: Outbox,
    connection: str | None,
    outcomes: tuple[str, ...],
    since: str | None,
    limit: int,
    skip: int,
    first: bool,
) -> None:
    """List the newest events, the newest last.

    One line per event, in queue order: ID, messageId, connection, outcome, reason.
    """
    display = Display(sys.stdout)
    selected = selection(outbox, connection, tuple(map(Outcome, outcomes)), since)
    shown = skip + limit
    more = outbox.count(selected) - shown
    if first:
        _print_rows(display, islice(selected_rows(outbox, selected), skip, shown))
        if more > 0:
            click.echo(f"{counted(more, 'later event')} not shown; --first --skip {shown} shows the next page.")
        return
    if more > 0:
        click.echo(
            f"{counted(more, 'earlier event')} not shown; --skip {shown} shows the page before, --first the oldest."
        )
    _print_rows(display, outbox.newest(selected, skip, limit))


def _print_rows(display: Display, rows: Iterable[Listed]) -> None:
    for row in rows:
        reason = f"{row.reason} | {row.error}" if row.error else row.reason
        click.echo(row_text(display, row, row.outcome, reason))
