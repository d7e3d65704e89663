"""`engine run`: events in, planned requests out; nothing is sent.  Input of any size streams through."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias, cast

import click

from engine.commands.connection_options import NamedConnection, connect
from engine.commands.output.events import curl_text, event_title, plan_text, reports_text, request_json
from engine.commands.output.read_errors import ReadErrors
from engine.commands.output.summary import Summary
from engine.commands.output.text import painter, visible
from engine.errors import SettingsError, UsageError
from engine.events.normalizing import normalize_parsed
from engine.events.reading import Line, read_events, total_size
from engine.plan import Connection
from engine.records import Json, JsonObject, Plan, Report, masked

Printer: TypeAlias = "Callable[[Event, NamedConnection, Plan], None]"
LONG_INPUT = 4 * 1024 * 1024
HOW_TO_SET = "Give them with --settings FILE or --set KEY=VALUE; --example-settings takes the mapping's examples."


class Event(NamedTuple):
    """One event as it was read, and what is to be said about it whatever the destination."""

    line: Line
    reports: tuple[Report, ...]

    @property
    def title(self) -> str:
        """Name the event in one line."""
        return event_title(self.line.value)

    @property
    def place(self) -> str:
        """Say where it stands."""
        return visible(f"{self.line.file}:{self.line.line}")


class Progress(NamedTuple):
    """Where one says how many bytes were read, and what a person must know meanwhile."""

    advance: Callable[[int], None]
    say: Callable[[str], None]


@click.command("run")
@click.argument("mappings", nargs=-1, required=True, metavar="MAPPING...")
@click.option(
    "--events",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Events: NDJSON, JSON or a JSON list, also .gz; - is standard input. May be given several times.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML: destination -> settings; ${env:NAME} is filled in.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="One setting; DESTINATION.KEY=VALUE for one of several mappings.",
)
@click.option(
    "--example-settings",
    is_flag=True,
    help="Use the mapping's examples for settings not given.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "ndjson", "curl"]),
    default="text",
    show_default=True,
    help="For people, one JSON object per event and destination, or commands for a shell.",
)
@click.option("--show-secrets", is_flag=True, help="Print secrets as they are sent.")
@click.option(
    "--mappings",
    "directories",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Where your own mappings are (also ENGINE_MAPPINGS).",
)
@click.option(
    "--received-at", metavar="TIME", help="When the events came in (ISO 8601), for those without a timestamp."
)
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    files: tuple[str, ...],
    settings_file: Path | None,
    assignments: tuple[str, ...],
    example_settings: bool,
    style: str,
    show_secrets: bool,
    directories: tuple[Path, ...],
    received_at: str | None,
) -> int:
    """Show what events become for each MAPPING (a name or a path): outcome, reason and requests. Sends nothing.

    What was counted goes to standard error. Exit code 0: every event was planned or ignored; 1: some were invalid
    or could not be read; 2: wrong usage.
    """
    _check_time(received_at)
    try:
        connections = connect(mappings, directories, settings_file, assignments, example_settings=example_settings)
    except SettingsError as error:
        raise UsageError(f"{error}\n{HOW_TO_SET}") from None
    for stream in (sys.stdout, sys.stderr):
        cast("IO[str]", stream).reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    printers = {"text": _text_printer, "ndjson": _ndjson_printer, "curl": _curl_printer}
    summary = Summary()
    try:
        work(connections, files, printers[style](connections, show_secrets), summary, received_at)
    except BrokenPipeError:  # `engine run ... | head` is no error; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    click.echo(summary.text(painter(sys.stderr)), err=True)
    return 1 if summary.failed else 0


def work(
    connections: Sequence[NamedConnection],
    files: Sequence[str],
    show: Printer,
    summary: Summary,
    received_at: str | None,
) -> None:
    """Plan every event of every file for every connection."""
    with _progress(files) as progress:
        unreadable = ReadErrors(say=progress.say)
        for line in _lines(files, progress.advance):
            if line.error is not None:
                summary.broken += 1
                unreadable.tell(line.file, line.error)
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
        raise UsageError(f'--received-at takes a time such as 2024-03-05T10:15:30Z; "{visible(received_at)}" is none.')


def _lines(files: Sequence[str], advance: Callable[[int], None]) -> Iterator[Line]:
    for file in files:
        before = 0
        with read_events(file, stdin=sys.stdin.buffer) as reader:
            for line in reader:
                yield line
                if reader.consumed != before:
                    advance(reader.consumed - before)
                    before = reader.consumed


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Progress]:
    """Show a progress bar on a terminal when the input is long; standard output must go elsewhere then."""
    sizes = [total_size(file) for file in files]
    total = sum(size or 0 for size in sizes)
    if not sys.stderr.isatty() or sys.stdout.isatty() or (None not in sizes and total < LONG_INPUT):
        yield Progress(lambda _bytes: None, lambda text: click.echo(text, err=True))
        return
    from rich import progress as bars
    from rich.console import Console

    out = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)
    columns = (bars.BarColumn(), bars.DownloadColumn(), bars.TimeRemainingColumn())
    # Without redirect_...=False rich takes what is meant for a file and writes it to the terminal.
    with bars.Progress(*columns, console=out, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("events", total=None if None in sizes else total)
        yield Progress(lambda count: bar.advance(task, count), out.print)


def _shown(connection: Connection, plan: Plan, show_secrets: bool) -> list[JsonObject]:
    requests = [request_json(request) for request in plan.requests]
    if show_secrets:
        return requests
    return [cast("JsonObject", masked(request, connection.secrets)) for request in requests]


def _text_printer(connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    paint = painter(sys.stdout)
    width = max(len(named.name) for named in connections)
    last: list[Line] = []

    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        if not (last and last[0] is event.line):
            gap = "\n" if last else ""
            sys.stdout.write(f"{gap}{paint(event.title, 'title')}  {paint(event.place, 'place')}\n")
            sys.stdout.writelines(reports_text(event.reports, "  ! ", paint))
            last[:] = [event.line]
        own = plan._replace(reports=plan.reports[len(event.reports) :])
        requests = _shown(named.connection, plan, show_secrets)
        sys.stdout.write(plan_text(named.name.ljust(width), own, requests, paint))

    return show


def _ndjson_printer(_connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    import orjson

    out: IO[bytes] = sys.stdout.buffer
    at_once = sys.stdout.isatty()

    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        record = {
            "messageId": _scalar(event.line.value, "messageId"),
            "type": _scalar(event.line.value, "type"),
            "destination": named.name,
            "outcome": plan.outcome.value,
            "reason": plan.reason,
            "requests": _shown(named.connection, plan, show_secrets),
            "reports": [report._asdict() for report in plan.reports],
        }
        out.write(orjson.dumps(record) + b"\n")
        if at_once:
            out.flush()

    return show


def _scalar(event: Json, name: str) -> Json:
    """Return a field of an event that may be anything; what holds more than one value is not repeated."""
    value = event.get(name) if isinstance(event, dict) else None
    return None if isinstance(value, dict | list) else value


def _curl_printer(_connections: Sequence[NamedConnection], show_secrets: bool) -> Printer:
    def show(event: Event, named: NamedConnection, plan: Plan) -> None:
        encodings = named.connection.mapping.requests
        if plan.requests:
            sys.stdout.write(f"# {event.title}  {event.place}\n")
        for request, shown in zip(plan.requests, _shown(named.connection, plan, show_secrets), strict=True):
            form = encodings[request.request].encode == "form"
            sys.stdout.write(curl_text(shown, form=form) + "\n")

    return show
