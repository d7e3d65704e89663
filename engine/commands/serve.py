"""`engine serve`: Segment's HTTP API on a port; events go through the outbox and the mappings to the vendors."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.commands.console import ConsoleOptions, console_options
from engine.commands.options import FILE, SettingsOptions, default_outbox, keep_option, outbox_option, settings_options
from engine.commands.serve_streams import DELETE_CALLS, check_role, check_served, limits_on
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.background import ServedOutbox, ServerConfig
    from engine.collector.reloading import Reloading, Served
    from engine.collector.responses import CollectorLimits
    from engine.collector.sources import EventSource
    from engine.collector.watching import WatchedFiles
    from engine.commands.serve_streams import Role
    from engine.delivery.outbox.base import EventIntake
    from engine.delivery.outbox.location import Location
    from engine.records import JsonObject
    from engine.sandbox.server import Sandbox

SANDBOX_KEY = "sandbox"
DEFAULT_SOURCE = "default"
NO_KEY = "No write key: name one with --write-key, or define sources in the --connections file."
NO_ADMIN = "The admin address (/metrics, /status) is off: it needs --admin-token."
CONSOLE_NEEDS_TOKEN = "--console needs --admin-token: the token of its login page."  # noqa: S105
CONSOLE = """The console: {link}
The link works once, within 10 minutes; after that the page asks for the admin token."""
SAMPLES = "The source samples sends the mappings' examples, 4 a second, for the console to show."
MISSING = "The collector needs packages that are not installed ({name}): pip install 'waybill[server]'."
PACKAGES = ("httptools", "prometheus_client", "starlette", "uvicorn")
NO_CONNECTION = (
    "Every connection of the source {name} is disabled: its events stay in the outbox and are not delivered."
)
COUNT = click.IntRange(min=1)
PORT = click.IntRange(0, 65535)
MOST_WORKERS = 64
"""Processes that accept requests at most: as many as a large machine has cores; each takes 60 MB."""


def _archive_keep(_context: click.Context, _option: click.Parameter, keep: str | None) -> str | None:
    from engine.commands.archive.shared import keep_seconds

    keep_seconds("--archive-keep", keep)
    return keep


def _keep_seconds(_context: click.Context, _option: click.Parameter, keep: str | None) -> float | None:
    return keep_option("--keep", keep, "messageIds are remembered that long to detect duplicates")


class KeepOptions(NamedTuple):
    """How many seconds ended events stay in the outbox, where the archive is, and how long its days stay.

    `audiences` is the file of definitions that are synced from the archive, on their schedule.
    """

    outbox: float | None
    archive: Path | None
    archive_days: str | None
    audiences: Path | None = None


def _keep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for how long events stay where to the command, which receives them as one argument, `kept`."""

    @click.option(
        "--keep",
        metavar="TIME",
        callback=_keep_seconds,
        help="Remove events this long after they ended: 30d. Default: never.",
    )
    @click.option(
        "--archive",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Also keep all events here, as Parquet files by day (engine archive).",
    )
    @click.option(
        "--archive-keep",
        metavar="TIME",
        callback=_archive_keep,
        help="With --archive: remove days that ended this long ago: 400d. Default: never.",
    )
    @click.option(
        "--audiences",
        type=FILE,
        metavar="FILE",
        help="With --archive: sync these audiences and computed traits on their schedule (engine audiences).",
    )
    @wraps(command)
    def with_keep(
        *, keep: float | None, archive: Path | None, archive_keep: str | None, audiences: Path | None, **others: object
    ) -> None:
        if archive is None and archive_keep is not None:
            raise UsageError("--archive-keep is about --archive: add it.")
        if archive is None and audiences is not None:
            raise UsageError("--audiences are computed from the archive: add --archive DIR.")
        command(kept=KeepOptions(keep, archive, archive_keep, audiences), **others)

    return with_keep


def _limits_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for limits to the command, which receives them as one argument, `limits`."""

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
    @wraps(command)
    def with_limits(*, event_bytes: int, batch_bytes: int, batch_events: int, backlog: int, **others: object) -> None:
        from engine.collector.responses import CollectorLimits

        limits = CollectorLimits(
            event_bytes=event_bytes, batch_bytes=batch_bytes, batch_events=batch_events, backlog=backlog
        )
        command(limits=limits, **others)

    return with_limits


@click.command("serve")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option("--connections", "connections_file", type=FILE, help="YAML: connections, and sources with write keys.")
@click.option(
    "--write-key", "write_keys", multiple=True, metavar="KEY", help="With MAPPINGs: a key that clients may use."
)
@settings_options
@outbox_option(
    envvar=None,
    help="The durable queue: a file, or an address nats://HOST:4222/NAME that many servers share. "
    "Default: WAYBILL_OUTBOX, or outbox.db; with --sandbox a temporary one.",
)
@click.option(
    "--only",
    type=click.Choice(["collector", "delivery"]),
    help="With an address: only receive events, or only deliver them. Default: both.",
)
@click.option(
    "--watch", is_flag=True, help="Reload when a file changes: mappings with what they extend, connections, settings."
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
    help="Required for /metrics, /status and /reload; safer as WAYBILL_ADMIN_TOKEN. With --sandbox: sandbox.",
)
@click.option("--admin-host", default="127.0.0.1", show_default=True, help="Admin address to listen on.")
@click.option("--admin-port", type=PORT, default=8911, show_default=True, help="0: any free port.")
@click.option("--console", "console", is_flag=True, help="Serve the web console at the admin address.")
@console_options
@click.option("--proxies", default="127.0.0.1", show_default=True, help="Proxies whose X-Forwarded-For is trusted.")
@_limits_options
@_keep_options
@click.option(
    "--log/--no-log", default=True, show_default=True, help="Log to standard error, one JSON object per line."
)
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    mappings: tuple[str, ...],
    connections_file: Path | None,
    write_keys: tuple[str, ...],
    settings: SettingsOptions,
    outbox_file: Location | None,
    only: Role | None,
    watch: bool,
    sandbox: bool,
    host: str,
    port: int,
    workers: int | None,
    admin_token: str,
    admin_host: str,
    admin_port: int,
    console: bool,
    reached: ConsoleOptions,
    proxies: str,
    limits: CollectorLimits,
    kept: KeepOptions,
    log: bool,
) -> None:
    """Receive events from Segment's libraries and deliver them, until Ctrl-C.

    A library needs the address of this server (its option is called host, endpoint or proxy) and a write key.

    Exit code 0: stopped by a signal; 2: wrong usage; 4: outbox or archive cannot be used; 130: second signal.
    """
    with ExitStack() as stack:
        path = outbox_file or _default_outbox(stack, sandbox=sandbox)
        check_role(path, only, workers, write_keys, sandbox=sandbox)
        workers = _default_workers(none=sandbox or only == "delivery") if workers is None else workers
        arguments = Arguments(mappings, connections_file, settings, write_keys, sandbox, path, only)
        reloading = _reloading(arguments, vendors := EmulatedVendors(stack))
        admin = _admin(stack, (admin_host, admin_port), admin_token or SANDBOX_KEY * sandbox, console=console)
        config = _config(stack, reloading, limits_on(path, limits), path, workers=workers, log=log)
        config = config._replace(admin=admin, proxies=proxies, keep=kept.outbox, watch=watch)
        config = _with_console(stack, config, arguments, admin_host, reached, kept) if console else config
        config = _with_archive(config, kept, arguments)
        _serve(stack, config, arguments, (host, port), workers, log=log, world=vendors.sandbox)


def _default_workers(*, none: bool) -> int:
    """Return how many processes accept requests: one, so that taking in and delivering each have a core.

    On one core a second process would cost its memory and gain nothing.
    """
    if none:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if cores > 1 else 0


class Arguments(NamedTuple):
    """What the command line says of who sends events and who receives them; a reload reads it again."""

    mappings: Sequence[str]
    file: Path | None
    settings: SettingsOptions
    write_keys: Sequence[str]
    sandbox: bool
    outbox: Location
    only: Role | None

    def load(self, files: WatchedFiles) -> Served:
        """Return who receives and who sends; raise UsageError for what the outbox does not allow."""
        served = self._named(files)
        check_served(self.outbox, self.only, served)
        return served

    def _named(self, files: WatchedFiles) -> Served:
        """Return who receives and who sends, from a connections file or from the command line."""
        from engine.collector import sources
        from engine.collector.reloading import Served
        from engine.commands.connection_options import connections_of

        for path in filter(None, (self.file, self.settings.file)):
            files.add(path)
        given = self.mappings or self.settings.file or self.settings.assignments or self.write_keys
        if self.file is not None and not given:
            needed = self.only != "delivery"
            found = sources.load(self.file, os.environ, self.settings.directories, files.read, required=needed)
            return Served(found.sources, found.file.connections)
        for error in filter(None, map(sources.write_key_error, self.write_keys)):
            raise UsageError(f"--write-key: {error}")
        settings = self.settings._replace(examples=self.settings.examples or self.sandbox)
        configured = connections_of(self.mappings, self.file, settings, files.read)
        keys = tuple(self.write_keys) or ((SANDBOX_KEY,) if self.sandbox else ())
        if self.only == "delivery":
            return Served([], configured)
        if not keys:
            raise UsageError(NO_KEY)
        source = sources.EventSource(DEFAULT_SOURCE, keys, tuple(each.name for each in configured))
        return Served([source], configured)


class EmulatedVendors:
    """The sandbox of `--sandbox`: started for the first connections, and told of those that a reload brings."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.sandbox: Sandbox | None = None

    def redirect(self, served: Served) -> Served:
        """Point all connections to the sandbox."""
        from engine.commands.sandbox import into_running, into_sandbox

        if self.sandbox is not None:
            return served._replace(connections=into_running(self.sandbox, served.connections))
        connections, self.sandbox = into_sandbox(self._stack, served.connections)
        return served._replace(connections=connections)


def _reloading(arguments: Arguments, vendors: EmulatedVendors) -> Reloading:
    """Load what the command line names, for the first time."""
    from engine.collector.reloading import Reloading

    def load(files: WatchedFiles) -> Served:
        served = arguments.load(files)
        return vendors.redirect(served) if arguments.sandbox else served

    return Reloading(load)


def _default_outbox(stack: ExitStack, *, sandbox: bool) -> Location:
    if not sandbox:
        return default_outbox()
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))) / DEFAULT_FILE


def _import_server() -> None:
    try:
        import engine.collector.server  # noqa: F401
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in PACKAGES:
            raise
        raise UsageError(MISSING.format(name=name)) from error


def _config(
    stack: ExitStack, reloading: Reloading, limits: CollectorLimits, outbox_file: Location, *, workers: int, log: bool
) -> ServerConfig:
    _import_server()
    from engine.collector.background import ServerConfig
    from engine.collector.observers import CollectorObserver, shared_between_processes
    from engine.delivery import logs
    from engine.delivery.metrics import Metrics
    from engine.delivery.observers import Observers

    text = stack.enter_context(shared_between_processes()) if workers else None
    observer, metrics = CollectorObserver(), Metrics()
    if text is None:

        def text() -> bytes:
            return observer.text() + metrics.text()

    config = ServerConfig(reloading, limits, observer, metrics, text)
    if not log:
        return config
    stack.callback(logs.stop, logs.start(sys.stderr, reloading.served.secrets))
    return config._replace(delivery_observer=Observers([metrics, logs.Logging(outbox_file)]))


def _admin(
    stack: ExitStack, address: tuple[str, int], token: str, *, console: bool
) -> tuple[socket.socket, str] | None:
    """Open the admin address, if there is a token; raise UsageError where the console would have none."""
    from engine.sandbox.server import listen

    if token:
        return stack.enter_context(listen(*address, "The admin address (--admin-host, --admin-port)")), token
    if console:
        raise UsageError(CONSOLE_NEEDS_TOKEN)
    return None


def sources_of(reloading: Reloading, *, samples: bool) -> Sequence[EventSource]:
    """Return the sources that a console shows; with `samples`, that of the sample traffic too."""
    from engine.collector.samples import sample_source

    return [*reloading.sources, *([sample_source(reloading.connections)] if samples else [])]


def _with_console(
    stack: ExitStack, config: ServerConfig, arguments: Arguments, host: str, reached: ConsoleOptions, kept: KeepOptions
) -> ServerConfig:
    """Add the console for the admin address; raise UsageError where that would not be safe."""
    from engine.commands.console import access_of, import_all

    assert config.admin is not None
    import_all()
    from engine.commands.options import followed
    from engine.console.app import console_app
    from engine.console.site import Site
    from engine.delivery.observers import Observers
    from engine.delivery.troubles import RecentTroubles

    _looked_at(arguments.outbox)
    looked, troubles = stack.enter_context(followed(arguments.outbox)), RecentTroubles()

    async def reload() -> JsonObject:
        return (await config.reloading.reload()).json()

    site = Site(
        outbox_file=looked.file,
        address=None if isinstance(arguments.outbox, Path) else arguments.outbox,
        behind=looked.trouble,
        connections=lambda: config.reloading.connections,
        sources=lambda: sources_of(config.reloading, samples=arguments.sandbox),
        troubles=troubles.read,
        connections_file=arguments.file,
        directories=arguments.settings.directories,
        archive=kept.archive,
        audiences_file=kept.audiences,
        live=True,
        reload=reload,
    )
    listener, token = config.admin
    observer = Observers([config.delivery_observer, troubles])
    console = console_app(site, access_of(listener, host, token, reached))
    return config._replace(console=console, delivery_observer=observer)


def _looked_at(outbox: Location) -> Path:
    """Return the file in which an outbox is looked at: its own, or the view of streams, which are made if need be."""
    from engine.commands.options import looked_at, open_outbox

    if not isinstance(outbox, Path):
        with open_outbox(outbox, create=True):
            pass
    return looked_at(outbox)


def _with_archive(config: ServerConfig, kept: KeepOptions, arguments: Arguments) -> ServerConfig:
    """Add the archive and the process that follows the outbox into it; raise ArchiveError where it cannot be used."""
    directory = kept.archive
    if directory is None:
        return config
    from engine.archive.catalog import Catalog
    from engine.collector.archiving import ServedArchive
    from engine.collector.companions import Companion
    from engine.commands.archive.shared import check_extra

    check_extra()
    with Catalog.open(directory, create=True) as catalog, catalog.follower():
        pass
    keep = ("--keep", kept.archive_days) if kept.archive_days is not None else ()
    follow = ("archive", "follow", "--archive", str(directory), "--outbox", str(arguments.outbox), *keep)
    companions = (*config.companions, Companion("archive", follow))
    config = config._replace(archive=ServedArchive(directory, _looked_at(arguments.outbox)), companions=companions)
    return _with_audiences(config, kept, arguments)


def _with_audiences(config: ServerConfig, kept: KeepOptions, arguments: Arguments) -> ServerConfig:
    """Add the process that syncs audiences; raise DefinitionsError where their file has errors."""
    if kept.audiences is None or kept.archive is None:
        return config
    from engine.collector.companions import Companion
    from engine.commands.audiences.shared import AudienceFiles

    if arguments.file is None:
        raise UsageError("--audiences names connections of a connections file: add --connections FILE.")
    directories = arguments.settings.directories
    AudienceFiles(kept.audiences, kept.archive, arguments.file, directories, None).definitions()
    given = ["audiences", "follow", "--audiences", str(kept.audiences), "--archive", str(kept.archive)]
    given += ["--connections", str(arguments.file), "--outbox", str(arguments.outbox)]
    for each in directories:
        given += ["--mappings", str(each)]
    return config._replace(companions=(*config.companions, Companion("audiences", given)))


def _serve(
    stack: ExitStack,
    config: ServerConfig,
    arguments: Arguments,
    address: tuple[str, int],
    workers: int,
    *,
    log: bool,
    world: Sandbox | None,
) -> None:
    from engine.collector import server
    from engine.sandbox.server import listen

    # First the port: if another process has it, no outbox is made.
    listener = None
    if arguments.only != "delivery":
        listener = stack.enter_context(listen(*address, "The collector (--host, --port)"))
    intake, outbox, config = _opened(stack, config, arguments)
    stack.enter_context(server.reload_on_hangup(config.reloading))
    _announce(config, arguments, listener, world)
    if world is not None and config.console is not None:
        _send_samples(stack, config.reloading, intake)
    if listener is None:
        server.run_delivery(config, outbox)
    elif workers == 0:
        server.run(config, intake, outbox, listener)
    else:
        settings = server.WorkerSettings.of(config.reloading.served, config.limits, outbox.path, log=log)
        server.run_workers(config, outbox, listener, settings, workers)
    if world is not None:
        _show_results(intake, world)


def _opened(
    stack: ExitStack, config: ServerConfig, arguments: Arguments
) -> tuple[EventIntake, ServedOutbox, ServerConfig]:
    """Open the outbox, made if need be; return where events go, what the background has, and what runs beside it."""
    if not isinstance(arguments.outbox, Path):
        from engine.collector.streaming import served_streams

        streams = stack.enter_context(served_streams(arguments.outbox, config, arguments.only))
        return streams.intake, streams, config
    from engine.collector.background import ServedFile
    from engine.commands.options import open_outbox

    path = arguments.outbox
    outbox = stack.enter_context(open_outbox(path, create=True))
    served = ServedFile(outbox, stack.enter_context(open_outbox(path)))
    return outbox, served, config._replace(beside=(_deletions(stack, config, path),))


def _deletions(stack: ExitStack, config: ServerConfig, path: Path) -> Callable[[], Coroutine[None, None, None]]:
    """Return what begins the deletions that delete events ask for, and has them done."""
    from engine.commands.options import open_outbox
    from engine.deletion.following import follow
    from engine.deletion.vendors import parts_of

    archive = () if config.archive is None else ("--archive", str(config.archive.directory))
    outbox = stack.enter_context(open_outbox(path))
    arguments = ("--outbox", str(path), *archive)
    return lambda: follow(outbox, lambda: parts_of(config.reloading.connections), arguments)


def _announce(
    config: ServerConfig, arguments: Arguments, listener: socket.socket | None, world: Sandbox | None
) -> None:
    """Print the addresses, once nothing can fail any more; the collector last."""
    from engine.sandbox.server import url_of

    if world is not None:
        click.echo(f"The sandbox listens on {world.url}; its state: {world.url}/_sandbox/state")
    if config.admin is None:
        click.echo(NO_ADMIN, err=True)
    else:
        admin = url_of(config.admin[0])
        click.echo(f"Metrics and status, for the admin token: {admin}/metrics and {admin}/status")
    if not isinstance(arguments.outbox, Path):
        click.echo(DELETE_CALLS, err=True)
    if config.console is not None:
        click.echo(CONSOLE.format(link=config.console.link))
    for source in config.reloading.sources:
        if source.enabled and not source.connections:
            click.echo(NO_CONNECTION.format(name=source.name), err=True)
    names = ", ".join(each.name for each in config.reloading.connections) or "no connection"
    if listener is None:
        click.echo(f"Delivers from {arguments.outbox} to {names}.")
    elif arguments.only == "collector":
        click.echo(f"The collector listens on {url_of(listener)} and others deliver from {arguments.outbox}.")
    else:
        click.echo(f"The collector listens on {url_of(listener)} and delivers to {names}.")


def _send_samples(stack: ExitStack, reloading: Reloading, intake: EventIntake) -> None:
    """Send the mappings' examples, so that the console has something to show."""
    from engine.collector.samples import SampleTraffic, sample_traffic
    from engine.commands.options import open_outbox

    if isinstance(intake.path, Path):
        intake = stack.enter_context(open_outbox(intake.path))  # a connection of its own
    click.echo(SAMPLES)
    stack.enter_context(sample_traffic(SampleTraffic(intake, lambda: reloading.connections)))


def _show_results(intake: EventIntake, world: Sandbox) -> None:
    """Print how events ended, where a file knows it, and what the sandbox has, as `engine send --sandbox` does."""
    from engine.commands.output.summary import delivery_text
    from engine.commands.output.text import Display
    from engine.commands.sandbox import state_text
    from engine.delivery.observers import MOST_REASONS
    from engine.delivery.outbox.sqlite import SqliteOutbox

    display = Display(sys.stdout)
    if isinstance(intake, SqliteOutbox):
        click.echo(delivery_text(display, intake.overview(MOST_REASONS)))
    click.echo(state_text(display, world))
