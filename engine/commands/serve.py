"""`engine serve`: Segment's HTTP API on a port; what comes in goes through outbox and mappings to the vendors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.keys import Source
    from engine.collector.limits import Limits
    from engine.collector.server import Serving
    from engine.delivery.config import Configured

    Given = tuple[Sequence[str], Path | None, Sequence[Path], Path | None, Sequence[str]]

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
SANDBOX_KEY = "sandbox"
DEFAULT_SOURCE = "default"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NO_KEY = "Give the write key that clients use with --write-key, or sources in the file of --connections."
NOWHERE = "Every connection of the source {name} is disabled: its events are kept in the outbox, and go nowhere."
COUNT = click.IntRange(min=1)


@click.command("serve")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option("--connections", "connections_file", type=FILE, help="YAML: connections, and sources with write keys.")
@click.option("--write-key", "write_keys", multiple=True, metavar="KEY", help="With MAPPINGs: a key clients may use.")
@click.option("--settings", "settings_file", type=FILE, help="YAML: destination -> settings.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting, as in engine run.")
@click.option("--example-settings", is_flag=True, help="Use the mapping's examples for settings not given.")
@click.option("--mappings", "directories", multiple=True, type=DIRECTORY, help="Where your own mappings are.")
@click.option("--outbox", "outbox_file", type=FILE, help="The durable queue: outbox.db; with --sandbox a passing one.")
@click.option("--sandbox", is_flag=True, help="Deliver into emulated vendors in this process; write key: sandbox.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8910, show_default=True, help="0 takes a free one.")
@click.option(
    "--admin-token", envvar="WAYBILL_ADMIN_TOKEN", default="", help="What /metrics asks for. [WAYBILL_ADMIN_TOKEN]"
)
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
@click.option("--log/--no-log", default=True, show_default=True, help="Log to standard error, one JSON object a line.")
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    connections_file: Path | None,
    write_keys: tuple[str, ...],
    settings_file: Path | None,
    assignments: tuple[str, ...],
    example_settings: bool,
    directories: tuple[Path, ...],
    outbox_file: Path | None,
    sandbox: bool,
    host: str,
    port: int,
    admin_token: str,
    proxies: str,
    event_bytes: int,
    batch_bytes: int,
    batch_events: int,
    backlog: int,
    log: bool,
) -> None:
    """Collect what Segment's libraries send, and deliver it, until Ctrl-C.

    A library needs the address of this server (its option is called host, endpoint or proxy) and a write key.
    """
    from engine.collector.limits import Limits

    given = (mappings, connections_file, directories, settings_file, assignments)
    configured, sources = _parties(given, write_keys, example_settings=example_settings, sandbox=sandbox)
    limits = Limits(event_bytes=event_bytes, batch_bytes=batch_bytes, batch_events=batch_events, backlog=backlog)
    with ExitStack() as stack:
        if sandbox:
            configured, outbox_file = _into_sandbox(stack, configured, outbox_file)
        serving = _serving(stack, sources, configured, limits, log=log)
        serving = serving._replace(token=admin_token, open_metrics=host in LOOPBACK, proxies=proxies)
        _serve(stack, serving, outbox_file, host, port)


def _parties(
    given: Given, write_keys: Sequence[str], *, example_settings: bool, sandbox: bool
) -> tuple[list[Configured], list[Source]]:
    """Give who receives and who sends, from one file or from the command line."""
    from engine.collector import sources
    from engine.collector.keys import Source
    from engine.commands.delivering import connections_of
    from engine.delivery.connections import load

    mappings, file, directories, settings_file, assignments = given
    if file is not None and not (mappings or settings_file or assignments or write_keys):
        found = load(file, os.environ, directories)
        names = [each.name for each in found.connections]
        return found.connections, sources.load(file, os.environ, names, found.disabled)
    configured = connections_of(*given, example_settings=example_settings or sandbox)
    keys = tuple(write_keys) or ((SANDBOX_KEY,) if sandbox else ())
    if not keys:
        raise UsageError(NO_KEY)
    return configured, [Source(DEFAULT_SOURCE, keys, tuple(each.name for each in configured))]


def _serving(
    stack: ExitStack, sources: list[Source], configured: list[Configured], limits: Limits, *, log: bool
) -> Serving:
    from engine.collector.server import Serving
    from engine.collector.watching import Watch
    from engine.delivery import logs
    from engine.delivery.metrics import Metrics
    from engine.delivery.watching import Several

    metrics = Metrics()
    serving = Serving(sources, configured, limits, Watch(), metrics, metrics.text)
    if not log:
        return serving
    secrets = [secret for each in configured for secret in each.connection.secrets]
    secrets += [key for source in sources for key in source.write_keys]
    stack.callback(logs.stop, logs.start(sys.stderr, secrets))
    return serving._replace(watcher=Several([metrics, logs.Logging()]))


def _into_sandbox(
    stack: ExitStack, configured: Sequence[Configured], outbox_file: Path | None
) -> tuple[list[Configured], Path]:
    from engine.commands.delivering import DEFAULT_OUTBOX
    from engine.commands.sandboxed import into_sandbox

    led, world = into_sandbox(stack, configured)
    click.echo(f"The sandbox listens on {world.url}; what it holds: {world.url}/_sandbox/state")
    if outbox_file is None:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
        outbox_file = Path(directory) / DEFAULT_OUTBOX
    return led, outbox_file


def _serve(stack: ExitStack, serving: Serving, outbox_file: Path | None, host: str, port: int) -> None:
    from engine.collector.server import run
    from engine.commands.delivering import DEFAULT_OUTBOX, opened
    from engine.sandbox.server import listen, url_of

    outbox = stack.enter_context(opened(outbox_file or DEFAULT_OUTBOX, make=True))
    listener = stack.enter_context(listen(host, port))
    for source in serving.sources:
        if source.enabled and not source.connections:
            click.echo(NOWHERE.format(name=source.name), err=True)
    names = ", ".join(each.name for each in serving.connections)
    click.echo(f"The collector listens on {url_of(listener)} and delivers to {names}.")
    run(serving, outbox, listener)
