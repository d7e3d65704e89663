"""`engine console`: the web console on a port of its own, to look at an outbox or to try mappings."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from engine.commands.options import FILE, followed, mappings_option, outbox_option
from engine.errors import UsageError

if TYPE_CHECKING:
    import socket

    from engine.console.access import Access
    from engine.console.site import Site
    from engine.delivery.outbox.location import Location

R = TypeVar("R")
DIRECTORY = click.Path(path_type=Path, file_okay=False)
NEEDS_ARCHIVE = "--audiences are computed from an archive: add --archive DIR."
NO_ARCHIVE = "There is no archive {path}; name the one of `engine serve --archive`, or leave it out."
MISSING = "The console needs packages that are not installed ({name}): pip install 'waybill[server,console]'."
PACKAGES = ("jinja2", "markupsafe", "python_multipart", "sse_starlette", "starlette", "uvicorn")
LINK = """The console: {link}
The link works once, within 10 minutes; after that the page asks for the token{token}."""
READS = "It shows {outbox} and changes nothing. Ctrl-C stops it."
TRIES = "It opens no outbox: see one with --outbox FILE. Ctrl-C stops it."
NO_OUTBOX = "There is no outbox {path}; name one with --outbox, or leave it out to try mappings only."


class ConsoleOptions(NamedTuple):
    """How a console is reached: its address for browsers, and whether one without TLS may be public."""

    origin: str = ""
    insecure: bool = False


def console_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options that say how a console is reached, which the command receives as one argument, `reached`."""

    @click.option(
        "--console-origin",
        default="",
        metavar="URL",
        help="The console's address for browsers, behind a proxy with TLS.",
    )
    @click.option("--console-insecure", is_flag=True, help="Allow a console that others can reach, without TLS.")
    @wraps(command)
    def with_options(*, console_origin: str, console_insecure: bool, **others: object) -> R:
        return command(reached=ConsoleOptions(console_origin, console_insecure), **others)

    return with_options


@click.command("console")
@outbox_option(help="The outbox to show, a file or an address; nothing in it changes.")
@click.option("--connections", "connections_file", type=FILE, help="YAML file of connections, and of sources.")
@mappings_option
@click.option("--archive", type=DIRECTORY, metavar="DIR", help="The archive of the audiences to show.")
@click.option("--audiences", "audiences_file", type=FILE, help="The definitions of audiences; needs --archive.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8912, show_default=True, help="0: any free port.")
@click.option(
    "--admin-token",
    envvar="WAYBILL_ADMIN_TOKEN",
    default="",
    help="The token of the login page; safer as WAYBILL_ADMIN_TOKEN. Default: a new one, which is printed.",
)
@click.option("--read-only", is_flag=True, help="Change no file either. With --outbox this is always so.")
@console_options
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    outbox_file: Location | None,
    connections_file: Path | None,
    directories: tuple[Path, ...],
    archive: Path | None,
    audiences_file: Path | None,
    host: str,
    port: int,
    admin_token: str,
    read_only: bool,
    reached: ConsoleOptions,
) -> None:
    """Serve the web console: how connections stand, what became of each event, and a page to try mappings on.

    Without --outbox it is for trying mappings. With one it only reads it, also while another process delivers from it;
    to resume, replay or reload from the console, use `engine serve --console`.

    Exit code 0: stopped by a signal; 2: wrong usage; 130: second signal, immediate exit.
    """
    if isinstance(outbox_file, Path) and not outbox_file.exists():
        raise UsageError(NO_OUTBOX.format(path=outbox_file))
    if audiences_file is not None and archive is None:
        raise UsageError(NEEDS_ARCHIVE)
    if archive is not None and not (archive / "catalog.db").exists():
        raise UsageError(NO_ARCHIVE.format(path=archive))
    import_all()
    from engine.sandbox.server import listen

    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port, "The console (--host, --port)"))
        access = access_of(listener, host, admin_token or secrets.token_urlsafe(24), reached)
        site = _site(connections_file, directories, read_only=read_only or outbox_file is not None)
        if outbox_file is not None:
            looked = stack.enter_context(followed(outbox_file))
            address = None if isinstance(outbox_file, Path) else outbox_file
            site = replace(site, outbox_file=looked.file, address=address, behind=looked.trouble)
        site = replace(site, archive=archive, audiences_file=audiences_file)
        _serve(stack, site, access, listener, new_token=not admin_token)


def import_all() -> None:
    """Import what the console needs; raise UsageError if packages are missing."""
    try:
        import engine.console.app
        import engine.console.server  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        raise UsageError(MISSING.format(name=error.name)) from error


def access_of(listener: socket.socket, host: str, token: str, reached: ConsoleOptions) -> Access:
    """Return how the console on a port that is open is reached; raise UsageError where that would not be safe."""
    from engine.console.access import access

    return access(host, listener.getsockname()[1], token, reached.origin, insecure=reached.insecure)


def _site(connections: Path | None, directories: tuple[Path, ...], *, read_only: bool) -> Site:
    from engine.console.site import Site

    if connections is None:
        return Site(directories=directories, read_only=read_only)
    from engine.collector.sources import load

    found = load(connections, os.environ, directories, required=False)
    return Site(
        connections=lambda: found.file.connections,
        sources=lambda: found.sources,
        connections_file=connections,
        directories=directories,
        read_only=read_only,
    )


def _serve(stack: ExitStack, site: Site, access: Access, listener: socket.socket, *, new_token: bool) -> None:
    from engine.console.app import console_app
    from engine.console.server import serve
    from engine.delivery import logs

    stack.callback(logs.stop, logs.start(sys.stderr, [access.token]))
    console = console_app(site, access)
    click.echo(LINK.format(link=console.link, token=f": {access.token}" if new_token else ""))
    click.echo(TRIES if site.location is None else READS.format(outbox=site.location))
    serve(console, listener)
