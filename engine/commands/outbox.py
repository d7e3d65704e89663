"""`engine outbox`: what is in a durable queue, and what a person can do about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.outbox_options import ENDS, FILE, check, chosen_of, events_text, rows_of, with_outbox
from engine.commands.replay import command as replay
from engine.errors import UsageError
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.commands.output.text import Paint
    from engine.delivery.outbox.base import Listed, Outbox, Purged

OUTCOMES = [outcome.value for outcome in Outcome if outcome is not Outcome.PLANNED]
WAYS_TO_END = [outcome.value for outcome in ENDS]
SHOWN = 50


@click.group("outbox")
@click.option("--outbox", "path", type=FILE, default=Path("outbox.db"), show_default=True, help="The durable queue.")
@click.pass_context
def command(context: click.Context, path: Path) -> None:
    """Look into an outbox: what was delivered, what waits, what was set aside and why; and send it again.

    --outbox may stand before or behind the command's name.
    """
    context.obj = path


@command.command("status")
@with_outbox
def status(outbox: Outbox) -> None:
    """Count events by connection and outcome, with the commonest reasons."""
    from engine.commands.output.text import painter
    from engine.commands.shared import counts_text, when
    from engine.delivery.observers import MOST_REASONS

    seen = outbox.overview(MOST_REASONS)
    click.echo(counts_text(painter(sys.stdout), seen))
    for row in seen.connections:
        if row.name in seen.unfinished:
            count, oldest = seen.unfinished[row.name]
            click.echo(f"{row.name}: {count} unfinished, the oldest queued {when(oldest)}.")
        if row.held:
            click.echo(
                f"{row.name} is held since {when(row.held_at)}; when it is put right: engine outbox resume {row.name}"
            )
        elif row.due is not None and row.name not in seen.unfinished:  # otherwise the table says it
            click.echo(f"{row.name} pauses: {row.pause.rstrip('.')}. The next try: {when(row.due)}.")


@command.command("list")
@click.option("--connection", metavar="NAME", help="Only this connection.")
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(OUTCOMES), help="Only these outcomes.")
@click.option("--since", metavar="TIME", help="Only what changed since: 2h, 7d, or a date.")
@click.option("--limit", type=click.IntRange(1), default=SHOWN, show_default=True, help="Show so many of them.")
@click.option("--skip", type=click.IntRange(0), default=0, help="First leave out so many, for the next page.")
@click.option("--first", is_flag=True, help="Show the oldest instead of the newest.")
@with_outbox
def listing(
    outbox: Outbox,
    connection: str | None,
    outcomes: tuple[str, ...],
    since: str | None,
    limit: int,
    skip: int,
    first: bool,
) -> None:
    """List the newest events, one a line, in the order of the queue: ID, messageId, connection, outcome, reason.

    The newest stands last, as in a log.
    """
    from engine.commands.output.text import painter

    paint = painter(sys.stdout)
    chosen = chosen_of(outbox, connection, tuple(map(Outcome, outcomes)), since)
    every, shown = outbox.count(chosen), skip + limit
    more = every - shown
    if first:
        _print_rows(paint, islice(rows_of(outbox, chosen), skip, shown))
        if more > 0:
            click.echo(f"{_are(more, 'later')} not shown; --first --skip {shown} shows the next.")
        return
    if more > 0:
        click.echo(f"{_are(more, 'earlier')} not shown; --skip {shown} shows those before these, --first the oldest.")
    _print_rows(paint, outbox.newest(chosen, skip, limit))


def _are(count: int, which: str) -> str:
    return f"{count} {which} one is" if count == 1 else f"{count} {which} ones are"


def _print_rows(paint: Paint, rows: Iterable[Listed]) -> None:
    from engine.commands.output.text import visible

    for row in rows:
        outcome = paint(f"{row.outcome.value:<9}", row.outcome.value)
        click.echo(f"{row.event:>6}  {visible(row.message_id)}  {row.connection}  {outcome}  {visible(_why(row))}")


@command.command("show")
@click.argument("event", metavar="ID")
@with_outbox
def show(outbox: Outbox, event: str) -> None:
    """Show one event (by its ID or messageId) and how it ended for each connection."""
    import orjson

    from engine.commands.output.text import folded, painter, visible
    from engine.commands.shared import when
    from engine.delivery.outbox.base import Chosen

    paint = painter(sys.stdout)
    rows = outbox.listed(Chosen(event=event), 0, SHOWN)
    if not rows:
        raise UsageError(f"There is no event {event} in this outbox; engine outbox list shows what there is.")
    for number in dict.fromkeys(row.event for row in rows):
        found = outbox.event(number)
        assert found is not None
        click.echo(paint(f"event {number}  {visible(found.message_id)}  from {visible(found.source)}", "title"))
        click.echo(f"  received {found.received_at}")
        for row in (row for row in rows if row.event == number):
            outcome = paint(row.outcome.value, row.outcome.value)
            click.echo(f"  {row.connection}  {outcome}  {visible(row.reason)}  ({when(row.changed_at)})")
            if row.error:
                click.echo(f"    the vendor: {visible(row.error)}")
        try:
            lines = folded(orjson.loads(found.raw), 2)
        except orjson.JSONDecodeError:
            lines = [f"  {visible(found.raw[:1000].decode(errors='replace'))}"]
        click.echo("\n".join(lines))


command.add_command(replay)


@command.command("resume")
@click.argument("connection", metavar="CONNECTION")
@with_outbox
def resume(outbox: Outbox, connection: str) -> None:
    """Let a held or pausing connection go on: a running `engine serve` then sends what waits, or `engine send` does."""
    check(outbox, connection)
    outbox.resume(connection)
    click.echo(f"{connection} goes on; {events_text(outbox.unfinished(connection)[0])} to send.")


@command.command("purge")
@click.option("--older-than", required=True, metavar="TIME", help="30d, or a date: what ended before is removed.")
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(WAYS_TO_END), help="Only what ended so.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@with_outbox
def purge(outbox: Outbox, older_than: str, outcomes: tuple[str, ...], dry_run: bool) -> None:
    """Remove events that ended long ago, also those set aside (rejected, invalid), unless --outcome says which.

    What waits or is held always stays. An event goes when it has ended so for all its connections; its messageId is
    forgotten then, and it cannot be replayed.
    """
    from engine.commands.shared import moment

    remove = outbox.purgeable if dry_run else outbox.purge
    gone = remove(moment(older_than, time.time()), tuple(map(Outcome, outcomes)))
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{events_text(gone.events)} {verb}{_ends(gone)}.")


def _ends(gone: Purged) -> str:
    """Say how what goes had ended; an event of several connections, or with duplicates, several times."""
    if not gone.outcomes:
        return ""
    counts = [f"{gone.outcomes[each]} {each.value}" for each in Outcome if each in gone.outcomes]
    several = "" if sum(gone.outcomes.values()) == gone.events else " (counted for each connection and duplicate)"
    return f": {', '.join(counts)}{several}"


def _why(row: Listed) -> str:
    return f"{row.reason} | {row.error}" if row.error else row.reason
