"""What the commands of `engine outbox` share: which outbox, which of its events, and how they are counted in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, cast

import click

from engine.errors import UsageError
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.base import Chosen, Listed, Outbox

FILE = click.Path(path_type=Path, dir_okay=False)
CHUNK = 500
ENDS = (Outcome.DELIVERED, Outcome.IGNORED, Outcome.INVALID, Outcome.REJECTED)
P = ParamSpec("P")


def with_outbox(work: Callable[Concatenate[Outbox, P], None]) -> Callable[P, None]:
    """Open the outbox when the command is carried out, so that `--help` needs none."""

    @click.option("--outbox", "own_outbox", type=FILE, help="The durable queue, as before the command's name.")
    @wraps(work)
    def opening(*args: P.args, **kwargs: P.kwargs) -> None:
        from engine.commands.shared import opened

        own = cast("Path | None", kwargs.pop("own_outbox"))
        with opened(own or click.get_current_context().obj) as outbox:
            work(outbox, *args, **kwargs)

    return opening


def chosen_of(
    outbox: Outbox, connection: str | None, outcomes: tuple[Outcome, ...], since: str | None, event: str | None = None
) -> Chosen:
    """Read which events are meant."""
    from engine.commands.shared import moment
    from engine.delivery.outbox.base import Chosen

    if connection is not None:
        check(outbox, connection)
    return Chosen(connection, outcomes, None if since is None else moment(since, time.time()), event)


def check(outbox: Outbox, connection: str) -> None:
    """Refuse a connection that the outbox does not know."""
    from engine.language.suggest import closest

    known = [row.name for row in outbox.connections()]
    if connection not in known:
        guess = closest(connection, known)
        advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known) or 'none'}."
        raise UsageError(f"This outbox has no connection {connection}. {advice}")


def rows_of(outbox: Outbox, chosen: Chosen) -> Iterator[Listed]:
    """Return all that is meant, in the order of the queue."""
    after = 0
    while rows := outbox.listed(chosen, after, CHUNK):
        yield from rows
        after = rows[-1].place


def events_text(count: int) -> str:
    """Say how many events."""
    return f"{count} event" + ("" if count == 1 else "s")
