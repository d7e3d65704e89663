"""`engine outbox`: what is in a durable queue, and what a person can do about it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import (
    OUTBOX_FILE,
    SettingsOptions,
    check_connection,
    parse_time,
    selected_rows,
    selection,
    settings_options,
    with_outbox,
)
from engine.commands.output.text import Display, local_time
from engine.commands.shared import CommandGroup, counted
from engine.delivery.outbox.base import DEFAULT_FILE, Chosen, outbox_command, resume_command
from engine.errors import UsageError
from engine.language.texts import visible
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Listed, Outbox, Purged
    from engine.plan import Connection
    from engine.records import Report

OUTCOMES = [outcome.value for outcome in Outcome if outcome is not Outcome.PLANNED]
FINAL = (Outcome.DELIVERED, Outcome.IGNORED, Outcome.INVALID, Outcome.REJECTED)
SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)
SHOWN = 50
MOST_ROWS = 2**31 - 1


@click.group("outbox", cls=CommandGroup)
@click.option(
    "--outbox",
    "path",
    type=OUTBOX_FILE,
    metavar="FILE",
    default=DEFAULT_FILE,
    show_default=True,
    help="The outbox file.",
)
@click.pass_context
def command(context: click.Context, path: Path) -> None:
    """Inspect an outbox: what was delivered, what is waiting, what was set aside and why; send events again.

    --outbox may precede or follow the command's name.
    """
    context.obj = path


@command.command("status")
@with_outbox
def status(outbox: Outbox) -> None:
    """Count events by connection and outcome, with reasons."""
    from engine.commands.output.summary import delivery_text
    from engine.delivery.observers import MOST_REASONS

    overview = outbox.overview(MOST_REASONS)
    click.echo(delivery_text(Display(sys.stdout), overview))
    for row in overview.connections:
        if row.name in overview.unfinished:
            count, oldest = overview.unfinished[row.name]
            click.echo(f"{row.name}: {count} unfinished; the oldest was queued {local_time(oldest)}.")
        if row.alarm:
            click.echo(f"{row.name}: {row.alarm}.")
        if row.held:
            click.echo(
                f"{row.name} has been held since {local_time(row.held_at)}. Once the cause is fixed, run: "
                f"{resume_command(row.name, outbox.path)}"
            )
        elif row.due is not None and row.name not in overview.unfinished:  # otherwise it is in the table
            click.echo(f"{row.name} is paused: {visible(row.pause.rstrip('.'))}. Next try: {local_time(row.due)}.")


@command.command("list")
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
def listing(
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
        click.echo(_row_text(display, row, row.outcome, reason))


def _row_text(display: Display, row: Listed, outcome: Outcome, reason: str) -> str:
    painted = display.paint(f"{outcome.value:<9}", outcome.value)
    return f"{row.event:>6}  {visible(row.message_id)}  {row.connection}  {painted}  {visible(reason)}"


@command.command("show")
@click.argument("event", metavar="ID")
@with_outbox
def show(outbox: Outbox, event: str) -> None:
    """Show one event and how it ended for each connection, with the reports of what was converted or left out.

    ID is the event's ID in the outbox, or its messageId.
    """
    import orjson

    display = Display(sys.stdout)
    rows = outbox.listed(Chosen(event=event), 0, SHOWN)
    if not rows:
        raise _no_event(outbox, event)
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


@command.command("replay")
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
def replay(
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
        raise _no_event(outbox, event)
    return rows


def _no_event(outbox: Outbox, event: str) -> UsageError:
    shown = outbox_command("list", outbox.path)
    return UsageError(f"There is no event {visible(event)} in this outbox; {shown} shows the events.")


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
            click.echo(_row_text(display, row, plan.outcome, plan.reason))
    if verbose:
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "No events were set aside.")
    return found


@command.command("resume")
@click.argument("connection", metavar="CONNECTION")
@with_outbox
def resume(outbox: Outbox, connection: str) -> None:
    """Resume a held or paused connection.

    A running `engine serve` then sends what is waiting, or the next `engine send`.
    """
    check_connection(outbox, connection)
    [row] = outbox.connections(connection)
    outbox.resume(connection)
    what = "resumed" if row.held or row.due is not None else "was not held or paused"
    click.echo(f"{connection} {what}; {counted(outbox.unfinished(connection)[0], 'event')} to send.")


@command.command("purge")
@click.option("--older-than", required=True, metavar="TIME", help="Remove what ended before then: 30d, or a date.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice([outcome.value for outcome in FINAL]),
    help="Only events that ended these ways.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, but remove nothing.")
@with_outbox
def purge(outbox: Outbox, older_than: str, outcomes: tuple[str, ...], dry_run: bool) -> None:
    """Remove events that ended long ago. Without --outcome this includes rejected and invalid ones.

    Waiting and held events always stay. An event is removed once it has ended this way for all its connections; its
    messageId is then forgotten, and it cannot be replayed.
    """
    remove = outbox.purgeable if dry_run else outbox.purge
    purged = remove(parse_time(older_than, time.time()), tuple(map(Outcome, outcomes)))
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{counted(purged.events, 'event')} {verb}{_outcomes_text(purged)}.")


def _outcomes_text(purged: Purged) -> str:
    """Count how the removed events had ended; an event of several connections, or with duplicates, several times."""
    if not purged.outcomes:
        return ""
    counts = [f"{purged.outcomes[each]} {each.value}" for each in Outcome if each in purged.outcomes]
    same = sum(purged.outcomes.values()) == purged.events
    return f": {', '.join(counts)}{'' if same else ' (counted for each connection and duplicate)'}"
