"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import click


def run(host: str, port: int, config: Path | None, database: str) -> None:
    """Serve the emulated vendors; raises `UsageError` for a port, file or package that is not to be had."""
    from engine.sandbox.config import Config, load_config
    from engine.sandbox.server import listen, serve

    settings = load_config(config) if config else Config()
    listener = listen(host, port)
    with listener:
        bound = listener.getsockname()[1]
        click.echo(_welcome(f"http://{host}:{bound}", database))
        serve(listener, settings, database)


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
