"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C; and which connections can be led into it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import click

from engine.compiler.runtime import Invalid
from engine.delivery import configured_connection
from engine.delivery.configured_connection import ConfiguredConnection, base_url, request_paths
from engine.delivery.sending.shipping import SETTINGS_HINT
from engine.errors import UsageError
from engine.sandbox.server import Sandbox
from engine.sandbox.world import emulated, locate, titles


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8900, show_default=True, help="0 takes a free one.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="YAML: what the vendors accept, and what goes wrong (docs/sandbox.md).",
)
@click.option("--database", default=":memory:", metavar="FILE", help="Keep the state in a file; else it is in memory.")
def command(host: str, port: int, config: Path | None, database: str) -> None:
    """Emulate the vendors on a port, until Ctrl-C: what is sent is accepted or refused as their documents say."""
    run(host, port, config, database)


def run(host: str, port: int, config: Path | None, database: str) -> None:
    """Serve the emulated vendors; raises `UsageError` for a port, file or package that is not to be had."""
    from engine.sandbox.config import Config, load_config
    from engine.sandbox.server import build, listen, serve, url_of

    settings = load_config(config) if config else Config()
    with listen(host, port) as listener:
        server, world = build(settings, database, time.time)
        click.echo(_welcome(url_of(listener), database))
        serve(server, world, listener)


def _welcome(url: str, database: str) -> str:
    from engine.sandbox.vendors import VENDORS

    kept = "in memory" if database == ":memory:" else f"in {database}"
    bases = [f"  {vendor.title:<32} {url}/{vendor.name}" for vendor in VENDORS]
    return "\n".join(
        [
            f"The sandbox listens on {url}; its state is kept {kept}.",
            *bases,
            f"What it holds: {url}/_sandbox/state",
            f"What else can be asked, and faults: {url}/_sandbox/",
            "What it does not emulate: docs/sandbox.md.  Ctrl-C stops it.",
        ]
    )


UNKNOWN = (
    "{name} cannot go into the sandbox: no vendor there has {path}. It emulates {titles}, and knows them by the paths "
    "of their APIs (docs/sandbox.md). Leave {name} out, look at its requests with engine run, or go without --sandbox."
)


def into_sandbox(
    stack: ExitStack, configured: Sequence[ConfiguredConnection]
) -> tuple[list[ConfiguredConnection], Sandbox]:
    """Start a sandbox and lead all connections there; raises UsageError before, where one cannot be."""
    base_paths = [_base_path(each) for each in configured]
    sandbox = stack.enter_context(Sandbox())
    pairs = zip(configured, base_paths, strict=True)
    return [configured_connection.into_sandbox(each, sandbox.url, path) for each, path in pairs], sandbox


def _base_path(configured: ConfiguredConnection) -> str:
    """Return the path below which the sandbox has a connection's requests; raises UsageError where it has none."""
    try:
        whole = urlsplit(base_url(configured.connection)).path.rstrip("/")
    except Invalid as error:
        raise UsageError(f"{configured.name}: {error}. {SETTINGS_HINT}") from error
    found = request_paths(configured.connection)
    for base in _endings(whole):
        if not found or _has(base, [each.filled for each in found]):
            return base
    strange = next((each for each in found if locate(whole + each.filled)[0] is None), found[0])
    raise UsageError(UNKNOWN.format(name=configured.name, path=whole + strange.written, titles=", ".join(titles())))


def _endings(path: str) -> Iterator[str]:
    """Return a path, then the same without its first part, and so on."""
    while path:
        yield path
        _, slash, rest = path[1:].partition("/")
        path = slash + rest
    yield ""


def _has(base: str, known: list[str]) -> bool:
    return all(locate(base + path)[0] for path in known) and any(emulated(base + path) for path in known)
