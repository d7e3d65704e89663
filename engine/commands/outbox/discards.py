"""`engine outbox discards`: events that the collector discarded by Segment's rules, and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from engine.commands.options import with_outbox
from engine.commands.outbox.shared import SHOWN
from engine.commands.output.columns import Column, table
from engine.commands.output.text import Display, short_time
from engine.commands.shared import did_you_mean
from engine.language.texts import visible, visible_json

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Discarded
    from engine.delivery.outbox.looking import DiscardGroup
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.records import JsonObject

AT_ONCE = 100
MOST_GROUPS = 1000
EXPLAINED = "engine docs collector explains each code, under Discarded events."
NONE_KEPT = "No discarded event is kept. `engine serve` keeps the last 1,000 of each source, for 7 days."
GROUPS = (
    Column("source", least=8, share=1),
    Column("code"),
    Column("events", right=True),
    Column("first"),
    Column("last"),
    Column("reason", least=16, share=3),
)
ROWS = (
    Column("time"),
    Column("source", least=8, share=1),
    Column("code"),
    Column("messageId", least=10, share=2),
    Column("reason", least=16, share=3),
)


@click.command("discards")
@click.option("--source", metavar="NAME", help="Only events of this source.")
@click.option("--code", metavar="CODE", help="Only events discarded by the rule with this code.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=SHOWN, show_default=True, help="Show at most N events."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "ndjson"]),
    default="text",
    show_default=True,
    help="Text for people, or an object for each event, with the event as it came.",
)
@with_outbox
def command(outbox: SqliteOutbox, source: str | None, code: str | None, limit: int, style: str) -> None:
    """Show what the collector discarded by Segment's rules, counted by source and reason, then the newest events.

    The newest is last. Of each source the last 1,000 are kept, for 7 days, without secrets.
    """
    from engine.delivery.outbox import looking

    groups = outbox.look(lambda db: looking.discard_groups(db, MOST_GROUPS))
    wanted = [each for each in groups if source in (None, each.source) and code in (None, each.code)]
    if not wanted:
        for line in _nothing(groups, source, code):
            click.echo(line, err=style == "ndjson")
        return
    rows = list(islice(_discards(outbox, source, code), limit))[::-1]
    if style == "ndjson":
        _print_ndjson(rows)
    else:
        _print_text(wanted, rows)


def _discards(outbox: SqliteOutbox, source: str | None, code: str | None) -> Iterator[Discarded]:
    """Yield what was discarded, the newest first."""
    from engine.delivery.outbox import looking

    before: int | None = None
    while rows := outbox.look(lambda db, end=before: looking.discards(db, source, AT_ONCE, end)):  # type: ignore[misc]
        yield from (each for _, each in rows if code in (None, each.code))
        before = rows[-1][0]


def _nothing(groups: list[DiscardGroup], source: str | None, code: str | None) -> Iterator[str]:
    if not groups:
        yield NONE_KEPT
        return
    yield "No discarded event was found."
    if source is not None and source not in (sources := {each.source for each in groups}):
        yield f"None of source {visible(source)} is kept. {did_you_mean(source, sorted(sources))}"
    elif code is not None:
        codes = sorted({each.code for each in groups if source in (None, each.source)})
        yield f"None has the code {visible(code)}. {did_you_mean(code, codes)}"


def _print_text(groups: list[DiscardGroup], rows: list[Discarded]) -> None:
    display, now = Display(sys.stdout), time.time()
    counts = [(each.source, each.code, f"{each.events:,}", *_times(each, now), each.reason) for each in groups]
    for line in table(display, GROUPS, counts):
        click.echo(line)
    click.echo()
    cells = [
        (short_time(each.discarded_at, now), each.source, each.code, each.message_id, each.reason) for each in rows
    ]
    for line in table(display, ROWS, cells):
        click.echo(line)
    hidden = sum(each.events for each in groups) - len(rows)
    more = f"{hidden:,} earlier not shown; --limit N shows more. " if hidden > 0 else ""
    click.echo(f"{more}--format ndjson shows the events themselves. {EXPLAINED}")


def _times(group: DiscardGroup, now: float) -> tuple[str, str]:
    return short_time(group.first_at, now), short_time(group.last_at, now)


def _print_ndjson(rows: list[Discarded]) -> None:
    import orjson

    for row in rows:
        click.echo(visible_json(orjson.dumps(discard_json(row))))


def discard_json(row: Discarded) -> JsonObject:
    """Return a discarded event as `--format ndjson` has it; one that was cut is in `raw`, and its `payload` is null."""
    import orjson

    from engine.delivery.intake import iso

    found: JsonObject = {
        "source": row.source,
        "code": row.code,
        "reason": row.reason,
        "messageId": row.message_id,
        "discardedAt": iso(row.discarded_at),
    }
    try:
        return {**found, "payload": orjson.loads(row.raw)}
    except orjson.JSONDecodeError:
        return {**found, "payload": None, "raw": row.raw.decode(errors="replace")}
