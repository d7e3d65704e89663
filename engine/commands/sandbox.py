"""`engine sandbox`: the emulated vendors on a port, until Ctrl-C.  For `send` and `serve`: connections to a sandbox."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import click

from engine.commands.options import FILE
from engine.commands.output.text import Display, shortened
from engine.compiler.runtime import Invalid
from engine.delivery import configured_connection
from engine.delivery.configured_connection import ConfiguredConnection, base_url, request_paths
from engine.delivery.sending.shipping import SETTINGS_HINT
from engine.errors import UsageError
from engine.language.texts import text_of, visible
from engine.records import MASK, Json
from engine.sandbox.server import Sandbox
from engine.sandbox.world import emulated, locate, titles

UNKNOWN = (
    "{name} cannot use the sandbox: none of its vendors has {path}. It emulates {titles}, which it recognizes by the "
    "paths of their APIs (engine docs sandbox). Leave {name} out, look at its requests with engine run, or omit "
    "--sandbox."
)

SHOWN = 3
STATE_WIDTH = 96
LONGEST_VALUE = 22
IDS = ("id", "ids", "email")
PLURAL = re.compile(r"(?:ies|s)\b")


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8900, show_default=True, help="0 picks a free port.")
@click.option(
    "--config", type=FILE, help="YAML file: what the vendors accept, and which faults happen (engine docs sandbox)."
)
@click.option("--database", default=":memory:", metavar="FILE", help="Keep the state in a file instead of in memory.")
def command(host: str, port: int, config: Path | None, database: str) -> None:
    """Emulate the vendors on a port, until Ctrl-C. Requests are accepted or refused as the vendors' documents say."""
    run(host, port, config, database)


def run(host: str, port: int, config: Path | None, database: str) -> None:
    """Serve the emulated vendors; raises `UsageError` for a port, file or package that is not available."""
    from engine.sandbox.server import build, listen, serve, url_of
    from engine.sandbox.world import Config, load_config

    settings = load_config(config) if config else Config()
    with listen(host, port) as listener:
        server, world = build(settings, database, time.time, host)
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
            f"State: {url}/_sandbox/state",
            f"Control, including faults: {url}/_sandbox/",
            "What it does not emulate: engine docs sandbox.  Ctrl-C stops it.",
        ]
    )


def into_sandbox(
    stack: ExitStack, configured: Sequence[ConfiguredConnection]
) -> tuple[list[ConfiguredConnection], Sandbox]:
    """Start a sandbox and redirect all connections to it; raises UsageError before if it has no such vendor."""
    base_paths = [_base_path(each) for each in configured]
    sandbox = stack.enter_context(Sandbox())
    pairs = zip(configured, base_paths, strict=True)
    return [configured_connection.into_sandbox(each, sandbox.url, path) for each, path in pairs], sandbox


def _base_path(configured: ConfiguredConnection) -> str:
    """Return the path below which the sandbox has a connection's requests; raises UsageError if there is none."""
    try:
        url = base_url(configured.connection)
    except Invalid as error:
        raise UsageError(f"{configured.name}: {error}. {SETTINGS_HINT}") from error
    whole = urlsplit(url).path.rstrip("/")
    found = request_paths(configured.connection)
    for base in _endings(whole):
        if not found or _has(base, [each.filled for each in found]):
            return base
    unknown = next((each for each in found if locate(whole + each.filled)[0] is None), found[0])
    shown = whole if configured.connection.secrets.mask(url) == url else MASK
    raise UsageError(UNKNOWN.format(name=configured.name, path=shown + unknown.written, titles=", ".join(titles())))


def _endings(path: str) -> Iterator[str]:
    """Return a path, then the same without its first part, and so on."""
    while path:
        yield path
        _, slash, rest = path[1:].partition("/")
        path = slash + rest
    yield ""


def _has(base: str, known: list[str]) -> bool:
    return all(locate(base + path)[0] for path in known) and any(emulated(base + path) for path in known)


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
