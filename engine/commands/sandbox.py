"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C.  For `send` and `serve`: connections to a sandbox."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from engine.commands.options import FILE, SettingsOptions, settings_options
from engine.commands.output.text import Display, shortened
from engine.compiler.runtime import Invalid
from engine.delivery import configured_connection
from engine.delivery.configured_connection import ConfiguredConnection, base_url, request_paths
from engine.delivery.sending.shipping import SETTINGS_HINT
from engine.errors import UsageError
from engine.language.texts import text_of, visible
from engine.records import Json
from engine.sandbox.server import Sandbox
from engine.sandbox.world import emulated, reserved

if TYPE_CHECKING:
    from engine.sandbox.generic.vendor import Description

MADE = "{name} is answered by a vendor made from its mapping (engine docs sandbox)."

SHOWN = 3
STATE_WIDTH = 96
LONGEST_VALUE = 22
IDS = ("id", "ids", "email")
PLURAL = re.compile(r"(?:ies|s)\b")


@click.command("sandbox")
@click.argument("mappings", nargs=-1, metavar="[MAPPING...]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8900, show_default=True, help="0 picks a free port.")
@click.option(
    "--config", type=FILE, help="YAML file: what the vendors accept, and which faults happen (engine docs sandbox)."
)
@click.option("--database", default=":memory:", metavar="FILE", help="Keep the state in a file instead of in memory.")
@click.option("--connections", "connections_file", type=FILE, help="YAML file of connections, in place of mappings.")
@settings_options
def command(
    mappings: tuple[str, ...],
    host: str,
    port: int,
    config: Path | None,
    database: str,
    connections_file: Path | None,
    settings: SettingsOptions,
) -> None:
    """Emulate vendors on a port, until Ctrl-C. Requests are accepted or refused as the vendors' documents say.

    Each MAPPING (a name or a path) gets a vendor made from it, with example settings for those not given, unless its
    vendor is emulated anyway.
    """
    configured: list[ConfiguredConnection] = []
    if mappings or connections_file:
        from engine.commands.connection_options import connections_of

        configured = connections_of(mappings, connections_file, settings._replace(examples=True))
    run(host, port, config, database, configured)


def run(
    host: str, port: int, config: Path | None, database: str, configured: Sequence[ConfiguredConnection] = ()
) -> None:
    """Serve the emulated vendors, and those made from connections.

    Raises `UsageError` for a port, file or package that is not available.
    """
    from engine.sandbox.server import build, listen, serve, url_of
    from engine.sandbox.world import Config, load_config

    read = load_config(config) if config else Config()
    made = _descriptions(_vendors(configured))
    with listen(host, port) as listener:
        server, world = build(read, database, time.time, made, host)
        click.echo(_welcome(url_of(listener), database, made))
        serve(server, world, listener)


def _welcome(url: str, database: str, made: Sequence[Description]) -> str:
    from engine.sandbox.vendors import VENDORS

    kept = "in memory" if database == ":memory:" else f"in {database}"
    bases = [f"  {vendor.title:<32} {url}/{vendor.name}{vendor.base_path}" for vendor in VENDORS]
    for each in made:
        bases.append(f"  {visible(each.connection.mapping.title):<32} {url}/{each.name}{each.base_path}")
        if each.token_path:
            bases.append(f"  {'':<32} {url}/{each.name}{each.token_path} (access tokens)")
    return "\n".join(
        [
            f"The sandbox listens on {url}; its state is kept {kept}.",
            "The `base_url` of a connection:",
            *bases,
            f"State: {url}/_sandbox/state",
            f"Control, including faults: {url}/_sandbox/",
            "What it does not emulate: engine docs sandbox.  Ctrl-C stops it.",
        ]
    )


def into_sandbox(
    stack: ExitStack, configured: Sequence[ConfiguredConnection]
) -> tuple[list[ConfiguredConnection], Sandbox]:
    """Start a sandbox and redirect all connections to it, those of an unknown vendor to one made from the mapping."""
    vendors = _vendors(configured)
    for each, vendor in zip(configured, vendors, strict=True):
        if not isinstance(vendor, str):
            click.echo(MADE.format(name=each.name), err=True)
    sandbox = stack.enter_context(Sandbox(descriptions=_descriptions(vendors)))
    return [_redirected(*pair, sandbox.url) for pair in zip(configured, vendors, strict=True)], sandbox


def into_running(sandbox: Sandbox, configured: Sequence[ConfiguredConnection]) -> list[ConfiguredConnection]:
    """Redirect all connections to a sandbox that runs, whose vendors made from mappings are those of these from now."""
    vendors = _vendors(configured)
    sandbox.replace(_descriptions(vendors))
    return [_redirected(*pair, sandbox.url) for pair in zip(configured, vendors, strict=True)]


def _descriptions(vendors: Sequence[Description | str]) -> list[Description]:
    return [vendor for vendor in vendors if not isinstance(vendor, str)]


def _redirected(configured: ConfiguredConnection, vendor: Description | str, url: str) -> ConfiguredConnection:
    if isinstance(vendor, str):
        return configured_connection.into_sandbox(configured, url, vendor)
    from engine.sandbox.generic.describing import into_vendor

    return into_vendor(configured, url, vendor)


def _vendors(configured: Sequence[ConfiguredConnection]) -> list[Description | str]:
    """Return what answers each connection: the base path of an emulated vendor, or one made from the mapping."""
    taken = reserved()
    found: list[Description | str] = []
    for each in configured:
        try:
            base_path = _base_path(each)
            found.append(_made(each, taken) if base_path is None else base_path)
        except Invalid as error:
            raise UsageError(f"{each.name}: {error}. {SETTINGS_HINT}") from error
    return found


def _made(configured: ConfiguredConnection, taken: set[str]) -> Description:
    """Describe the vendor of a connection and tell what it cannot do; its name is taken from then on."""
    from engine.sandbox.generic.describing import describe

    made = describe(configured.name, configured.connection, taken)
    taken.add(made.name)
    for fault in made.replies.faults:
        click.echo(f"{configured.name}: {visible(fault)}.", err=True)
    return made


def _base_path(configured: ConfiguredConnection) -> str | None:
    """Return the path below which the sandbox emulates a connection's requests; None if it does not emulate them."""
    whole = urlsplit(base_url(configured.connection)).path.rstrip("/")
    found = [each.filled for each in request_paths(configured.connection)]
    return next((base for base in _endings(whole) if found and _has(base, found)), None)


def _endings(path: str) -> Iterator[str]:
    """Return a path, then the same without its first part, and so on."""
    while path:
        yield path
        _, slash, rest = path[1:].partition("/")
        path = slash + rest
    yield ""


def _has(base: str, known: list[str]) -> bool:
    return all(emulated(base + path) for path in known)


def state_text(display: Display, sandbox: Sandbox) -> str:
    """Return what each vendor that was sent anything holds: how much, and the newest of each kind."""
    lines: list[str] = []
    for vendor, counts in sandbox.counts().items():
        if isinstance(counts, dict) and counts.get("requests"):
            numbers = [number_of(name, count) for name, count in counts.items() if isinstance(count, int) and count]
            lines += ["", display.paint(f"{vendor} (sandbox)", "title"), display.wrap(", ".join(numbers), "  ", 2)]
            lines += _newest(display, sandbox, vendor)
    return "\n".join(lines)


def number_of(name: str, count: int) -> str:
    """Return a counter for people: `1 event name created`, `2 event names created`; its first plural is the noun."""
    words = name.replace("_", " ")
    return f"{count} {PLURAL.sub(_singular, words, count=1) if count == 1 else words}"


def _singular(plural: re.Match[str]) -> str:
    return "y" if plural[0] == "ies" else ""


def _newest(display: Display, sandbox: Sandbox, vendor: str) -> Iterator[str]:
    width = display.width - 4 if display.terminal else STATE_WIDTH
    for kind, held in sandbox.state(vendor, SHOWN).items():
        if held and isinstance(held, list):
            yield display.paint(f"  newest {kind.replace('_', ' ')}:", "place")
            for entry in held[-SHOWN:]:
                yield f"    {shortened(visible(_text(entry)), width)}"


def _text(value: Json) -> str:
    """Write a value without its empty members, ids first: `id 7, properties (size 3, tags [x, y])`."""
    if not isinstance(value, dict):
        return _inner(value)
    members = [(name, member) for name, member in value.items() if member not in (None, "", [], {})]
    members.sort(key=lambda entry: not (entry[0] in IDS or entry[0].endswith("_id")))
    return ", ".join(f"{name} {_inner(member)}" for name, member in members)


def _inner(value: Json) -> str:
    if isinstance(value, dict):
        return f"({_text(value)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    return "null" if value is None else shortened(text_of(value) or "", LONGEST_VALUE)
