"""`engine run`: events in, planned requests out; nothing is sent.  Input of any size streams through."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias, cast

import click

from engine.commands.connection_options import NamedConnection, connect
from engine.commands.input_files import ReadErrors, progress_bar
from engine.commands.options import SettingsOptions, clock, settings_options
from engine.commands.output.events import event_title, plan_text, report_lines
from engine.commands.output.summary import Summary
from engine.commands.output.text import Display
from engine.commands.shared import FOUND
from engine.errors import SettingsError, UsageError
from engine.events.normalizing import Normalized, normalize_parsed
from engine.events.reading import read_events
from engine.events.splitting import Line
from engine.language.texts import visible
from engine.records import NO_SECRETS, Plan, Report, Secrets
from engine.showing.masking import Masking, masked_plan, masked_reports

if TYPE_CHECKING:
    from engine.delivery.sending.outgoing import DryRun
    from engine.explaining.unread import UnreadCounter

Printer: TypeAlias = "Callable[[Event, NamedConnection, DryRun], None]"
MOST_REASONS = 1000
"""Reasons of which the masked text is kept: those of nearly all events are the same few."""

MOST_PENDING = 1024 * 1024
"""Bytes of output that wait to be written."""

HOW_TO_SET = "Set them with --settings FILE or --set KEY=VALUE; --example-settings uses the mapping's examples."


class Event(NamedTuple):
    """One event as it was read, as mappings see it, and the reports that do not depend on the destination."""

    line: Line
    normalized: Normalized
    reports: tuple[Report, ...]

    @property
    def place(self) -> str:
        """Return its file and line."""
        return visible(f"{self.line.file}:{self.line.line}")


@click.command("run")
@click.argument("mappings", nargs=-1, required=True, metavar="MAPPING...")
@click.option(
    "--events",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="NDJSON, JSON or a JSON list, also .gz; - is standard input. Repeatable.",
)
@settings_options
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "ndjson", "curl"]),
    default="text",
    show_default=True,
    help="Text for people, one JSON object per event and destination, or shell commands.",
)
@click.option("--show-secrets", is_flag=True, help="Print secrets instead of ***.")
@click.option("--no-headers", is_flag=True, help="Leave the headers out of the text.")
@click.option("--unread", is_flag=True, help="Show the events' fields that reach no request, and nothing else.")
@click.option("--check-bodies", is_flag=True, help="Report each body that does not meet the request's body_schema.")
@click.option(
    "--received-at",
    metavar="TIME",
    help="When events without receivedAt were received (ISO 8601); also the clock that times are compared with.",
)
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    files: tuple[str, ...],
    settings: SettingsOptions,
    style: str,
    show_secrets: bool,
    no_headers: bool,
    unread: bool,
    check_bodies: bool,
    received_at: str | None,
) -> int:
    """Show what events become for each MAPPING (a name or a path): outcome, reason and requests. Sends nothing.

    A request that is sent in a batch is shown in it: as the batch that is sent if no other event waits.

    A summary goes to standard error. Exit code 0: every event was planned or ignored; 1: some were invalid or could
    not be read, or --check-bodies found something; 2: wrong usage.
    """
    now = clock(received_at)
    _check(style, no_headers=no_headers, unread=unread)
    connections = _connect(mappings, settings)
    for stream in (sys.stdout, sys.stderr):
        cast("IO[str]", stream).reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    output = _Output()
    printers: dict[str, Callable[..., Printer]] = {
        "text": partial(_text_printer, headers=not no_headers),
        "ndjson": partial(_ndjson_printer, output),
        "curl": _curl_printer,
    }
    secrets = None if show_secrets else Secrets(each for named in connections for each in named.connection.secrets)
    summary, counters = Summary(0 if check_bodies else None), _counters(connections) if unread else {}
    show = _counting(counters, received_at, now) if unread else printers[style](connections, secrets)
    try:
        plan_all(connections, files, show, output.flush, summary, received_at, secrets, now)
        _print_unread(counters, style, secrets or NO_SECRETS)
    except BrokenPipeError:  # `engine run ... | head` is no error; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    click.echo(summary.text(Display(sys.stderr)), err=True)
    return FOUND if summary.failed else 0


def _connect(mappings: Sequence[str], settings: SettingsOptions) -> list[NamedConnection]:
    try:
        return connect(mappings, settings)
    except SettingsError as error:
        raise UsageError(f"{error}\n{HOW_TO_SET}") from None


def _check(style: str, *, no_headers: bool, unread: bool) -> None:
    if no_headers and style != "text":
        raise UsageError(f"--no-headers is for text; --format {style} always has the headers.")
    if unread and style == "curl":
        raise UsageError("--unread shows no requests; use --format text or ndjson.")


def plan_all(
    connections: Sequence[NamedConnection],
    files: Sequence[str],
    show: Printer,
    flush: Callable[[], None],
    summary: Summary,
    received_at: str | None,
    secrets: Secrets | None,
    now: float,
) -> None:
    """Plan every event of every file for every connection by the clock `now`; `secrets` are masked, None shows them.

    `flush` is called before more input is read, so that a slow pipe shows each event at once.
    """
    destinations = [(each, _dry_runner(each, summary)) for each in connections]
    # A bar would break up requests that are printed on the same terminal.
    with progress_bar(files, unless_output_is_a_terminal=True) as progress:
        errors = ReadErrors(show=progress.show)
        mask = None if secrets is None else lru_cache(MOST_REASONS)(secrets.mask)
        for line in _lines(files, progress.advance, flush):
            if line.error is not None:
                summary.broken += 1
                errors.add(line.file, line.error)
                continue
            assert line.raw is not None
            normalized = normalize_parsed(line.value, line.raw, received_at=received_at, now=now)
            if line.reports:
                normalized = normalized._replace(reports=(*line.reports, *normalized.reports))
            reports = normalized.reports
            event = Event(line, normalized, reports if mask is None or not reports else masked_reports(reports, mask))
            summary.add_event(event.reports)
            for named, dry_run in destinations:
                run = dry_run(named.connection.plan_normalized(normalized, now=now), now)
                if mask is not None and (plan := masked_plan(run.plan, mask)) is not run.plan:
                    run = run._replace(plan=plan)
                summary.add(named.name, run.plan, run.plan.reports[len(event.reports) :])
                show(event, named, run)
    flush()


def _dry_runner(named: NamedConnection, summary: Summary) -> Callable[[Plan, float], DryRun]:
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.sending.outgoing import DryRunner

    run = DryRunner(ConfiguredConnection(name=named.name, connection=named.connection)).run
    return run if summary.faulty_bodies is None else _checking(run, named, summary)


def _checking(
    run: Callable[[Plan, float], DryRun], named: NamedConnection, summary: Summary
) -> Callable[[Plan, float], DryRun]:
    """Return a dry run that also reports and counts the bodies that do not meet their `body_schema`."""
    from engine.compiler.runtime import MOST_REPORTS
    from engine.testing.bodies import BodyChecks

    checks = BodyChecks(named.connection.mapping)

    def checked(plan: Plan, now: float) -> DryRun:
        made = run(plan, now)
        before = checks.checked
        found = tuple(checks.reports(made.plan))
        summary.checked_bodies += checks.checked - before
        if not found:
            return made
        summary.add_faulty_bodies(len(found))
        return made._replace(plan=made.plan._replace(reports=(*made.plan.reports, *found[:MOST_REPORTS])))

    return checked


def _lines(files: Sequence[str], advance: Callable[[int], None], flush: Callable[[], None]) -> Iterator[Line]:
    for file in files:
        before = 0
        with read_events(file, stdin=sys.stdin.buffer, before_read=flush) as reader:
            for line in reader:
                yield line
                if reader.consumed != before:
                    advance(reader.consumed - before)
                    before = reader.consumed


def _counters(connections: Sequence[NamedConnection]) -> dict[str, UnreadCounter]:
    from engine.explaining.unread import UnreadCounter

    return {named.name: UnreadCounter(named.connection) for named in connections}


def _counting(counters: dict[str, UnreadCounter], received_at: str | None, now: float) -> Printer:
    from engine.explaining.original import OriginalEvent

    def count(event: Event, named: NamedConnection, run: DryRun) -> None:
        original = OriginalEvent(event.line.value, event.normalized, received_at, now)
        counters[named.name].add(original, run.plan)

    return count


def _print_unread(counters: dict[str, UnreadCounter], style: str, secrets: Secrets) -> None:
    if not counters:
        return
    import json

    from engine.commands.output.unread import unread_json, unread_text

    display = Display(sys.stdout)
    for name, counter in counters.items():
        if style == "text":
            click.echo(unread_text(name, counter, secrets, display), nl=False)
            continue
        for each in unread_json(name, counter, secrets):
            click.echo(visible(json.dumps(each, ensure_ascii=False)))


def _text_printer(connections: Sequence[NamedConnection], secrets: Secrets | None, *, headers: bool) -> Printer:
    from engine.showing.requests import outgoing_json

    display = Display(sys.stdout)
    width = max(len(named.name) for named in connections)
    maskings = {named.connection: Masking(named.connection, secrets) for named in connections}
    last: list[Line] = []

    def show(event: Event, named: NamedConnection, run: DryRun) -> None:
        if not (last and last[0] is event.line):
            gap, title = "\n" if last else "", event_title(event.line.value, secrets or NO_SECRETS)
            sys.stdout.write(f"{gap}{display.paint(title, 'title')}  {display.paint(event.place, 'place')}\n")
            sys.stdout.writelines(report_lines(event.reports, "  ! ", display))
            last[:] = [event.line]
        own = run.plan._replace(reports=run.plan.reports[len(event.reports) :])
        requests = list(outgoing_json(run, maskings[named.connection]))
        sys.stdout.write(plan_text(named.name.ljust(width), own, requests, display, headers=headers))

    return show


class _Output:
    """Lines that are written together; a terminal shows each at once."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._bytes = 0
        self._at_once = sys.stdout.isatty()

    def write(self, line: bytes) -> None:
        """Write a line, or keep it for `flush`."""
        self._pending.append(line)
        self._bytes += len(line)
        if self._at_once or self._bytes >= MOST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Write what is kept, and what was printed as text."""
        pending, self._pending, self._bytes = self._pending, [], 0
        sys.stdout.buffer.write(b"".join(pending))
        sys.stdout.flush()


def _ndjson_printer(output: _Output, connections: Sequence[NamedConnection], secrets: Secrets | None) -> Printer:
    from engine.commands.output.ndjson import LineWriter

    writers = {named.connection: LineWriter(named, secrets) for named in connections}

    def show(event: Event, named: NamedConnection, run: DryRun) -> None:
        output.write(writers[named.connection].line(event.line.value, run))

    return show


def _curl_printer(_connections: Sequence[NamedConnection], secrets: Secrets | None) -> Printer:
    """Print commands and nothing else: a heading would be one more thing that a shell could run.

    An empty line stands between events.
    """
    from engine.delivery.sending.http import Unsendable
    from engine.showing.curl import sent_as_curl

    last: list[Line] = []

    def show(event: Event, named: NamedConnection, run: DryRun) -> None:
        if run.outgoing:
            sys.stdout.write("\n" if last and last[0] is not event.line else "")
            last[:] = [event.line]
        for sent in run.outgoing:
            try:
                sys.stdout.write(sent_as_curl(named.connection, sent, secrets) + "\n")
            except (Unsendable, TypeError, ValueError) as error:
                click.echo(f"{event.place}: {sent.request.request} cannot be sent: {visible(str(error))}.", err=True)

    return show
