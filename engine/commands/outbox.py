"""`engine outbox`: what is in a durable queue, and what a person can do about it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from engine.errors import UsageError
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox import Outbox
    from engine.delivery.rows import Chosen, Listed
    from engine.plan import Connection

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
OUTCOMES = [outcome.value for outcome in Outcome if outcome is not Outcome.PLANNED]
SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)
CHUNK = 500
SHOWN = 50
P = ParamSpec("P")


@click.group("outbox")
@click.option("--outbox", "path", type=FILE, default=Path("outbox.db"), show_default=True, help="The durable queue.")
@click.pass_context
def command(context: click.Context, path: Path) -> None:
    """Look into an outbox: what was delivered, what waits, what was set aside and why; and send it again."""
    context.obj = path


def _with_outbox(work: Callable[Concatenate[Outbox, P], None]) -> Callable[P, None]:
    """Open the outbox when the command is carried out, so that `--help` needs none."""

    @wraps(work)
    def opening(*args: P.args, **kwargs: P.kwargs) -> None:
        from engine.commands.delivering import opened

        with opened(click.get_current_context().obj) as outbox:
            work(outbox, *args, **kwargs)

    return opening


@command.command("status")
@_with_outbox
def status(outbox: Outbox) -> None:
    """Count events by connection and outcome, with the commonest reasons."""
    from engine.commands.delivering import counts_text, when
    from engine.commands.layout import painter
    from engine.delivery.tally import MOST_REASONS

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
@click.option("--limit", type=click.IntRange(1), default=SHOWN, show_default=True)
@_with_outbox
def listing(outbox: Outbox, connection: str | None, outcomes: tuple[str, ...], since: str | None, limit: int) -> None:
    """List events, one a line, in the order of the queue: ID, messageId, connection, outcome, reason."""
    from engine.commands.layout import painter, visible

    paint = painter(sys.stdout)
    chosen = _chosen(connection, tuple(map(Outcome, outcomes)), since)
    rows = outbox.listed(chosen, 0, limit + 1)
    for row in rows[:limit]:
        outcome = paint(f"{row.outcome.value:<9}", row.outcome.value)
        click.echo(f"{row.event:>6}  {visible(row.message_id)}  {row.connection}  {outcome}  {visible(_why(row))}")
    if len(rows) > limit:
        click.echo(f"There are more; --limit shows more than {limit}.")


@command.command("show")
@click.argument("event", metavar="ID")
@_with_outbox
def show(outbox: Outbox, event: str) -> None:
    """Show one event (by its ID or messageId) and how it ended for each connection."""
    import orjson

    from engine.commands.delivering import when
    from engine.commands.layout import folded, painter, visible
    from engine.delivery.rows import Chosen

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
            if row.words:
                click.echo(f"    the vendor: {visible(row.words)}")
        try:
            lines = folded(orjson.loads(found.raw), 2)
        except orjson.JSONDecodeError:
            lines = [f"  {visible(found.raw[:1000].decode(errors='replace'))}"]
        click.echo("\n".join(lines))


@command.command("replay")
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
@_with_outbox
def replay(  # noqa: PLR0913, PLR0917  the options are what they are
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
    """Queue rejected and invalid events again, behind everything that waits; `engine send` then sends them.

    With IDs: those events, whatever became of them. Events are planned anew when they are sent, so a mapping that
    was corrected meanwhile is used. What a vendor had accepted of an event is not sent again under the same mapping.
    """
    from engine.commands.connections import connect

    outcomes = (Outcome.REJECTED,) if only_rejected else SET_ASIDE
    rows = list(_rows(outbox, _chosen(connection, outcomes, since)))
    if events:
        every = tuple(map(Outcome, OUTCOMES))
        rows = [row for each in events for row in _rows(outbox, _chosen(connection, every, since, each))]
        rows = [row for row in rows if row.outcome not in (Outcome.WAITING, Outcome.HELD)]
    if mapping is not None:
        named = connect([mapping], directories, settings_file, assignments, example_settings=example_settings)
        rows = _that_would_go(outbox, rows, named[0].connection, tell=dry_run)
    places = list(dict.fromkeys(row.place for row in rows))
    if not dry_run:
        outbox.replay(places, "queued again by a person", time.time())
    verb = "would be" if dry_run else "is" if len(places) == 1 else "are"
    click.echo(f"{_events(len(places))} {verb} queued again.")


def _that_would_go(outbox: Outbox, rows: list[Listed], connection: Connection, *, tell: bool) -> list[Listed]:
    """Give the events a mapping makes requests of; tell of each what it makes of it."""
    from engine.commands.layout import painter, visible
    from engine.delivery.jobs import normalised
    from engine.delivery.rows import Waiting

    paint = painter(sys.stdout)
    found, counts = [], Counter[str]()
    for row in rows:
        event = outbox.event(row.event)
        if event is None:
            continue
        given = Waiting(row.place, row.event, event.message_id, event.received_at, event.raw, None, None, None, 0.0)
        plan = connection.plan_normalised(normalised(given))
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


@command.command("resume")
@click.argument("connection", metavar="CONNECTION")
@_with_outbox
def resume(outbox: Outbox, connection: str) -> None:
    """Let a held or pausing connection go on; `engine send` then sends what waits."""
    from engine.mapping.suggest import closest

    if not outbox.resume(connection):
        known = [row.name for row in outbox.connections()]
        guess = closest(connection, known)
        advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known) or 'none'}."
        raise UsageError(f"This outbox has no connection {connection}. {advice}")
    click.echo(f"{connection} goes on; {_events(outbox.unfinished(connection)[0])} to send.")


@command.command("purge")
@click.option("--older-than", required=True, metavar="TIME", help="30d, or a date: what ended before is removed.")
@_with_outbox
def purge(outbox: Outbox, older_than: str) -> None:
    """Remove events that ended long ago; what waits or is held always stays. Their messageIds are forgotten, too."""
    from engine.commands.delivering import moment

    _, gone = outbox.purge(moment(older_than, time.time()))
    click.echo(f"{_events(gone)} removed.")


def _chosen(
    connection: str | None, outcomes: tuple[Outcome, ...], since: str | None, event: str | None = None
) -> Chosen:
    from engine.commands.delivering import moment
    from engine.delivery.rows import Chosen

    return Chosen(connection, outcomes, None if since is None else moment(since, time.time()), event)


def _rows(outbox: Outbox, chosen: Chosen) -> Iterator[Listed]:
    after = 0
    while rows := outbox.listed(chosen, after, CHUNK):
        yield from rows
        after = rows[-1].place


def _why(row: Listed) -> str:
    return f"{row.reason} | {row.words}" if row.words else row.reason


def _events(count: int) -> str:
    return f"{count} event" + ("" if count == 1 else "s")
