"""`engine serve`: Segment's HTTP API on a port; events go through the outbox and the mappings to the vendors."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import FILE, OUTBOX_FILE, SettingsOptions, settings_options
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.background import ServerConfig
    from engine.collector.responses import CollectorLimits
    from engine.collector.sources import EventSource
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.outbox.base import Outbox
    from engine.sandbox.server import Sandbox

SANDBOX_KEY = "sandbox"
DEFAULT_SOURCE = "default"
NO_KEY = "No write key: name one with --write-key, or define sources in the --connections file."
NO_ADMIN = "The admin address (/metrics, /status) is off: it needs --admin-token."
NO_CONNECTION = (
    "Every connection of the source {name} is disabled: its events stay in the outbox and are not delivered."
)
COUNT = click.IntRange(min=1)
PORT = click.IntRange(0, 65535)
MOST_WORKERS = 64
"""Processes that accept requests at most: as many as a large machine has cores; each takes 60 MB."""


def _keep_seconds(_context: click.Context, _option: click.Parameter, keep: str | None) -> float | None:
    from engine.delivery.outbox.base import WINDOW
    from engine.language.times import seconds

    if keep is None:
        return None
    try:
        duration = seconds(keep)
    except ValueError as error:
        raise UsageError(f"--keep: {error}.") from error
    if duration < WINDOW:
        raise UsageError("--keep must be at least 24h: messageIds are remembered that long to detect duplicates.")
    return duration


@click.command("serve")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option("--connections", "connections_file", type=FILE, help="YAML: connections, and sources with write keys.")
@click.option(
    "--write-key", "write_keys", multiple=True, metavar="KEY", help="With MAPPINGs: a key that clients may use."
)
@settings_options
@click.option(
    "--outbox",
    "outbox_file",
    type=OUTBOX_FILE,
    metavar="FILE",
    help="The durable queue. Default: outbox.db, with --sandbox a temporary one.",
)
@click.option("--sandbox", is_flag=True, help="Deliver to emulated vendors in this process; write key: sandbox.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8910, show_default=True, help="0: any free port.")
@click.option(
    "--workers",
    type=click.IntRange(0, MOST_WORKERS),
    help="Processes that accept requests, beside the one that delivers; 0: it accepts them itself. Default: 1, with "
    "--sandbox or on one core 0.",
)
@click.option(
    "--admin-token",
    envvar="WAYBILL_ADMIN_TOKEN",
    default="",
    help="Required for /metrics and /status; safer as WAYBILL_ADMIN_TOKEN. With --sandbox: sandbox.",
)
@click.option("--admin-host", default="127.0.0.1", show_default=True, help="Admin address to listen on.")
@click.option("--admin-port", type=PORT, default=8911, show_default=True, help="0: any free port.")
@click.option("--proxies", default="127.0.0.1", show_default=True, help="Proxies whose X-Forwarded-For is trusted.")
@click.option("--event-bytes", type=COUNT, default=32 * 1024, show_default=True, help="Largest event, in bytes.")
@click.option(
    "--batch-bytes", type=COUNT, default=500 * 1024, show_default=True, help="Largest body, in bytes, decompressed."
)
@click.option("--batch-events", type=COUNT, default=2500, show_default=True, help="Most events in a batch.")
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=1_000_000,
    show_default=True,
    help="Answer 429 while a connection has more unfinished events than this; 0: never.",
)
@click.option(
    "--keep",
    metavar="TIME",
    callback=_keep_seconds,
    help="Remove events this long after they ended: 30d. Default: never.",
)
@click.option(
    "--log/--no-log", default=True, show_default=True, help="Log to standard error, one JSON object per line."
)
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    connections_file: Path | None,
    write_keys: tuple[str, ...],
    settings: SettingsOptions,
    outbox_file: Path | None,
    sandbox: bool,
    host: str,
    port: int,
    workers: int | None,
    admin_token: str,
    admin_host: str,
    admin_port: int,
    proxies: str,
    event_bytes: int,
    batch_bytes: int,
    batch_events: int,
    backlog: int,
    keep: float | None,
    log: bool,
) -> None:
    """Receive events from Segment's libraries and deliver them, until Ctrl-C.

    A library needs the address of this server (its option is called host, endpoint or proxy) and a write key.

    Exit code 0: stopped by a signal; 2: wrong usage; 4: the outbox cannot be used; 130: second signal, immediate exit.
    """
    settings = settings._replace(examples=settings.examples or sandbox)
    if workers is None:
        workers = 0 if sandbox else _default_workers()
    configured, sources = _connections_and_sources(mappings, connections_file, settings, write_keys, sandbox=sandbox)
    limits = _limits(event_bytes, batch_bytes, batch_events, backlog)
    with ExitStack() as stack:
        configured, outbox_file, world = _into_sandbox(stack, configured, outbox_file, sandbox=sandbox)
        secrets = _secrets(configured, sources) if log else None
        admin = _admin(stack, admin_host, admin_port, admin_token or (SANDBOX_KEY if sandbox else ""))
        path = outbox_file or DEFAULT_FILE
        config = _config(stack, sources, configured, limits, secrets, path, workers=workers)
        config = config._replace(admin=admin, proxies=proxies, keep=keep)
        _serve(stack, config, path, (host, port), secrets, workers, world)


def _default_workers() -> int:
    """Return how many processes accept requests: one, so that taking in and delivering each have a core.

    On one core a second process would cost its memory and gain nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if cores > 1 else 0


def _limits(event_bytes: int, batch_bytes: int, batch_events: int, backlog: int) -> CollectorLimits:
    from engine.collector.responses import CollectorLimits

    return CollectorLimits(event_bytes=event_bytes, batch_bytes=batch_bytes, batch_events=batch_events, backlog=backlog)


def _connections_and_sources(
    mappings: Sequence[str], file: Path | None, settings: SettingsOptions, write_keys: Sequence[str], *, sandbox: bool
) -> tuple[list[ConfiguredConnection], list[EventSource]]:
    """Return who receives and who sends, from a connections file or from the command line."""
    from engine.collector import sources
    from engine.commands.connection_options import connections_of

    if file is not None and not (mappings or settings.file or settings.assignments or write_keys):
        found = sources.load(file, os.environ, settings.directories)
        return found.file.connections, found.sources
    for error in filter(None, map(sources.write_key_error, write_keys)):
        raise UsageError(f"--write-key: {error}")
    configured = connections_of(mappings, file, settings)
    keys = tuple(write_keys) or ((SANDBOX_KEY,) if sandbox else ())
    if not keys:
        raise UsageError(NO_KEY)
    return configured, [sources.EventSource(DEFAULT_SOURCE, keys, tuple(each.name for each in configured))]


def _secrets(configured: Sequence[ConfiguredConnection], sources: Sequence[EventSource]) -> tuple[str, ...]:
    secrets = [secret for each in configured for secret in each.connection.secrets]
    return (*secrets, *(key for source in sources for key in source.write_keys))


def _config(
    stack: ExitStack,
    sources: list[EventSource],
    configured: list[ConfiguredConnection],
    limits: CollectorLimits,
    secrets: tuple[str, ...] | None,
    outbox_file: Path,
    *,
    workers: int,
) -> ServerConfig:
    from engine.collector.background import ServerConfig
    from engine.collector.observers import CollectorObserver, shared_between_processes
    from engine.collector.reloading import Reloading, Served
    from engine.delivery import logs
    from engine.delivery.metrics import Metrics
    from engine.delivery.observers import Observers

    text = stack.enter_context(shared_between_processes()) if workers else None
    observer, metrics = CollectorObserver(), Metrics()
    if text is None:

        def text() -> bytes:
            return observer.text() + metrics.text()

    served = Served(sources, configured)
    config = ServerConfig(Reloading(served, lambda: served), limits, observer, metrics, text)
    if secrets is None:
        return config
    stack.callback(logs.stop, logs.start(sys.stderr, secrets))
    return config._replace(delivery_observer=Observers([metrics, logs.Logging(outbox_file)]))


def _admin(stack: ExitStack, host: str, port: int, token: str) -> tuple[socket.socket, str] | None:
    """Open the admin address, if there is a token."""
    from engine.sandbox.server import listen

    if not token:
        return None
    return stack.enter_context(listen(host, port, "The admin address (--admin-host, --admin-port)")), token


def _into_sandbox(
    stack: ExitStack, configured: list[ConfiguredConnection], outbox_file: Path | None, *, sandbox: bool
) -> tuple[list[ConfiguredConnection], Path | None, Sandbox | None]:
    """With `sandbox`, point connections to emulated vendors, with a temporary outbox unless one is given."""
    if not sandbox:
        return configured, outbox_file, None
    from engine.commands.sandbox import into_sandbox

    connections, world = into_sandbox(stack, configured)
    if outbox_file is None:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
        outbox_file = Path(directory) / DEFAULT_FILE
    return connections, outbox_file, world


def _serve(
    stack: ExitStack,
    config: ServerConfig,
    path: Path,
    address: tuple[str, int],
    secrets: tuple[str, ...] | None,
    workers: int,
    world: Sandbox | None,
) -> None:
    from engine.commands.options import open_outbox
    from engine.sandbox.server import listen

    # First the port: if another process has it, no outbox is made.
    listener = stack.enter_context(listen(*address, "The collector (--host, --port)"))
    outbox = stack.enter_context(open_outbox(path, create=True))
    background_outbox = stack.enter_context(open_outbox(path))
    _announce(config, listener, world)
    if workers == 0:
        from engine.collector import server

        server.run(config, outbox, background_outbox, listener)
    else:
        from engine.collector import server as processes

        names = tuple(each.name for each in config.reloading.connections)
        settings = processes.WorkerSettings(tuple(config.reloading.sources), config.limits, path, names, secrets)
        processes.run_workers(config, outbox, background_outbox, listener, settings, workers)
    if world is not None:
        _show_results(outbox, world)


def _announce(config: ServerConfig, listener: socket.socket, world: Sandbox | None) -> None:
    """Print the addresses, once nothing can fail any more; the collector last."""
    from engine.sandbox.server import url_of

    if world is not None:
        click.echo(f"The sandbox listens on {world.url}; its state: {world.url}/_sandbox/state")
    if config.admin is None:
        click.echo(NO_ADMIN, err=True)
    else:
        admin = url_of(config.admin[0])
        click.echo(f"Metrics and status, for the admin token: {admin}/metrics and {admin}/status")
    for source in config.reloading.sources:
        if source.enabled and not source.connections:
            click.echo(NO_CONNECTION.format(name=source.name), err=True)
    names = ", ".join(each.name for each in config.reloading.connections)
    click.echo(f"The collector listens on {url_of(listener)} and delivers to {names}.")


def _show_results(outbox: Outbox, world: Sandbox) -> None:
    """Print how events ended and what the sandbox has, as `engine send --sandbox` does."""
    from engine.commands.output.summary import delivery_text
    from engine.commands.output.text import Display
    from engine.commands.sandbox import state_text
    from engine.delivery.observers import MOST_REASONS

    display = Display(sys.stdout)
    click.echo(delivery_text(display, outbox.overview(MOST_REASONS)))
    click.echo(state_text(display, world))
