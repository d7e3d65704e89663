"""`engine outbox replay`: what was set aside goes back into the queue, all of it or what a mapping can make use of."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.outbox_options import ENDS, FILE, chosen_of, events_text, rows_of, with_outbox
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed, Outbox
    from engine.plan import Connection

DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)


@click.command("replay")
@click.argument("events", nargs=-1, metavar="[ID...]")
@click.option("--connection", metavar="NAME", help="Only this connection.")
@click.option("--only-rejected", is_flag=True, help="What the vendor refused, without what was invalid.")
@click.option("--since", metavar="TIME", help="Only what ended since: 2h, 7d, or a date.")
@click.option("--mapping", metavar="NEW.yaml", help="Only what this mapping makes requests of.")
@click.option("--dry-run", is_flag=True, help="Say what would be queued again, and queue nothing.")
@click.option("--settings", "settings_file", type=FILE, help="Settings for --mapping: destination -> settings.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting for --mapping.")
@click.option("--example-settings", is_flag=True, help="Use the mapping's examples for settings not given.")
@click.option("--mappings", "directories", multiple=True, type=DIRECTORY, help="Where your own mappings are.")
@with_outbox
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    outbox: Outbox,
    events: tuple[str, ...],
    connection: str | None,
    only_rejected: bool,
    since: str | None,
    mapping: str | None,
    dry_run: bool,
    settings_file: Path | None,
    assignments: tuple[str, ...],
    example_settings: bool,
    directories: tuple[Path, ...],
) -> None:
    """Queue rejected and invalid events again, behind everything that waits.

    A running `engine serve` then sends them; where there is none, `engine send` does.

    With IDs: those events, whatever became of them. Events are planned anew when they are sent, so a mapping that
    was corrected meanwhile is used. What a vendor had accepted of an event is not sent again under the same mapping.
    """
    from engine.commands.connection_options import connect

    outcomes = (Outcome.REJECTED,) if only_rejected else SET_ASIDE
    rows = list(rows_of(outbox, chosen_of(outbox, connection, outcomes, since)))
    if events:
        rows = [row for each in events for row in rows_of(outbox, chosen_of(outbox, connection, (), since, each))]
        rows = [row for row in _once(rows) if row.outcome in ENDS]
    if mapping is not None:
        named = connect([mapping], directories, settings_file, assignments, example_settings=example_settings)
        rows = _that_would_go(outbox, rows, named[0].connection, tell=dry_run)
    places = list(dict.fromkeys(row.place for row in rows))
    if not dry_run:
        outbox.replay(places, "queued again by a person", time.time())
    verb = "would be" if dry_run else "is" if len(places) == 1 else "are"
    click.echo(f"{events_text(len(places))} {verb} queued again.")


def _once(rows: Sequence[Listed]) -> list[Listed]:
    """Return each event once for each connection: its duplicates may be states of the event itself."""
    from engine.delivery.outbox.base import DUPLICATE

    found: dict[tuple[int, str], Listed] = {}
    for row in sorted(rows, key=lambda row: row.reason == DUPLICATE):
        found.setdefault((row.event, row.connection), row)
    return list(found.values())


def _that_would_go(outbox: Outbox, rows: list[Listed], connection: Connection, *, tell: bool) -> list[Listed]:
    """Return the events a mapping makes requests of; tell of each what it makes of it."""
    from engine.commands.output.text import painter, visible
    from engine.delivery.outbox.base import Waiting
    from engine.delivery.sending.jobs import normalized

    paint = painter(sys.stdout)
    found, counts = [], Counter[str]()
    for row in rows:
        event = outbox.event(row.event)
        if event is None:
            continue
        given = Waiting(row.place, row.event, event.message_id, event.received_at, event.raw, None, None, None, 0.0)
        plan = connection.plan_normalized(normalized(given))
        counts[plan.outcome.value] += 1
        if plan.outcome is Outcome.PLANNED:
            found.append(row)
        if tell:
            outcome = paint(plan.outcome.value, plan.outcome.value)
            click.echo(
                f"{row.event:>6}  {visible(row.message_id)}  {row.connection}  {outcome}  {visible(plan.reason)}"
            )
    if tell:
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "Nothing was set aside.")
    return found
