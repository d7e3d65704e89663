"""`engine connections check`: whether a file of connections is right, and whether vendors accept its credentials."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.options import FILE, file_of, mappings_option, outbox_option
from engine.commands.shared import FOUND, CommandGroup
from engine.delivery.outbox.base import DEFAULT_FILE

if TYPE_CHECKING:
    from engine.collector.sources import EventSource
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.outbox.location import Location


@click.group("connections", cls=CommandGroup)
def command() -> None:
    """Check a file of connections."""


@command.command("check")
@click.argument("path", type=FILE, default=Path("connections.yaml"), metavar="[FILE]")
@click.option(
    "--live",
    is_flag=True,
    help="Get access tokens, and send each vendor the harmless request under `check` in its mapping.",
)
@outbox_option(
    "outbox",
    default=DEFAULT_FILE,
    envvar=None,
    help="With --live: where delivery keeps its events; OAuth 2 refresh tokens are kept beside a file.",
)
@mappings_option
def check(path: Path, live: bool, outbox: Location, directories: tuple[Path, ...]) -> int:
    """Check FILE (connections.yaml): mappings, settings, environment, filters, sources. With --live: credentials.

    Exit code 0: everything is right; 1: a vendor refused or did not answer; 2: the file is wrong.
    """
    from engine.collector import sources

    beside = file_of(outbox, "engine connections check", "Leave --outbox out.")
    file, known = sources.load(path, os.environ, directories, required=False)
    for configured in file.connections:
        if not live:
            click.echo(f"{configured.name} ({configured.mapping.title}): settings are valid.")
        if configured.warning:
            click.echo(f"{configured.name}: warning: {configured.warning}.")
    for name in file.disabled:
        click.echo(f"{name}: disabled{_not_checked(file.unset[name])}.")
    for source in known:
        click.echo(_source_text(source))
    return asyncio.run(_ask_all(file.connections, beside)) if live else 0


def _not_checked(unset: tuple[str, ...]) -> str:
    if not unset:
        return ""
    return f"; not checked: {', '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set"


def _source_text(source: EventSource) -> str:
    """Describe a source without its keys."""
    names = ", ".join(source.connections)
    if not source.enabled:
        return f"source {source.name}: disabled; its write keys are refused."
    if not names:
        return f"source {source.name}: its events go nowhere, because all its connections are disabled."
    return f"source {source.name}: its events go to {names}."


async def _ask_all(connections: list[ConfiguredConnection], outbox: Path) -> int:
    from engine.delivery.status import check_credentials
    from engine.language.texts import visible

    results = await asyncio.gather(*(check_credentials(configured, outbox) for configured in connections))
    for configured, result in zip(connections, results, strict=True):
        click.echo(f"{configured.name}: {visible(result.message)}")
    return 0 if all(result.passed is not False for result in results) else FOUND
