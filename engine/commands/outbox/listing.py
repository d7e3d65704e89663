"""`engine outbox list`: events, one line each, found by person, name, type, outcome, reason and time."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.commands.options import with_outbox
from engine.commands.outbox.filters import (
    Filters,
    bounded,
    filter_options,
    nothing_found,
    now_and_chosen,
    pages,
)
from engine.commands.outbox.shared import SHOWN
from engine.commands.output.columns import Column, table
from engine.commands.output.text import Display, short_time
from engine.language.texts import visible_json

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Chosen
    from engine.delivery.outbox.looking import Found
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.records import JsonObject

MOST_ROWS = 100_000
"""Events that are listed at once: their lines are in memory."""

MOST_SKIPPED = 2**31 - 1
LONGEST_TYPE = 8
COLUMNS = (
    Column("id", right=True),
    Column("time"),
    Column("type", least=LONGEST_TYPE),
    Column("event", least=8, share=2),
    Column("user", least=8, share=2),
    Column("connection", least=10, share=1),
    Column("outcome"),
    Column("reason", least=12, share=3),
)


class Page(NamedTuple):
    """Which part of what was found is shown."""

    limit: int
    skip: int
    first: bool


@click.command("list")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, MOST_ROWS), default=SHOWN, show_default=True, help="Show at most N events."
)
@click.option("--skip", type=click.IntRange(0, MOST_SKIPPED), default=0, help="Skip N events, to see the next page.")
@click.option("--first", is_flag=True, help="Show the oldest events instead of the newest.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "ndjson"]),
    default="text",
    show_default=True,
    help="Text for people, or an object for each event and connection.",
)
@with_outbox
def command(outbox: SqliteOutbox, filters: Filters, limit: int, skip: int, first: bool, style: str) -> None:
    """List the newest events, the newest last: a line for each event and connection.

    `time` is when that last changed (came in, was tried, ended), in local time. `user` is the first of userId,
    anonymousId, previousId, groupId and email that the event has; --user looks at all of them. `id` is for `show` and
    `replay`. A terminal gets lines of its width, a file or a pipe whole texts.
    """
    now, chosen = now_and_chosen(outbox, filters)
    page = Page(limit, skip, first)
    is_text = style == "text"
    shown = _show_text(outbox, chosen, page, now) if is_text else _show_ndjson(outbox, chosen, page)
    if not shown:
        lines = nothing_found(outbox, filters, chosen) if not skip else [f"No event is left behind the first {skip}."]
        for line in lines:
            click.echo(line, err=not is_text)


def _show_text(outbox: SqliteOutbox, chosen: Chosen, page: Page, now: float) -> int:
    display = Display(sys.stdout)
    rows = [_cells(row, now) for row in pages(outbox, chosen, page.skip, page.limit, first=page.first)]
    earlier, later = _more(outbox, chosen, page, len(rows))
    if earlier:
        click.echo(earlier)
    if rows:
        for line in table(display, COLUMNS, rows if page.first else rows[::-1]):
            click.echo(line)
    if later:
        click.echo(later)
    return len(rows)


def _more(outbox: SqliteOutbox, chosen: Chosen, page: Page, shown: int) -> tuple[str, str]:
    """Return what stands before and behind the lines about events that are not shown."""
    from engine.delivery.outbox import looking

    if shown < page.limit:
        return "", ""
    end = page.skip + page.limit
    most = looking.MOST_COUNTED + end
    more = outbox.look(lambda db: looking.counted(db, chosen, most)) - end
    if more <= 0:
        return "", ""
    count, _, noun = bounded(more, looking.MOST_COUNTED).rpartition(" ")
    if page.first:
        return "", f"{count} later {noun} not shown; --first --skip {end} shows the next page."
    return f"{count} earlier {noun} not shown; --skip {end} shows the page before, --first the oldest.", ""


def _cells(row: Found, now: float) -> tuple[str, ...]:
    from engine.delivery.outbox.looking import title_of

    call, name, user = title_of(row.value)
    reason = f"{row.reason} | {row.error}" if row.error else row.reason
    when = short_time(row.changed_at, now)
    return str(row.event), when, call, name, user, row.connection, row.outcome.value, reason


def _show_ndjson(outbox: SqliteOutbox, chosen: Chosen, page: Page) -> int:
    import orjson

    found = (orjson.dumps(row_json(row)) for row in pages(outbox, chosen, page.skip, page.limit, first=page.first))
    lines: Iterable[bytes] = found if page.first else [*found][::-1]
    shown = 0
    for line in lines:
        click.echo(visible_json(line))
        shown += 1
    return shown


def row_json(row: Found) -> JsonObject:
    """Return a state as `--format ndjson` has it; times are ISO 8601 in UTC."""
    from engine.delivery.intake import iso
    from engine.delivery.outbox.looking import title_of

    call, name, user = title_of(row.value)
    return {
        "event": row.event,
        "messageId": row.message_id,
        "source": row.source,
        "type": call,
        "name": name,
        "user": user,
        "connection": row.connection,
        "outcome": row.outcome.value,
        "reason": row.reason,
        "error": row.error,
        "receivedAt": row.received_at,
        "queuedAt": iso(row.queued_at),
        "triedAt": None if row.tried_at is None else iso(row.tried_at),
        "changedAt": iso(row.changed_at),
        "mapping": row.digest,
        "requests": len(row.attempts.numbers) + row.attempts.earlier,
    }
