"""`engine send`: events into the outbox and out of it to the vendors, or into the sandbox."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.config import Configured
    from engine.delivery.metrics import Metrics
    from engine.delivery.outbox import Outbox
    from engine.delivery.watching import Watcher
    from engine.delivery.worker import Options
    from engine.sandbox.server import Sandbox
    from engine.sources.read import Line

FOUND, WAITING = 1, 3
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
    usage; 3: some wait or are held; 4: the outbox cannot be used.
    """
    from engine.commands.delivering import DEFAULT_OUTBOX, connections_of, opened

    options = _options(patience)
    given = (mappings, connections_file, directories, settings_file, assignments)
    configured = connections_of(*given, example_settings=example_settings or sandbox)
    with ExitStack() as stack:
        world = stack.enter_context(_sandbox()) if sandbox else None
        if outbox_file is None and world is not None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
            outbox_file = Path(directory) / DEFAULT_OUTBOX
        outbox = stack.enter_context(opened(outbox_file or DEFAULT_OUTBOX, make=True))
        watcher, metrics = _watcher(stack, configured, log=log, metrics=metrics_file is not None)
        began = time.time()
        broken = _take_in(outbox, files, configured, source, again=again)
        _deliver(outbox, configured, options, watcher, world)
        if metrics_file is not None and metrics is not None:
            metrics_file.write_bytes(metrics.text())
        return _report(outbox, [each.name for each in configured], began, broken, world)


def _options(patience: str) -> Options:
    from engine.delivery.pacing import seconds
    from engine.delivery.worker import Options

    try:
        return Options(patience=seconds(patience))
    except ValueError as error:
        raise UsageError(f"--patience: {error}.") from error


def _sandbox() -> Sandbox:
    from engine.sandbox.server import Sandbox

    return Sandbox()


def _watcher(
    stack: ExitStack, configured: Sequence[Configured], *, log: bool, metrics: bool
) -> tuple[Watcher, Metrics | None]:
    from engine.delivery.watching import Several

    watchers: list[Watcher] = []
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
    return Several(watchers), counting


def _take_in(
    outbox: Outbox, files: Sequence[str], configured: Sequence[Configured], source: str, *, again: bool
) -> int:
    """Put the events of all files into the outbox; gives how many could not be read."""
    from engine.delivery.intake import iso, new_events, take_in
    from engine.sources.read import read_events

    broken: list[str] = []
    names = [each.name for each in configured]
    for file in files:
        with read_events(file, stdin=sys.stdin.buffer) as reader:
            events = new_events(_readable(reader, broken), source, iso(time.time()))
            take_in(outbox, events, names, time.time, again=again)
    return len(broken)


def _readable(lines: Iterator[Line], broken: list[str]) -> Iterator[Line]:
    for line in lines:
        if line.error is None:
            yield line
        else:
            broken.append("")
            click.echo(line.error, err=True)


def _deliver(
    outbox: Outbox, configured: list[Configured], options: Options, watcher: Watcher, world: Sandbox | None
) -> None:
    from engine.delivery.config import into_sandbox
    from engine.delivery.deliver import Delivery, run

    if world is not None:
        configured = [into_sandbox(each, world.url) for each in configured]
    run(lambda: Delivery(outbox, configured, options, watcher=watcher))


def _report(outbox: Outbox, names: list[str], began: float, broken: int, world: Sandbox | None) -> int:
    from engine.commands.delivering import counts_text
    from engine.commands.layout import painter

    paint = painter(sys.stdout)
    click.echo(counts_text(paint, outbox, names, began))
    if broken:
        click.echo(f"{broken} could not be read.")
    if world is not None:
        from engine.commands.holdings import holdings_text

        click.echo(holdings_text(paint, world))
    ended = {outcome for (name, outcome) in outbox.counts(began) if name in names}
    if broken or ended & {Outcome.REJECTED, Outcome.INVALID}:
        return FOUND
    return WAITING if ended & {Outcome.WAITING, Outcome.HELD} else 0
