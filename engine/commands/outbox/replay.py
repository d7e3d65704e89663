"""`engine outbox replay`: queue events again that were set aside."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    SettingsOptions,
    selected_rows,
    selection,
    settings_options,
    with_outbox,
)
from engine.commands.outbox.shared import FINAL, SET_ASIDE, no_event, row_text
from engine.commands.output.text import Display
from engine.commands.shared import counted
from engine.delivery.outbox.base import Chosen
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed, Outbox
    from engine.plan import Connection


@click.command("replay")
@click.argument("events", nargs=-1, metavar="[ID...]")
@click.option("--connection", metavar="NAME", help="Only this connection.")
@click.option("--only-rejected", is_flag=True, help="Only events the vendor rejected, not invalid ones.")
@click.option("--since", metavar="TIME", help="Only events that ended since then: 2h, 7d, or a date.")
@click.option(
    "--mapping", metavar="MAPPING", help="Only events that this mapping (a name or a path) turns into requests."
)
@click.option("--dry-run", is_flag=True, help="Say what would be queued again, but queue nothing.")
@settings_options
@with_outbox
def command(
    outbox: Outbox,
    events: tuple[str, ...],
    connection: str | None,
    only_rejected: bool,
    since: str | None,
    mapping: str | None,
    dry_run: bool,
    settings: SettingsOptions,
) -> None:
    """Queue rejected and invalid events again.

    They are queued behind everything that is waiting. A running `engine serve` sends them, or the next `engine send`.

    With IDs: those events, whichever way they ended. Events are planned again when they are sent, so a mapping
    corrected in the meantime applies. Requests that a vendor accepted are not sent again under the same mapping.

    The options for settings apply only with --mapping.
    """
    from engine.commands.connection_options import connect

    outcomes = (Outcome.REJECTED,) if only_rejected else SET_ASIDE
    rows = list(selected_rows(outbox, selection(outbox, connection, outcomes, since)))
    if events:
        rows = [
            row for each in events for row in _rows_of(outbox, each, selection(outbox, connection, (), since, each))
        ]
        rows = [row for row in _without_duplicates(rows) if row.outcome in FINAL]
    if mapping is not None:
        rows = _planned_rows(outbox, rows, connect([mapping], settings)[0].connection, verbose=dry_run)
    places = list(dict.fromkeys(row.place for row in rows))
    if not dry_run:
        outbox.replay(places, "queued again by a person", time.time())
    click.echo(f"{counted(len(places), 'event')} {'would be ' if dry_run else ''}queued again.")


def _rows_of(outbox: Outbox, event: str, chosen: Chosen) -> list[Listed]:
    """Return the states of an event that a person named."""
    rows = list(selected_rows(outbox, chosen))
    if not rows and not outbox.count(Chosen(event=event)):
        raise no_event(outbox, event)
    return rows


def _without_duplicates(rows: Sequence[Listed]) -> list[Listed]:
    """Return each event once for each connection: its duplicates may be states of the event itself."""
    from engine.delivery.outbox.base import DUPLICATE

    found: dict[tuple[int, str], Listed] = {}
    for row in sorted(rows, key=lambda row: row.reason == DUPLICATE):
        found.setdefault((row.event, row.connection), row)
    return list(found.values())


def _planned_rows(outbox: Outbox, rows: list[Listed], connection: Connection, *, verbose: bool) -> list[Listed]:
    """Return the events that a mapping turns into requests; `verbose` prints what becomes of each event."""
    from engine.delivery.outbox.base import Waiting
    from engine.delivery.sending.jobs import normalized

    display = Display(sys.stdout)
    found, counts = [], Counter[str]()
    for row in rows:
        event = outbox.event(row.event)
        if event is None:
            continue
        waiting = Waiting(row.place, row.event, *event[1:4], None, None, None, 0.0, event.reports)
        plan = connection.plan_normalized(normalized(waiting))
        counts[plan.outcome.value] += 1
        if plan.outcome is Outcome.PLANNED:
            found.append(row)
        if verbose:
            click.echo(row_text(display, row, plan.outcome, plan.reason))
    if verbose:
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "No events were set aside.")
    return found
