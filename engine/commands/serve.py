"""`engine serve`: Segment's HTTP API on a port; what comes in goes through outbox and mappings to the vendors."""

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

from engine.commands.shared import DEFAULT_OUTBOX, FILE, SettingsOptions, settings_options
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.background import Serving
    from engine.collector.responses import CollectorLimits
    from engine.collector.write_keys import EventSource
    from engine.delivery.configured import Configured
    from engine.delivery.outbox.base import Outbox
    from engine.sandbox.server import Sandbox

SANDBOX_KEY = "sandbox"
DEFAULT_SOURCE = "default"
NO_KEY = "Give the write key that clients use with --write-key, or sources in the file of --connections."
NO_ADMIN = "Without --admin-token there is no admin address: /metrics and /status are off."
NOWHERE = "Every connection of the source {name} is disabled: its events are kept in the outbox, and go nowhere."
COUNT = click.IntRange(min=1)
PORT = click.IntRange(0, 65535)


def _kept_for(_context: click.Context, _option: click.Parameter, keep: str | None) -> float | None:
    from engine.delivery.outbox.base import WINDOW
    from engine.delivery.sending.pacing import seconds

    if keep is None:
        return None
    try:
        found = seconds(keep)
    except ValueError as error:
        raise UsageError(f"--keep: {error}.") from error
    if found < WINDOW:
        raise UsageError("--keep: at least 24h, as messageIds are remembered for so long to find duplicates.")
    return found


@click.command("serve")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option("--connections", "connections_file", type=FILE, help="YAML: connections, and sources with write keys.")
@click.option("--write-key", "write_keys", multiple=True, metavar="KEY", help="With MAPPINGs: a key clients may use.")
@settings_options
@click.option("--outbox", "outbox_file", type=FILE, help="The durable queue: outbox.db; with --sandbox a passing one.")
@click.option("--sandbox", is_flag=True, help="Deliver into emulated vendors in this process; write key: sandbox.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8910, show_default=True, help="0 takes a free one.")
@click.option("--workers", type=COUNT, default=1, show_default=True, help="Processes that take requests.")
@click.option(
    "--admin-token",
    envvar="WAYBILL_ADMIN_TOKEN",
    default="",
    help="Opens /metrics and /status on the admin address; better as WAYBILL_ADMIN_TOKEN. With --sandbox: sandbox.",
)
@click.option("--admin-host", default="127.0.0.1", show_default=True, help="The admin address.")
@click.option("--admin-port", type=PORT, default=8911, show_default=True, help="0 takes a free one.")
@click.option("--proxies", default="127.0.0.1", show_default=True, help="Whose X-Forwarded-For is believed.")
@click.option("--event-bytes", type=COUNT, default=32 * 1024, show_default=True, help="Largest event.")
@click.option("--batch-bytes", type=COUNT, default=500 * 1024, show_default=True, help="Largest body, unpacked.")
@click.option("--batch-events", type=COUNT, default=2500, show_default=True, help="Most events in a batch.")
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=1_000_000,
    show_default=True,
    help="Answer 429 while a connection has more unfinished events; 0: never.",
)
@click.option(
    "--keep", metavar="TIME", callback=_kept_for, help="Remove events so long after their end: 30d. Default: never."
)
@click.option("--log/--no-log", default=True, show_default=True, help="Log to standard error, one JSON object a line.")
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    connections_file: Path | None,
    write_keys: tuple[str, ...],
    settings: SettingsOptions,
    outbox_file: Path | None,
    sandbox: bool,
    host: str,
    port: int,
    workers: int,
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
    """Collect what Segment's libraries send, and deliver it, until Ctrl-C.

    A library needs the address of this server (its option is called host, endpoint or proxy) and a write key.

    Exit code 0: it was told to end; 2: wrong usage; 4: the outbox cannot be used; 130: told twice, it ended at once.
    """
    settings = settings._replace(examples=settings.examples or sandbox)
    configured, sources = _parties(mappings, connections_file, settings, write_keys, sandbox=sandbox)
    limits = _limits(event_bytes, batch_bytes, batch_events, backlog)
    with ExitStack() as stack:
        configured, outbox_file, world = _sandboxed(stack, configured, outbox_file, sandbox=sandbox)
        secrets = _secrets(configured, sources) if log else None
        admin = _admin(stack, admin_host, admin_port, admin_token or (SANDBOX_KEY if sandbox else ""))
        serving = _serving(stack, sources, configured, limits, secrets, workers=workers)
        serving = serving._replace(admin=admin, proxies=proxies, keep=keep)
        _serve(stack, serving, outbox_file, (host, port), secrets, workers, world)


def _limits(event_bytes: int, batch_bytes: int, batch_events: int, backlog: int) -> CollectorLimits:
    from engine.collector.responses import CollectorLimits

    return CollectorLimits(event_bytes=event_bytes, batch_bytes=batch_bytes, batch_events=batch_events, backlog=backlog)


def _parties(
    mappings: Sequence[str], file: Path | None, settings: SettingsOptions, write_keys: Sequence[str], *, sandbox: bool
) -> tuple[list[Configured], list[EventSource]]:
    """Return who receives and who sends, from one file or from the command line."""
    from engine.collector import sources
    from engine.collector.write_keys import EventSource
    from engine.commands.connection_options import connections_of

    if file is not None and not (mappings or settings.file or settings.assignments or write_keys):
        found = sources.load(file, os.environ, settings.directories)
        return found.file.connections, found.sources
    for fault in filter(None, map(sources.write_key_fault, write_keys)):
        raise UsageError(f"--write-key: {fault}")
    configured = connections_of(mappings, file, settings)
    keys = tuple(write_keys) or ((SANDBOX_KEY,) if sandbox else ())
    if not keys:
        raise UsageError(NO_KEY)
    return configured, [EventSource(DEFAULT_SOURCE, keys, tuple(each.name for each in configured))]


def _secrets(configured: Sequence[Configured], sources: Sequence[EventSource]) -> tuple[str, ...]:
    secrets = [secret for each in configured for secret in each.connection.secrets]
    return (*secrets, *(key for source in sources for key in source.write_keys))


def _serving(
    stack: ExitStack,
    sources: list[EventSource],
    configured: list[Configured],
    limits: CollectorLimits,
    secrets: tuple[str, ...] | None,
    *,
    workers: int,
) -> Serving:
    from engine.collector.background import Serving
    from engine.collector.observers import CollectorObserver, shared_between_processes
    from engine.delivery import logs
    from engine.delivery.metrics import Metrics
    from engine.delivery.observers import Observers

    text = stack.enter_context(shared_between_processes()) if workers > 1 else None
    watch, metrics = CollectorObserver(), Metrics()
    if text is None:

        def text() -> bytes:
            return watch.text() + metrics.text()

    serving = Serving(sources, configured, limits, watch, metrics, text)
    if secrets is None:
        return serving
    stack.callback(logs.stop, logs.start(sys.stderr, secrets))
    return serving._replace(watcher=Observers([metrics, logs.Logging()]))


def _admin(stack: ExitStack, host: str, port: int, token: str) -> tuple[socket.socket, str] | None:
    """Open the admin address; nothing is opened without a token."""
    from engine.sandbox.server import listen

    if not token:
        return None
    return stack.enter_context(listen(host, port, "The admin address (--admin-host, --admin-port)")), token


def _sandboxed(
    stack: ExitStack, configured: list[Configured], outbox_file: Path | None, *, sandbox: bool
) -> tuple[list[Configured], Path | None, Sandbox | None]:
    """Lead connections into a sandbox where one is wanted, with an outbox that passes."""
    if not sandbox:
        return configured, outbox_file, None
    from engine.commands.sandbox import into_sandbox

    led, world = into_sandbox(stack, configured)
    if outbox_file is None:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
        outbox_file = Path(directory) / DEFAULT_OUTBOX
    return led, outbox_file, world


def _serve(
    stack: ExitStack,
    serving: Serving,
    outbox_file: Path | None,
    address: tuple[str, int],
    secrets: tuple[str, ...] | None,
    workers: int,
    world: Sandbox | None,
) -> None:
    from engine.commands.outbox_options import open_outbox
    from engine.sandbox.server import listen

    path = outbox_file or DEFAULT_OUTBOX
    outbox = stack.enter_context(open_outbox(path, create=True))
    looking = stack.enter_context(open_outbox(path))
    listener = stack.enter_context(listen(*address, "The collector (--host, --port)"))
    _announce(serving, listener, world)
    if workers == 1:
        from engine.collector import server

        server.run(serving, outbox, looking, listener)
    else:
        from engine.collector import workers as several

        names = tuple(each.name for each in serving.connections)
        told = several.WorkerSettings(tuple(serving.sources), serving.limits, path, names, secrets)
        several.run(serving, outbox, looking, listener, told, workers)
    if world is not None:
        _show(outbox, world)


def _announce(serving: Serving, listener: socket.socket, world: Sandbox | None) -> None:
    """Say where everything is, once nothing can keep it from being there; the collector last."""
    from engine.sandbox.server import url_of

    if world is not None:
        click.echo(f"The sandbox listens on {world.url}; what it holds: {world.url}/_sandbox/state")
    if serving.admin is None:
        click.echo(NO_ADMIN, err=True)
    else:
        admin = url_of(serving.admin[0])
        click.echo(f"For the admin token: {admin}/metrics and {admin}/status")
    for source in serving.sources:
        if source.enabled and not source.connections:
            click.echo(NOWHERE.format(name=source.name), err=True)
    names = ", ".join(each.name for each in serving.connections)
    click.echo(f"The collector listens on {url_of(listener)} and delivers to {names}.")


def _show(outbox: Outbox, world: Sandbox) -> None:
    """Show what came of it in the sandbox, as `engine send --sandbox` does."""
    from engine.commands.output.summary import delivery_text
    from engine.commands.output.text import Display
    from engine.commands.sandbox import state_text
    from engine.delivery.observers import MOST_REASONS

    display = Display(sys.stdout)
    click.echo(delivery_text(display, outbox.overview(MOST_REASONS)))
    click.echo(state_text(display, world))
