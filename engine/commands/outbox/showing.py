"""`engine outbox show`: one event, its outcomes and reports."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    with_outbox,
)
from engine.commands.outbox.shared import SHOWN, no_event
from engine.commands.output.text import Display, local_time
from engine.delivery.outbox.base import Chosen
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Outbox
    from engine.records import Report


@click.command("show")
@click.argument("event", metavar="ID")
@with_outbox
def command(outbox: Outbox, event: str) -> None:
    """Show one event and how it ended for each connection, with the reports of what was converted or left out.

    ID is the event's ID in the outbox, or its messageId.
    """
    import orjson

    display = Display(sys.stdout)
    rows = outbox.listed(Chosen(event=event), 0, SHOWN)
    if not rows:
        raise no_event(outbox, event)
    for number in dict.fromkeys(row.event for row in rows):
        found = outbox.event(number)
        assert found is not None
        title = f"event {number}  {visible(found.message_id)}  from {visible(found.source)}"
        click.echo(display.paint(title, "title"))
        click.echo(f"  received {found.received_at}")
        states = [row for row in rows if row.event == number]
        _print_reports(display, [*found.reports, *(each for row in states for each in row.reports.event)], "  ! ")
        for row in states:
            outcome = display.paint(row.outcome.value, row.outcome.value)
            click.echo(f"  {row.connection}  {outcome}  {visible(row.reason)}  ({local_time(row.changed_at)})")
            if row.error:
                click.echo(f"    the vendor: {visible(row.error)}")
            _print_reports(display, row.reports.mapping, "    ! ")
        try:
            lines = display.fold(orjson.loads(found.raw), 2)
        except orjson.JSONDecodeError:
            lines = [f"  {visible(found.raw[:1000].decode(errors='replace'))}"]
        click.echo("\n".join(lines))


def _print_reports(display: Display, reports: Iterable[Report], first: str) -> None:
    """Print reports, each once: every connection has those about the event itself."""
    from engine.commands.output.events import report_lines

    for line in report_lines(dict.fromkeys(reports), first, display):
        click.echo(line, nl=False)
