"""`engine outbox show`: one event, and for each connection what was planned, sent, answered and decided."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import FILE, SettingsOptions, check_connection, settings_options, with_outbox
from engine.commands.outbox.shared import no_event
from engine.commands.output.text import Display
from engine.delivery.outbox.base import Chosen, as_of
from engine.errors import UsageError
from engine.language.texts import visible_lines

if TYPE_CHECKING:
    import sqlite3

    from engine.commands.output.event_states import EventState, ShownEvent
    from engine.delivery.outbox.base import ConnectionRow
    from engine.delivery.outbox.looking import Found
    from engine.delivery.outbox.sqlite import SqliteOutbox
    from engine.delivery.sending.versions import Version

MOST_STATES = 50
"""States of an ID that are shown: of an ID that many events have, the newest."""


@click.command("show")
@click.argument("event", metavar="ID")
@click.option("--connection", metavar="NAME", help="Only this connection.")
@click.option(
    "--connections",
    "file",
    type=FILE,
    metavar="FILE",
    help="Also say whether the mapping's version that planned the event is the current one of this file's connection.",
)
@click.option(
    "--requests",
    "plans",
    is_flag=True,
    help="Also plan the event again, by the version that planned it, and show the requests; with the settings of "
    "--connections, or those of the options below.",
)
@settings_options
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, or a JSON list of the events with this ID.",
)
@with_outbox
def command(
    outbox: SqliteOutbox,
    event: str,
    connection: str | None,
    file: Path | None,
    plans: bool,
    settings: SettingsOptions,
    style: str,
) -> None:
    """Show one event and its timeline for each connection.

    When it was received, by which version of the mapping it was planned, each request with its answer and the time it
    took, the next try, the outcome, reports of what was converted or left out, and the command that explains it.

    ID is the event's number in the outbox, or its messageId. Requests are not kept, but what made them is, and a
    digest: --requests makes them again and says whether they are what was sent.
    """
    now = time.time()
    _check(file, plans, settings)
    if connection is not None:
        check_connection(outbox, connection)
    current = {} if file is None else _digests(file, settings.directories)
    found = _events(outbox, Chosen(event=event, connection=connection), current, now)
    if not found:
        raise no_event(outbox, event)
    again = _planned_again(outbox, found, file, settings) if plans else {}
    if style == "json":
        _print_json(found, now, again)
        return
    from engine.commands.output.timeline import event_lines

    display = Display(sys.stdout)
    for number, shown in enumerate(found):
        click.echo("\n" * bool(number), nl=False)
        for line in event_lines(display, shown, now, again):
            click.echo(line)


def _check(file: Path | None, plans: bool, settings: SettingsOptions) -> None:
    given = settings._replace(directories=()) != SettingsOptions()
    if given and file is not None:
        raise UsageError("--connections cannot be combined with settings; the file has them.")
    if given and not plans:
        raise UsageError("Settings are for --requests: add it.")


def _planned_again(
    outbox: SqliteOutbox, found: list[ShownEvent], file: Path | None, settings: SettingsOptions
) -> dict[int, Version | str]:
    """Return what plans each state that was planned, by its place."""
    from engine.commands.stored_versions import version_of

    planned = [state.found for shown in found for state in shown.states if state.found.digest is not None]
    return {each.place: version_of(outbox, each, file, settings) for each in planned}


def _digests(file: Path, directories: tuple[Path, ...]) -> dict[str, str]:
    """Return the digest of the current mapping of each connection of a file."""
    import os

    from engine.delivery.connections import load

    return {each.name: each.digest() for each in load(file, os.environ, directories).connections}


def _events(outbox: SqliteOutbox, chosen: Chosen, current: Mapping[str, str], now: float) -> list[ShownEvent]:
    from engine.commands.output.event_states import ShownEvent

    rows = {row.name: as_of(row, now) for row in outbox.connections()}
    states = outbox.look(lambda db: list(_states(db, chosen, current, rows)))
    found = []
    for number in sorted({each.found.event for each in states}):
        kept = outbox.event(number)
        if kept is not None:  # else it was purged a moment ago
            found.append(ShownEvent(number, kept, [each for each in states if each.found.event == number], outbox.path))
    return found


def _states(
    db: sqlite3.Connection, chosen: Chosen, current: Mapping[str, str], connections: Mapping[str, ConnectionRow]
) -> Iterator[EventState]:
    from engine.commands.output.event_states import EventState
    from engine.delivery.outbox import looking

    rows = looking.newest(db, chosen, MOST_STATES)
    rows.sort(key=lambda row: (row.connection, row.place))
    for row in rows:
        version = None if row.digest is None else looking.version_files(db, row.digest)
        attempts = looking.attempts_of(db, row.connection, row.attempts.numbers)
        first = _first(db, row)
        mapping = "" if version is None else version[0]
        yield EventState(row, attempts, connections[row.connection], mapping, current.get(row.connection), first)


def _first(db: sqlite3.Connection, row: Found) -> int | None:
    """Return the event that a duplicate repeats: the last one before it that has its source and messageId."""
    from engine.delivery.outbox import looking
    from engine.delivery.outbox.base import DUPLICATE

    if row.reason != DUPLICATE:
        return None
    same = looking.newest(db, Chosen(event=row.message_id, connection=row.connection), MOST_STATES)
    earlier = [each.event for each in same if each.source == row.source and each.place < row.place]
    return max(earlier, default=None)


def _print_json(found: list[ShownEvent], now: float, again: dict[int, Version | str]) -> None:
    import json

    from engine.commands.output.timeline import event_json

    shown = [event_json(each, now, again) for each in found]
    click.echo(visible_lines(json.dumps(shown, ensure_ascii=False, indent=2)))
