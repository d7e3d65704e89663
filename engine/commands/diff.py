"""`engine diff`: what a change of a mapping does to traffic, as text, JSON or a comment for a pull request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from engine.commands.connection_options import connect_versions
from engine.commands.input_files import ReadErrors, progress_bar
from engine.commands.options import SettingsOptions, clock, looked_at, outbox_option, parse_time, settings_options
from engine.commands.run import HOW_TO_SET
from engine.commands.shared import FOUND
from engine.differences.comparison import Differences, DiffVerdict
from engine.differences.revisions import load_at, parsed
from engine.errors import SettingsError, UsageError
from engine.language.texts import visible
from engine.mapping.load import Library
from engine.plan import Connection, Destination, destination
from engine.records import Secrets

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location
    from engine.events.normalizing import Normalized

R = TypeVar("R")
NONE_READ = "No event could be read, so nothing was compared."


class Traffic(NamedTuple):
    """Which events are planned: those of files, or those of an outbox since a time; and by which clock."""

    files: tuple[str, ...]
    outbox: Location | None
    since: str | None
    received_at: str | None


def traffic_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say which events are planned, which a command receives as one argument, `traffic`."""

    @click.option(
        "--events",
        "files",
        multiple=True,
        metavar="FILE",
        help="NDJSON, JSON or a JSON list, also .gz; - is standard input. Repeatable.",
    )
    @outbox_option("outbox", envvar=None, help="Take the events of an outbox, a file or an address; it is only read.")
    @click.option(
        "--since", metavar="TIME", help="With --outbox: only what came in since then: 2h, 7d, 14:30, or a date."
    )
    @click.option(
        "--received-at",
        metavar="TIME",
        help="When events without receivedAt were received (ISO 8601); also the clock that times are compared with.",
    )
    @wraps(command)
    def with_traffic(
        *, files: tuple[str, ...], outbox: Location | None, since: str | None, received_at: str | None, **others: object
    ) -> R:
        return command(traffic=Traffic(files, outbox, since, received_at), **others)

    return with_traffic


@click.command("diff")
@click.argument("old")
@click.argument("new")
@traffic_options
@settings_options
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Text for people, one JSON object, or a comment for a pull request.",
)
@click.option("--no-samples", is_flag=True, help="Leave out the values, which come from events.")
@click.option(
    "--fail-on",
    type=click.Choice(["breaking", "additive"]),
    default="breaking",
    show_default=True,
    help="The least difference that makes the exit code 1.",
)
def command(
    old: str,
    new: str,
    traffic: Traffic,
    settings: SettingsOptions,
    style: str,
    no_samples: bool,
    fail_on: str,
) -> int:
    """Plan the same events with two versions of a mapping, and show what differs in the requests.

    OLD and NEW are a name, a path, or git:REV:path, a file at a revision of git. Both get the same settings.

    The verdict is "no difference", "additive" (nothing but new fields and new requests) or "breaking". Exit code 0:
    no difference, or additive; 1: breaking, or problems in a mapping, or events that could not be read; 2: wrong usage,
    or nothing to compare.
    """
    from engine.commands.output import differences

    now = clock(traffic.received_at)
    _check(traffic)
    before, after = _connections(old, new, settings)
    comparison = Differences(Secrets([*before.secrets, *after.secrets]))
    unreadable = ReadErrors()
    for event, place in _events(traffic, unreadable, now):
        comparison.add(before.plan_normalized(event, now=now), after.plan_normalized(event, now=now), place)
    if not comparison.events and unreadable.count:
        click.echo(NONE_READ, err=True)
        return FOUND
    if not comparison.events:
        raise UsageError(_nothing_compared(traffic))
    if not comparison.compared:
        raise UsageError(_no_request(comparison.events))
    titles = differences.Titles(after.mapping.name, visible(old), visible(new))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    click.echo(differences.STYLES[style](comparison, titles, not no_samples), nl=False)
    fails = {DiffVerdict.BREAKING, DiffVerdict(fail_on)}
    return FOUND if unreadable.count or comparison.verdict in fails else 0


def _check(traffic: Traffic) -> None:
    if bool(traffic.files) == (traffic.outbox is not None):
        raise UsageError("Name the events to compare with: either --events FILE or --outbox FILE.")
    if traffic.outbox is None and traffic.since is not None:
        raise UsageError("--since is for --outbox; all events of --events are compared.")
    if traffic.outbox is not None and traffic.received_at is not None:
        raise UsageError("--received-at is for --events; an outbox knows when its events were received.")


def _connections(old: str, new: str, settings: SettingsOptions) -> tuple[Connection, Connection]:
    versions = [_destination(text, settings) for text in (old, new)]
    try:
        before, after = connect_versions(versions, settings)
    except SettingsError as error:
        raise UsageError(f"{error}\n{HOW_TO_SET}") from None
    return before.connection, after.connection


def _destination(text: str, settings: SettingsOptions) -> Destination:
    at = parsed(text)
    library = Library(settings.directories or None)
    # The last directory is that of the shipped mappings, which every library adds.
    return destination(library.load(text) if at is None else load_at(at, library.directories[:-1]))


def _events(traffic: Traffic, unreadable: ReadErrors, now: float) -> Iterator[tuple[Normalized, str]]:
    """Yield each event with what names it: its file and line, or its messageId."""
    if traffic.outbox is None:
        return _of_files(traffic.files, unreadable, traffic.received_at, now)
    return _of_outbox(traffic.outbox, None if traffic.since is None else parse_time(traffic.since, now))


def _of_files(
    files: Sequence[str], unreadable: ReadErrors, received_at: str | None, now: float
) -> Iterator[tuple[Normalized, str]]:
    from engine.events.normalizing import normalize_parsed
    from engine.events.reading import read_events

    with progress_bar(files) as progress:
        for file in files:
            before = 0
            with read_events(file, stdin=sys.stdin.buffer) as reader:
                for line in reader:
                    if line.error is not None:
                        unreadable.add(line.file, line.error)
                        continue
                    assert line.raw is not None
                    event = normalize_parsed(line.value, line.raw, received_at=received_at, now=now)
                    yield event, f"{line.file}:{line.line}"
                    if reader.consumed != before:
                        progress.advance(reader.consumed - before)
                        before = reader.consumed


def _of_outbox(outbox: Location, since: float | None) -> Iterator[tuple[Normalized, str]]:
    from engine.delivery.outbox.base import Waiting
    from engine.delivery.outbox.reading import stored_events
    from engine.delivery.sending.jobs import normalized

    for each in stored_events(looked_at(outbox), since):
        waiting = Waiting(0, each.number, each.message_id, each.received_at, each.raw, None, None, None, 0.0)
        yield normalized(waiting), each.message_id


def _no_request(events: int) -> str:
    which = "the only event becomes no request" if events == 1 else f"none of {events} events becomes a request"
    return f"Nothing to compare: {which} in either version."


def _nothing_compared(traffic: Traffic) -> str:
    where = ", ".join(traffic.files) if traffic.outbox is None else str(traffic.outbox)
    when = "" if traffic.since is None else f" since {traffic.since}"
    return f"There are no events in {visible(where)}{visible(when)}, so nothing was compared."
