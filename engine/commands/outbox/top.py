"""`engine outbox top`: how the connections stand, live in a terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, cast

import click

from engine.commands.options import followed, own_outbox_option
from engine.delivery.outbox.base import OutboxError
from engine.errors import UsageError, WaybillError

if TYPE_CHECKING:
    from rich.console import Console, Group

    from engine.delivery.outbox.base import Standing
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.reading import OutboxFile

EVERY = 1.0
"""Seconds between two looks at the outbox."""

NO_TERMINAL = "engine outbox top needs a terminal; engine outbox status prints the same once."


@click.command("top")
@own_outbox_option
def command(own_outbox: Location | None) -> None:
    """Show live how each connection stands: what `engine outbox status` shows above, every second, until q or Ctrl-C.

    The outbox is only read. While it cannot be, the reason is shown and it is tried again.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise UsageError(NO_TERMINAL)
    from rich.console import Console

    from engine.delivery.outbox.reading import OutboxFile

    location = cast("Location", own_outbox or click.get_current_context().obj)
    console = Console(markup=False, highlight=False, emoji=False)
    with followed(location) as looked:
        outbox = OutboxFile(looked.file)
        _standings(outbox, time.time())  # what is wrong from the beginning ends the command with its message
        screen = partial(_screen, outbox, location, looked.trouble)
        _live(console, screen)


def _live(console: Console, screen: Callable[[int, int], Group]) -> None:
    """Show what `screen` returns for a width and a height, until a key ends it."""
    from rich.live import Live

    with (
        suppress(KeyboardInterrupt),
        _keys() as stopped,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(screen(console.width, console.height), refresh=True)
            if stopped(EVERY):
                return


def _standings(outbox: OutboxFile, now: float) -> list[Standing]:
    from engine.delivery.outbox import looking

    return outbox.look(lambda db: looking.standings(db, now))


def _screen(outbox: OutboxFile, location: Location, trouble: Callable[[], str], width: int, height: int) -> Group:
    """Return what fills the screen: a title, the table, notes, and what the keys do; `trouble` hides the table."""
    from rich.console import Group
    from rich.text import Text

    from engine.commands.output.standings import notes, standing_lines
    from engine.commands.output.text import Display
    from engine.language.texts import visible

    display = Display(sys.stdout)
    display.width = width
    try:
        found = _standings(outbox, time.time())
        if text := trouble():
            raise OutboxError(text)
        body = list(standing_lines(display, found)) or ["No connections yet."]
        body += [
            "",
            *(line for each in found for text in notes(display, each, location) for line in text.split("\n")),
        ]
    except WaybillError as error:
        body = display.wrap(str(error), "", 0).split("\n")
    title = f"{visible(str(location))}  {time.strftime('%H:%M:%S')}"
    room = max(1, height - 3)
    more = [f"... {len(body) - room + 1} more lines: make the terminal higher"] if len(body) > room else []
    lines = [display.paint(title, "title"), *body[: room - len(more)], *more]
    lines += [""] * (height - 1 - len(lines))
    return Group(*(Text.from_ansi(line, no_wrap=True, overflow="crop") for line in [*lines, "q quits"]))


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Return what waits some seconds and says whether q was pressed; keys are read at once and not shown meanwhile."""
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def stopped(seconds: float) -> bool:
        ready, _, _ = select.select([number], [], [], seconds)
        return bool(ready) and os.read(number, 100).lower()[:1] in (b"q", b"")

    try:
        tty.setcbreak(number)
        yield stopped
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
