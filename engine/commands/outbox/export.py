"""`engine outbox export`: events as they came, for `engine run`, `diff`, `send` and `import`.

A line is the event's bytes; line ends within one, which only stand between the parts of its JSON, become blanks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from engine.commands.options import FILE, with_outbox
from engine.commands.outbox.filters import Filters, filter_options, nothing_found, now_and_chosen, pages
from engine.commands.shared import FOUND, counted
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Chosen
    from engine.delivery.outbox.sqlite import SqliteOutbox

ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
NOT_JSON = "They are written as they came; `engine run` and `engine import` report such lines and go on."


@click.command("export")
@filter_options
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Export at most N events, the oldest.")
@click.option(
    "--output", type=FILE, metavar="FILE", help="Write this file, as a whole or not at all; not printed then."
)
@click.option(
    "--format", "style", type=click.Choice(["ndjson"]), default="ndjson", show_default=True, help="One event a line."
)
@with_outbox
def command(outbox: SqliteOutbox, filters: Filters, limit: int | None, output: Path | None, style: str) -> None:
    """Write events as they came, each once, the oldest first: for `engine run`, `diff`, `send` and `import`.

    An event that came without messageId or time has none here either. The events are not removed from the outbox.

    Exit code 1: nothing was found.
    """
    del style  # there is one
    _, chosen = now_and_chosen(outbox, filters)
    count = broken = 0
    with _written(output) as file:
        for count, raw in enumerate(_events(outbox, chosen, limit), 1):  # noqa: B007  counted, and used below
            broken += not _is_json(raw)
            file.write(raw.translate(ONE_LINE) + b"\n")
    if broken:
        click.echo(f"{counted(broken, 'event')} of these are not JSON. {NOT_JSON}", err=True)
    if output is not None:
        click.echo(f"{counted(count, 'event')} written to {output}.")
    if not count:
        for line in nothing_found(outbox, filters, chosen):
            click.echo(line, err=True)
        click.get_current_context().exit(FOUND)


def _events(outbox: SqliteOutbox, chosen: Chosen, limit: int | None) -> Iterator[bytes]:
    """Yield the bytes of the chosen events, the oldest first; the states of an event stand beside each other."""
    last = count = 0
    for row in pages(outbox, chosen, 0, None, first=True):
        if row.event == last:
            continue
        if count == limit:
            return
        last, count = row.event, count + 1
        yield row.raw


def _is_json(raw: bytes) -> bool:
    import orjson

    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


@contextmanager
def _written(output: Path | None) -> Iterator[IO[bytes]]:
    """Return standard output, or what becomes the file once everything is in it."""
    if output is None:
        yield sys.stdout.buffer
        return
    from engine.files import not_a_file, written

    if output.exists() and (why := not_a_file(output)) is not None:
        raise UsageError(f"--output: {output} {why}.")
    with written(output) as file:
        yield file
