"""`engine run`: events in, planned requests out; nothing is sent.  Input of any size streams through."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple, TypeAlias, cast

import click

from engine.commands.connection_options import NamedConnection, connect
from engine.commands.input_files import ReadErrors, progress_bar
from engine.commands.options import SettingsOptions, settings_options
from engine.commands.output.events import curl_text, event_title, plan_text, report_lines, request_json
from engine.commands.output.summary import Summary
from engine.commands.output.text import Display
from engine.commands.shared import FOUND
from engine.errors import SettingsError, UsageError
from engine.events.normalizing import normalize_parsed
from engine.events.reading import read_events
from engine.events.splitting import Line
from engine.language.texts import visible
from engine.plan import Connection
from engine.records import Json, JsonObject, Plan, Report, masked

Printer: TypeAlias = "Callable[[Event, NamedConnection, Plan], None]"
HOW_TO_SET = "Set them with --settings FILE or --set KEY=VALUE; --example-settings uses the mapping's examples."


class Event(NamedTuple):
    """One event as it was read, and the reports that do not depend on the destination."""

    line: Line
    reports: tuple[Report, ...]

    @property
    def title(self) -> str:
        """Name the event in one line."""
        return event_title(self.line.value)

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
@click.option("--received-at", metavar="TIME", help="When events without a timestamp were received (ISO 8601).")
def command(
    mappings: tuple[str, ...],
    files: tuple[str, ...],
    settings: SettingsOptions,
    style: str,
    show_secrets: bool,
    received_at: str | None,
) -> int:
    """Show what events become for each MAPPING (a name or a path): outcome, reason and requests. Sends nothing.

    A summary goes to standard error. Exit code 0: every event was planned or ignored; 1: some were invalid or could
    not be read; 2: wrong usage.
    """
    _check_time(received_at)
    try:
        connections = connect(mappings, settings)
    except SettingsError as error:
        raise UsageError(f"{error}\n{HOW_TO_SET}") from None
    for stream in (sys.stdout, sys.stderr):
        cast("IO[str]", stream).reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    printers = {"text": _text_printer, "ndjson": _ndjson_printer, "curl": _curl_printer}
    summary = Summary()
    try:
        plan_all(connections, files, printers[style](connections, show_secrets), summary, received_at)
    except BrokenPipeError:  # `engine run ... | head` is no error; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    click.echo(summary.text(Display(sys.stderr)), err=True)
    return FOUND if summary.failed else 0


def plan_all(
    connections: Sequence[NamedConnection],
    files: Sequence[str],
    show: Printer,
    summary: Summary,
    received_at: str | None,
) -> None:
    """Plan every event of every file for every connection."""
    # A bar would break up requests that are printed on the same terminal.
    with progress_bar(files, unless_output_is_a_terminal=True) as progress:
        errors = ReadErrors(show=progress.show)
        for line in _lines(files, progress.advance):
            if line.error is not None:
                summary.broken += 1
                errors.add(line.file, line.error)
                continue
            assert line.raw is not None
            normalized = normalize_parsed(line.value, line.raw, received_at=received_at)
            event = Event(line, normalized.reports)
            summary.add_event(event.reports)
            for named in connections:
                plan = named.connection.plan_normalized(normalized)
                summary.add(named.name, plan, plan.reports[len(event.reports) :])
                show(event, named, plan)
    sys.stdout.flush()


def _check_time(received_at: str | None) -> None:
    from engine.language.times import read_time

    if received_at is not None and read_time(received_at) is None:
        raise UsageError(f'--received-at: "{visible(received_at)}" is not a time such as 2024-03-05T10:15:30Z.')


def _lines(files: Sequence[str], advance: Callable[[int], None]) -> Iterator[Line]:
    for file in files:
        before = 0
        with read_events(file, stdin=sys.stdin.buffer) as reader:
            for line in reader:
                yield line
                if reader.consumed != before:
                    advance(reader.consumed - before)
                    before = reader.consumed


def _requests(connection: Connection, plan: Plan, show_secrets: bool) -> list[JsonObject]:
    requests = [request_json(request) for request in plan.requests]
    if show_secrets:
        return requests
    return [cast("JsonObject", masked(request, connection.secrets)) for request in requests]


def _text_printer(connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    display = Display(sys.stdout)
    width = max(len(named.name) for named in connections)
    last: list[Line] = []

    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        if not (last and last[0] is event.line):
            gap = "\n" if last else ""
            sys.stdout.write(f"{gap}{display.paint(event.title, 'title')}  {display.paint(event.place, 'place')}\n")
            sys.stdout.writelines(report_lines(event.reports, "  ! ", display))
            last[:] = [event.line]
        own = plan._replace(reports=plan.reports[len(event.reports) :])
        requests = _requests(named.connection, plan, show_secrets)
        sys.stdout.write(plan_text(named.name.ljust(width), own, requests, display))

    return show


def _ndjson_printer(_connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    import orjson

    out: IO[bytes] = sys.stdout.buffer
    flush = sys.stdout.isatty()

    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        record = {
            "messageId": _scalar(event.line.value, "messageId"),
            "type": _scalar(event.line.value, "type"),
            "destination": named.name,
            "outcome": plan.outcome.value,
            "reason": plan.reason,
            "requests": _requests(named.connection, plan, show_secrets),
            "reports": [report._asdict() for report in plan.reports],
        }
        out.write(orjson.dumps(record) + b"\n")
        if flush:
            out.flush()

    return show


def _scalar(event: Json, name: str) -> Json:
    """Return a field of an event, or None where it is an object or a list."""
    value = event.get(name) if isinstance(event, dict) else None
    return None if isinstance(value, dict | list) else value


def _curl_printer(_connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        encodings = named.connection.mapping.requests
        if plan.requests:
            sys.stdout.write(f"# {event.title}  {event.place}\n")
        for request, shown in zip(plan.requests, _requests(named.connection, plan, show_secrets), strict=True):
            form = encodings[request.request].encode == "form"
            sys.stdout.write(curl_text(shown, form=form) + "\n")

    return show
