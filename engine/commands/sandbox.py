"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path

import click


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
