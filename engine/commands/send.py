"""`engine send`: events into the outbox and out of it to the vendors, or into the sandbox."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.connection_options import connections_of
from engine.commands.input_files import ReadErrors
from engine.commands.options import (
    FILE,
    SettingsOptions,
    default_outbox,
    file_of,
    open_outbox,
    outbox_option,
    settings_options,
)
from engine.commands.output.summary import delivery_text
from engine.commands.output.text import Display, local_time
from engine.commands.shared import FOUND, INTERRUPTED, WAITING, counted
from engine.delivery.intake import iso, new_events, taken_in
from engine.delivery.observers import MOST_REASONS, DeliveryObserver, Observers, RunSummary
from engine.delivery.outbox.base import DEFAULT_FILE, Outbox, Overview, TakenIn, outbox_command, resume_command
from engine.errors import UsageError
from engine.events.reading import EventReader, read_events
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.metrics import Metrics
    from engine.delivery.outbox.location import Location
    from engine.delivery.process import Shutdown
    from engine.delivery.worker import Options
    from engine.sandbox.server import Sandbox

OTHER_PROCESS = (
    "Another process is delivering to {name}; this one waits and takes over when it ends (at {until} at the latest if "
    "it has died)."
)
ENDED_ELSEWHERE = (
    "Another process finished at least {count} of the events queued for {name}; {command} counts them too."
)
ON_STREAMS = "`engine import` puts events of files there, and `engine serve` sends them."
CUT_SHORT = "Interrupted after queuing {events}; the rest of the input was not read."


@click.command("send")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option(
    "--events",
    "files",
    multiple=True,
    metavar="FILE",
    help="NDJSON, JSON or a JSON list, also .gz; - is standard input. Without it, only waiting events are sent.",
)
@click.option("--connections", "connections_file", type=FILE, help="YAML file of connections: settings and filters.")
@settings_options
@outbox_option(envvar=None, help="The outbox, a file. Default: outbox.db; with --sandbox a temporary file.")
@click.option("--sandbox", is_flag=True, help="Deliver to emulated vendors, with example settings.")
@click.option("--again", is_flag=True, help="Also send events whose messageId was sent within the last 24 hours.")
@click.option("--source", default="files", show_default=True, help="Source of the events; its duplicates are found.")
@click.option(
    "--patience", default="30s", show_default=True, metavar="TIME", help="How long to wait for a failing vendor."
)
@click.option("--log", is_flag=True, help="Log to standard error, one JSON object per line.")
@click.option("--metrics", "metrics_file", type=FILE, help="Write metrics to this file at the end, as Prometheus text.")
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    files: tuple[str, ...],
    connections_file: Path | None,
    settings: SettingsOptions,
    outbox_file: Location | None,
    sandbox: bool,
    again: bool,
    source: str,
    patience: str,
    log: bool,
    metrics_file: Path | None,
) -> int:
    """Deliver events for each MAPPING, or for a file of connections. Ends when nothing more can be sent now.

    Exit code 0: everything was delivered or ignored; 1: some events were rejected, invalid or could not be read;
    2: wrong usage; 3: some events are waiting or held; 4: the outbox cannot be used; 130: interrupted before all
    events were queued.
    """
    options = _options(patience)
    settings = settings._replace(examples=settings.examples or sandbox)
    configured = connections_of(mappings, connections_file, settings)
    with ExitStack() as stack:
        intake = _intake(stack, files, source, again=again)
        configured, world = _into_sandbox(stack, configured) if sandbox else (configured, None)
        path, temporary = _outbox_file(stack, outbox_file, sandbox=sandbox)
        summary = RunSummary()
        observer, metrics = _observer(stack, configured, summary, path, log=log, metrics=metrics_file is not None)
        # Last, so that wrong usage leaves no file behind; without events there is nothing to make one for.
        outbox = stack.enter_context(open_outbox(path, create=temporary or bool(files)))
        complete = _deliver(outbox, configured, options, observer, intake)
        if metrics_file is not None and metrics is not None:
            metrics_file.write_bytes(metrics.text())
        code = _report(outbox, [each.name for each in configured], summary, intake, world)
        if not temporary:
            _say_what_is_held(outbox, [each.name for each in configured])
        return code if complete else INTERRUPTED


def _options(patience: str) -> Options:
    from engine.delivery.worker import Options
    from engine.language.times import seconds

    try:
        return Options(patience=seconds(patience))
    except ValueError as error:
        raise UsageError(f"--patience: {error}.") from error


class Intake:
    """Puts the events of all files into the outbox; what it did so far is `taken` and `broken`."""

    def __init__(self, readers: Sequence[EventReader], source: str, *, again: bool) -> None:
        self.taken = TakenIn()
        self._errors = ReadErrors()
        self._readers = readers
        self._source = source
        self._again = again

    @property
    def broken(self) -> int:
        """How many lines could not be read."""
        return self._errors.count

    def run(self, outbox: Outbox, names: Sequence[str], shutdown: Shutdown) -> None:
        """Queue events until the input ends or the process is asked to end."""
        for reader in self._readers:
            lines = self._errors.readable(shutdown.until_requested(reader))
            events = new_events(lines, self._source, iso(time.time()))
            for taken in taken_in(outbox, events, names, time.time, again=self._again):
                self.taken = self.taken.plus(taken)


def _intake(stack: ExitStack, files: Sequence[str], source: str, *, again: bool) -> Intake:
    """Open all files, so that one that cannot be read ends the command before anything is sent."""
    readers = [stack.enter_context(read_events(file, stdin=sys.stdin.buffer)) for file in files]
    return Intake(readers, source, again=again)


def _outbox_file(stack: ExitStack, named: Location | None, *, sandbox: bool) -> tuple[Path, bool]:
    """Return the outbox's file, and whether it is removed at the end."""
    if named is None and sandbox:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))) / DEFAULT_FILE, True
    return file_of(named or default_outbox(), "engine send", ON_STREAMS), False


def _into_sandbox(
    stack: ExitStack, configured: Sequence[ConfiguredConnection]
) -> tuple[list[ConfiguredConnection], Sandbox]:
    from engine.commands.sandbox import into_sandbox  # needs the packages of the extra `server`

    return into_sandbox(stack, configured)


class _Messages(DeliveryObserver):
    """Tells a person why nothing happens."""

    def elsewhere(self, connection: str, until: float) -> None:
        """Say that another process has a connection."""
        click.echo(OTHER_PROCESS.format(name=connection, until=local_time(until)), err=True)


def _observer(
    stack: ExitStack,
    configured: Sequence[ConfiguredConnection],
    summary: RunSummary,
    outbox_file: Path,
    *,
    log: bool,
    metrics: bool,
) -> tuple[DeliveryObserver, Metrics | None]:
    observers: list[DeliveryObserver] = [summary]
    counting: Metrics | None = None
    if metrics:
        from engine.delivery.metrics import Metrics

        counting = Metrics()
        observers.append(counting)
    if log:
        from engine.delivery import logs

        secrets = [secret for each in configured for secret in each.connection.secrets]
        stack.callback(logs.stop, logs.start(sys.stderr, secrets))
        observers.append(logs.Logging(outbox_file))
    else:
        observers.append(_Messages())
    return Observers(observers), counting


def _deliver(
    outbox: Outbox, configured: list[ConfiguredConnection], options: Options, observer: DeliveryObserver, intake: Intake
) -> bool:
    """Queue and deliver side by side; false if a signal cut the input short."""
    from engine.delivery.process import run
    from engine.delivery.supervisor import Delivery

    names = [each.name for each in configured]
    complete = run(
        lambda: Delivery(outbox, configured, options, observer=observer, intake_open=True),
        lambda shutdown: intake.run(outbox, names, shutdown),
    )
    if not complete:
        click.echo(CUT_SHORT.format(events=counted(intake.taken.new + intake.taken.duplicates, "event")), err=True)
    return complete


def _report(outbox: Outbox, names: Sequence[str], summary: RunSummary, intake: Intake, world: Sandbox | None) -> int:
    """Print how the run ended; returns the exit code."""
    summary.count_duplicates(intake.taken)
    display, overview = Display(sys.stdout), _run_overview(outbox, names, summary)
    click.echo(delivery_text(display, overview))
    for name, (unfinished, _) in overview.unfinished.items():
        elsewhere = intake.taken.fresh(name) - summary.ended_here[name] - unfinished
        if elsewhere > 0:
            command = outbox_command("status", outbox.path)
            click.echo(ENDED_ELSEWHERE.format(count=elsewhere, name=name, command=command))
    for row in overview.connections:
        if row.alarm:
            click.echo(f"{row.name}: {row.alarm}.")
    if intake.broken:
        click.echo(f"{intake.broken} could not be read.")
    if world is not None:
        from engine.commands.sandbox import state_text

        click.echo(state_text(display, world))
    return _code({outcome for _, outcome in overview.counts}, intake.broken)


def _say_what_is_held(outbox: Outbox, names: Sequence[str]) -> None:
    for row in outbox.connections():
        if row.held and row.name in names:
            click.echo(f"{row.name} is held. Once the cause is fixed, run: {resume_command(row.name, outbox.path)}")


def _run_overview(outbox: Outbox, names: Sequence[str], summary: RunSummary) -> Overview:
    """Return how events ended in this run alone, and what is unfinished for its connections."""
    counts = Counter(summary.counts)
    connections = [row for row in outbox.connections() if row.name in names]
    unfinished = {row.name: outbox.unfinished(row.name) for row in connections}
    for row in connections:
        counts[row.name, Outcome.HELD if row.held else Outcome.WAITING] += unfinished[row.name][0]
    retried = [each for each in outbox.retried(MOST_REASONS) if each.connection in names]
    reports = summary.reports
    return Overview(
        dict(sorted((+counts).items())),
        summary.reasons() + retried,
        connections,
        unfinished,
        reports.events,
        reports.rows(),
    )


def _code(outcomes: set[Outcome], broken: int) -> int:
    if broken or outcomes & {Outcome.REJECTED, Outcome.INVALID}:
        return FOUND
    return WAITING if outcomes & {Outcome.WAITING, Outcome.HELD} else 0
