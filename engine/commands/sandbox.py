"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path

import click


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
