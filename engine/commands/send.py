"""`engine send`: events into the outbox and out of it to the vendors, or into the sandbox."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.commands.sending import Intake
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.metrics import Metrics
    from engine.delivery.observers import DeliveryObserver, RunSummary
    from engine.delivery.outbox.base import Outbox
    from engine.delivery.worker import Options
    from engine.sandbox.server import Sandbox

FOUND, WAITING, INTERRUPTED = 1, 3, 130
FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("send")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option(
    "--events",
    "files",
    multiple=True,
    metavar="FILE",
    help="JSON, NDJSON or a JSON list, also .gz; - is standard input. Without it, only what waits is sent.",
)
@click.option("--connections", "connections_file", type=FILE, help="YAML: name -> destination, settings, filters.")
@click.option("--settings", "settings_file", type=FILE, help="YAML: destination -> settings.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting, as in engine run.")
@click.option("--example-settings", is_flag=True, help="Use the mapping's examples for settings not given.")
@click.option("--mappings", "directories", multiple=True, type=DIRECTORY, help="Where your own mappings are.")
@click.option("--outbox", "outbox_file", type=FILE, help="The durable queue: outbox.db; with --sandbox a passing one.")
@click.option("--sandbox", is_flag=True, help="Deliver into emulated vendors, with example settings.")
@click.option("--again", is_flag=True, help="Send events whose messageId was sent within the last 24 hours, too.")
@click.option("--source", default="files", show_default=True, help="Whose messageIds these are, to find duplicates.")
@click.option("--patience", default="30s", show_default=True, help="How long to wait for a vendor that fails.")
@click.option("--log", is_flag=True, help="Log to standard error, one JSON object a line.")
@click.option("--metrics", "metrics_file", type=FILE, help="Write Prometheus text to this file at the end.")
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    files: tuple[str, ...],
    connections_file: Path | None,
    settings_file: Path | None,
    assignments: tuple[str, ...],
    example_settings: bool,
    directories: tuple[Path, ...],
    outbox_file: Path | None,
    sandbox: bool,
    again: bool,
    source: str,
    patience: str,
    log: bool,
    metrics_file: Path | None,
) -> int:
    """Deliver events for each MAPPING, or for the connections of a file. Ends when nothing more can go now.

    Exit code 0: everything was delivered or ignored; 1: some were rejected, invalid or could not be read; 2: wrong
    usage; 3: some wait or are held; 4: the outbox cannot be used; 130: interrupted before all events were taken in.
    """
    from engine.commands.shared import connections_of
    from engine.delivery.observers import RunSummary

    options = _options(patience)
    given = (mappings, connections_file, directories, settings_file, assignments)
    configured = connections_of(*given, example_settings=example_settings or sandbox)
    with ExitStack() as stack:
        intake = _intake(stack, files, source, again=again)
        configured, world = _into_sandbox(stack, configured) if sandbox else (configured, None)
        outbox = _outbox(stack, outbox_file, passing=sandbox)
        tally = RunSummary()
        watcher, metrics = _watcher(stack, configured, tally, log=log, metrics=metrics_file is not None)
        whole = _deliver(outbox, configured, options, watcher, intake)
        if metrics_file is not None and metrics is not None:
            metrics_file.write_bytes(metrics.text())
        code = _report(outbox, [each.name for each in configured], tally, intake, world)
        return code if whole else INTERRUPTED


def _options(patience: str) -> Options:
    from engine.delivery.sending.pacing import seconds
    from engine.delivery.worker import Options

    try:
        return Options(patience=seconds(patience))
    except ValueError as error:
        raise UsageError(f"--patience: {error}.") from error


def _intake(stack: ExitStack, files: Sequence[str], source: str, *, again: bool) -> Intake:
    """Open all files, so that one that cannot be read is told before anything is sent."""
    from engine.commands.sending import Intake
    from engine.events.reading import read_events

    readers = [stack.enter_context(read_events(file, stdin=sys.stdin.buffer)) for file in files]
    return Intake(readers, source, again=again)


def _outbox(stack: ExitStack, path: Path | None, *, passing: bool) -> Outbox:
    from engine.commands.shared import DEFAULT_OUTBOX, opened

    if path is None and passing:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))) / DEFAULT_OUTBOX
    return stack.enter_context(opened(path or DEFAULT_OUTBOX, make=True))


def _into_sandbox(
    stack: ExitStack, configured: Sequence[ConfiguredConnection]
) -> tuple[list[ConfiguredConnection], Sandbox]:
    from engine.commands.sandbox import into_sandbox

    return into_sandbox(stack, configured)


def _watcher(
    stack: ExitStack, configured: Sequence[ConfiguredConnection], tally: RunSummary, *, log: bool, metrics: bool
) -> tuple[DeliveryObserver, Metrics | None]:
    from engine.commands.sending import Telling
    from engine.delivery.observers import Observers

    watchers: list[DeliveryObserver] = [tally]
    counting: Metrics | None = None
    if metrics:
        from engine.delivery.metrics import Metrics

        counting = Metrics()
        watchers.append(counting)
    if log:
        from engine.delivery import logs

        secrets = [secret for each in configured for secret in each.connection.secrets]
        stack.callback(logs.stop, logs.start(sys.stderr, secrets))
        watchers.append(logs.Logging())
    else:
        watchers.append(Telling())
    return Observers(watchers), counting


def _deliver(
    outbox: Outbox, configured: list[ConfiguredConnection], options: Options, watcher: DeliveryObserver, intake: Intake
) -> bool:
    """Take in and deliver, one beside the other; false where a signal cut the intake short."""
    from engine.commands.sending import CUT_SHORT
    from engine.delivery.process import run
    from engine.delivery.supervisor import Delivery

    names = [each.name for each in configured]
    whole = run(
        lambda: Delivery(outbox, configured, options, observer=watcher, intake_open=True),
        lambda shutdown: intake.run(outbox, names, shutdown),
    )
    if not whole:
        click.echo(CUT_SHORT.format(count=intake.taken.new + intake.taken.duplicates), err=True)
    return whole


def _report(outbox: Outbox, names: Sequence[str], tally: RunSummary, intake: Intake, world: Sandbox | None) -> int:
    from engine.commands.output.sandbox_state import holdings_text
    from engine.commands.output.text import painter
    from engine.commands.sending import report, seen

    tally.count_duplicates(intake.taken)
    paint, run = painter(sys.stdout), seen(outbox, names, tally)
    click.echo(report(paint, run, tally, intake))
    if world is not None:
        click.echo(holdings_text(paint, world))
    return _code({outcome for _, outcome in run.counts}, intake.broken)


def _code(outcomes: set[Outcome], broken: int) -> int:
    if broken or outcomes & {Outcome.REJECTED, Outcome.INVALID}:
        return FOUND
    return WAITING if outcomes & {Outcome.WAITING, Outcome.HELD} else 0
