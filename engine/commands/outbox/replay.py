"""`engine outbox replay`: queue events again that were set aside, or say first what they would become."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from engine.commands.options import (
    CHUNK,
    FILE,
    SettingsOptions,
    selected_rows,
    settings_options,
    with_outbox,
)
from engine.commands.outbox.filters import Filters, chosen_by, event_filters, nothing_found
from engine.commands.outbox.judges import Judges, ReplayOptions, judges_of
from engine.commands.outbox.shared import FINAL, SET_ASIDE, SHOWN, no_event
from engine.commands.output.text import Display
from engine.commands.shared import FOUND, counted
from engine.delivery.outbox.base import DUPLICATE, QUEUED_AGAIN, Chosen, outbox_command
from engine.errors import UsageError
from engine.language.texts import visible
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.commands.output.replays import ReplayDecision, ReplaySummary
    from engine.delivery.outbox.base import Listed, Outbox
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.delivery.replaying import Preview

R = TypeVar("R")
T = TypeVar("T")
NOT_A_DRY_RUN = "--limit and --format are about --dry-run: add it."
ONLY_REJECTED = "--only-rejected chooses among all events; leave it out where IDs name them."
NOT_JUDGED = "Add --connections FILE or --mapping MAPPING to see what they would become."
ONLY_SET_ASIDE = "Without IDs, replay is about rejected and invalid events; engine outbox list finds all."
STILL_WAITING = "it is still waiting"


class Showing(NamedTuple):
    """How a replay is shown: `limit` is the number of events that a dry run shows at most, None for all."""

    dry_run: bool
    ndjson: bool
    limit: int | None


def judging_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which connections are meant and what judges; the command receives them as `options`."""

    @click.option("--connection", metavar="NAME", help="Only this connection.")
    @click.option(
        "--connections",
        "file",
        type=FILE,
        metavar="FILE",
        help="Judge events by their connections in this file, and queue only those that become requests.",
    )
    @click.option(
        "--mapping",
        metavar="MAPPING",
        help="Judge events by this mapping (a name or a path), such as a corrected one, and queue only those that "
        "become requests. It is for the connection with its name, or for --connection; with --connections, for those "
        "of the file that have a mapping of its name.",
    )
    @settings_options
    @wraps(command)
    def with_judges(
        *, connection: str | None, file: Path | None, mapping: str | None, settings: SettingsOptions, **others: object
    ) -> R:
        return command(options=ReplayOptions(connection, mapping, file, settings), **others)

    return with_judges


def showing_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of a dry run, which the command receives as `showing`."""

    @click.option("--dry-run", is_flag=True, help="Show what each event was and what it would become; queue nothing.")
    @click.option(
        "--limit",
        type=click.IntRange(0),
        metavar="N",
        help=f"With --dry-run: show at most N events (default: {SHOWN}, or all as ndjson); all are counted.",
    )
    @click.option(
        "--format",
        "style",
        type=click.Choice(["text", "ndjson"]),
        help="With --dry-run: text (the default), or ndjson, an object for each event; the rest is on standard error.",
    )
    @wraps(command)
    def with_showing(*, dry_run: bool, limit: int | None, style: str | None, **others: object) -> R:
        if not dry_run and (limit is not None or style is not None):
            raise UsageError(NOT_A_DRY_RUN)
        ndjson = style == "ndjson"
        return command(showing=Showing(dry_run, ndjson, SHOWN if limit is None and not ndjson else limit), **others)

    return with_showing


@click.command("replay")
@click.argument("events", nargs=-1, metavar="[ID...]")
@click.option("--only-rejected", is_flag=True, help="Only events the vendor rejected, not invalid ones.")
@event_filters
@judging_options
@showing_options
@with_outbox
def command(
    outbox: SqliteOutbox,
    events: tuple[str, ...],
    only_rejected: bool,
    filters: Filters,
    options: ReplayOptions,
    showing: Showing,
) -> None:
    """Queue rejected and invalid events again.

    They are queued behind everything that is waiting. A running `engine serve` sends them, or the next `engine send`.

    With IDs: those events, whichever way they ended. Events are planned again when they are sent, so a mapping
    corrected in the meantime applies. Of an event that was not delivered, requests that the vendor accepted are not
    sent again under the same mapping; one that was delivered is sent again whole.

    The options for settings apply only with --mapping, without --connections.

    Exit codes: 0; 1 an event named by ID is not queued; 2 wrong usage, such as an unknown ID: nothing is queued.
    """
    if events and only_rejected:
        raise UsageError(ONLY_REJECTED)
    judges = judges_of(outbox, options)
    outcomes = (Outcome.REJECTED,) if only_rejected else SET_ASIDE
    chosen = chosen_by(outbox, filters._replace(connection=judges.only, outcomes=outcomes), time.time())
    rows: Iterable[Listed] = _named(outbox, events, judges, chosen) if events else set_aside(outbox, chosen, judges)
    summary = _replay(outbox, rows, judges, showing, each=bool(events))
    if filters != Filters() and not (events or summary.queued or summary.left_out):
        given = filters._replace(connection=judges.only)
        for line in [*nothing_found(outbox, given, chosen._replace(outcomes=())), ONLY_SET_ASIDE]:
            click.echo(line, err=showing.ndjson)
    if options.mapping is not None and not showing.dry_run and summary.queued.total():
        click.echo(f"They are planned again when they are sent: deliver with {options.mapping} from now on.")
    if events and summary.left_out:
        click.get_current_context().exit(FOUND)


def _replay(outbox: Outbox, rows: Iterable[Listed], judges: Judges, showing: Showing, *, each: bool) -> ReplaySummary:
    """Queue events, or show what would be queued; `each` tells of each event that is not."""
    from engine.commands.output.replays import ReplaySummary, obstacle

    display, now, summary = Display(sys.stderr if showing.ndjson else sys.stdout), time.time(), ReplaySummary()
    for note in judges.notes:
        _say(display, note, showing)
    decisions = _decisions(outbox, rows, judges, now)
    if showing.dry_run:
        _show(decisions, summary, showing)
    else:
        _queue(outbox, decisions, summary, now, each=each)
    for line in summary.lines(display, dry_run=showing.dry_run):
        click.echo(line, err=showing.ndjson)
    if showing.dry_run and judges.by_name is None and summary.queued.total():
        _say(display, NOT_JUDGED, showing)
    for row in outbox.connections():
        if row.name in summary.waiting and (text := obstacle(row, outbox.path, now)):
            click.echo(text, err=showing.ndjson)
    return summary


def _say(display: Display, text: str, showing: Showing) -> None:
    click.echo(display.wrap(text, "", 0), err=showing.ndjson)


def _show(decisions: Iterator[ReplayDecision], summary: ReplaySummary, showing: Showing) -> None:
    from engine.commands.output.replays import event_json, event_lines

    display, hidden = Display(sys.stdout), 0
    for number, decision in enumerate(decisions):
        summary.add(decision)
        if showing.limit is not None and number >= showing.limit:
            hidden += 1
        elif showing.ndjson:
            click.echo(event_json(decision))
        else:
            click.echo("\n".join(event_lines(display, decision)))
    if hidden:
        click.echo(f"{counted(hidden, 'more event')} not shown; --limit N shows more.", err=showing.ndjson)


def _queue(
    outbox: Outbox, decisions: Iterator[ReplayDecision], summary: ReplaySummary, now: float, *, each: bool
) -> None:
    """Queue events, `CHUNK` in a transaction; with `each`, one, and each that is not queued is shown."""
    for part in _parts((decision._replace(preview=None) for decision in decisions), 1 if each else CHUNK):
        for decision in _queued(outbox, part, now):
            summary.add(decision)
            if each and not decision.queued:
                row = decision.row
                named = f"event {row.event}  {visible(row.message_id)}  {row.connection}"
                click.echo(f"{named}  not queued: {visible(decision.why)}")


def _queued(outbox: Outbox, decisions: list[ReplayDecision], now: float) -> Iterator[ReplayDecision]:
    """Queue what is to be queued; as many as somebody else has purged or queued meanwhile are left out."""
    from engine.delivery.replaying import GONE

    yield from (decision for decision in decisions if not decision.queued)
    wanted = [decision for decision in decisions if decision.queued]
    for name in dict.fromkeys(decision.row.connection for decision in wanted):
        own = [decision for decision in wanted if decision.row.connection == name]
        count = outbox.replay([decision.row.place for decision in own], QUEUED_AGAIN, now)
        yield from own[:count]
        yield from (decision._replace(queued=False, why=GONE) for decision in own[count:])


def _parts(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while part := list(islice(iterator, size)):
        yield part


def set_aside(outbox: Outbox, chosen: Chosen, judges: Judges) -> Iterator[Listed]:
    """Yield the chosen events that are there now, and not those that are refused again while others are queued."""
    last = outbox.last_place()
    for row in takewhile(lambda row: row.place <= last, selected_rows(outbox, chosen)):
        if judges.means(row.connection):
            yield row


def _named(outbox: Outbox, events: Iterable[str], judges: Judges, chosen: Chosen) -> list[Listed]:
    """Return the states of the events that a person named; raises UsageError with all that are not there."""
    found: list[Listed] = []
    wrong: list[str] = []
    for event in events:
        rows = [
            row
            for row in selected_rows(outbox, chosen._replace(outcomes=(), event=event))
            if judges.means(row.connection)
        ]
        found += rows
        if not rows and not outbox.count(Chosen(event=event)):
            wrong.append(f"{no_event(outbox, event)} A purged event cannot be replayed.")
        elif not rows:
            wrong.append(_not_meant(outbox, event, judges, filtered=chosen != Chosen(judges.only, chosen.outcomes)))
    if wrong:
        raise UsageError("\n".join(wrong))
    return _without_duplicates(found)


def _not_meant(outbox: Outbox, event: str, judges: Judges, *, filtered: bool) -> str:
    names = judges.only or ", ".join(judges.by_name or ())
    what = f"is not of {names}" if names else ""
    if filtered:
        what = f"{what}, or does not match the other options" if what else "does not match the other options"
    shown = outbox_command(f"show {shlex.quote(visible(event))}", outbox.path)
    return f"Event {visible(event)} {what}; {shown} shows it."


def _without_duplicates(rows: Iterable[Listed]) -> list[Listed]:
    """Return each event once for each connection: its duplicates may be states of the event itself."""
    found: dict[tuple[int, str], Listed] = {}
    for row in sorted(rows, key=lambda row: row.reason == DUPLICATE):
        found.setdefault((row.event, row.connection), row)
    return list(found.values())


def _decisions(outbox: Outbox, rows: Iterable[Listed], judges: Judges, now: float) -> Iterator[ReplayDecision]:
    """Yield whether each event is queued again, and why not."""
    from engine.delivery.replaying import READ_AT_ONCE

    for part in _parts(rows, READ_AT_ONCE if judges.by_name else CHUNK):
        previews = _previews(outbox, part, judges, now)
        for row in part:
            yield _decision(row, previews.get(row.place), judges)


def _previews(outbox: Outbox, rows: list[Listed], judges: Judges, now: float) -> dict[int, Preview]:
    """Return what the events would become, by place, of those that have a judge and are there."""
    from engine.delivery.replaying import preview, stored

    found: dict[int, Preview] = {}
    for name, judge in (judges.by_name or {}).items():
        own = [row for row in rows if row.connection == name and row.outcome in FINAL]
        if own:
            found.update((each.row.place, each) for each in preview(stored(outbox, own), judge, now))
    return found


def _decision(row: Listed, preview: Preview | None, judges: Judges) -> ReplayDecision:
    from engine.commands.output.replays import ReplayDecision
    from engine.delivery.replaying import GONE

    if row.outcome not in FINAL:
        return ReplayDecision(row, queued=False, why=STILL_WAITING)
    if judges.by_name is None:
        return ReplayDecision(row, queued=True)
    if row.connection not in judges.by_name:
        return ReplayDecision(row, queued=False, why=judges.missing[row.connection])
    if preview is None:
        return ReplayDecision(row, queued=False, why=GONE)
    if preview.outcome is not Outcome.PLANNED:
        return ReplayDecision(row, queued=False, why=f"{preview.outcome.value}: {preview.reason}", preview=preview)
    return ReplayDecision(row, queued=True, preview=preview)
