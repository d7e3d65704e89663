"""The options that choose events, the same for every command of `engine outbox`, and what they mean.

What is found by user, name or type is found by keys; events that an older version stored get theirs here, first.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from engine.commands.options import check_connection, parse_time
from engine.commands.shared import counted, did_you_mean
from engine.errors import UsageError
from engine.language.texts import visible
from engine.records import Outcome

if TYPE_CHECKING:
    import sqlite3

    from engine.delivery.outbox.base import Chosen
    from engine.delivery.outbox.looking import Found, PageEnd
    from engine.delivery.outbox.sqlite import SqliteOutbox

R = TypeVar("R")
OUTCOMES = [outcome.value for outcome in Outcome if outcome is not Outcome.PLANNED]
AT_ONCE = 100
"""Events that are read at once: each may have half a megabyte."""

NAMES_LOOKED_AT = 500
"""Events whose names are looked at for one that is like a name that was not found."""

MEANINGS = {
    "--user": "looks at userId, anonymousId, previousId, groupId and the emails of traits: the whole text, in any case",
    "--event": "is the whole name of a track call, a page or a screen, in its own case",
    "--reason": "is text within the reason or the vendor's message, in any case",
    "--since": "and --until are about when an event last changed: came in, was tried, ended",
}
"""What an option looks at, for those who found nothing."""


class Filters(NamedTuple):
    """What the options say; `since` and `until` as they were written."""

    user: str | None = None
    event: str | None = None
    call: str | None = None
    since: str | None = None
    until: str | None = None
    reason: str | None = None
    connection: str | None = None
    outcomes: tuple[Outcome, ...] = ()


def filter_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add all options that choose events; the command receives them as `filters`."""

    @click.option("--connection", metavar="NAME", help="Only this connection.")
    @click.option(
        "--outcome", "outcomes", multiple=True, type=click.Choice(OUTCOMES), help="Only this outcome. Repeatable."
    )
    @event_filters
    @wraps(command)
    def with_filters(*, filters: Filters, connection: str | None, outcomes: tuple[str, ...], **others: object) -> R:
        chosen = filters._replace(connection=connection, outcomes=tuple(map(Outcome, outcomes)))
        return command(filters=chosen, **others)

    return with_filters


def event_filters(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options about the event itself and when it changed; the command receives them as `filters`."""

    @click.option("--user", metavar="ID", help="Only events of this person or group: any of their ids, or the email.")
    @click.option("--event", "name", metavar="NAME", help="Only events of this name.")
    @click.option("--type", "call", metavar="TYPE", help="Only calls of this type, such as track.")
    @click.option("--since", metavar="TIME", help="Only what changed since then: 2h, 7d, 14:30, or a date.")
    @click.option("--until", metavar="TIME", help="Only what last changed before then.")
    @click.option("--reason", metavar="TEXT", help="Only where the reason or the vendor's message has this text.")
    @wraps(command)
    def with_filters(
        *,
        user: str | None,
        name: str | None,
        call: str | None,
        since: str | None,
        until: str | None,
        reason: str | None,
        **others: object,
    ) -> R:
        return command(filters=Filters(user, name, call, since, until, reason), **others)

    return with_filters


def chosen_by(outbox: SqliteOutbox, filters: Filters, now: float) -> Chosen:
    """Return which events are meant, with the keys there that finding them needs; raises UsageError."""
    from engine.delivery.outbox.base import Chosen

    _check(outbox, filters)
    since, until = (None if each is None else parse_time(each, now) for each in (filters.since, filters.until))
    if since is not None and until is not None and since > until:
        raise UsageError(f"--since {filters.since} is later than --until {filters.until}, so nothing can be between.")
    if not (filters.user is None and filters.event is None and filters.call is None):
        give_keys(outbox)
    return Chosen(
        connection=filters.connection,
        outcomes=filters.outcomes,
        since=since,
        until=until,
        user=filters.user,
        name=filters.event,
        call=filters.call,
        reason=filters.reason,
    )


def _check(outbox: SqliteOutbox, filters: Filters) -> None:
    from engine.events.spec import FIELDS

    if filters.connection is not None:
        check_connection(outbox, filters.connection)
    if filters.call is not None and filters.call not in FIELDS:
        raise UsageError(f"--type: there is no call {visible(filters.call)}. {did_you_mean(filters.call, FIELDS)}")
    for name in ("user", "event", "reason"):
        if getattr(filters, name) == "":
            raise UsageError(f"--{name} is empty; leave it out to see all events.")


def give_keys(outbox: SqliteOutbox) -> None:
    """Make the events of an older version searchable, with a line on standard error; an interruption loses nothing."""
    left = outbox.key_some()
    if not left:
        return
    click.echo(
        "This outbox is from an older version: its events are prepared for searching, once. Ctrl-C stops it, and the "
        "next search goes on.",
        err=True,
    )
    with click.progressbar(length=left, label="events", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        while now := outbox.key_some():
            bar.update(max(0, left - now))
            left = now


def pages(outbox: SqliteOutbox, chosen: Chosen, skip: int, limit: int | None, *, first: bool) -> Iterator[Found]:
    """Yield chosen states, the newest event first, or with `first` the oldest; few are in memory at a time."""
    from engine.delivery.outbox import looking

    last: PageEnd | None = None
    while limit is None or limit > 0:
        size = AT_ONCE if limit is None else min(AT_ONCE, limit)
        rows = outbox.look(_reader(chosen, size, skip, last, first=first))
        yield from rows
        if len(rows) < size:
            return
        limit = None if limit is None else limit - size
        skip, last = 0, looking.PageEnd(rows[-1].event, rows[-1].place)


def _reader(
    chosen: Chosen, size: int, skip: int, last: PageEnd | None, *, first: bool
) -> Callable[[sqlite3.Connection], list[Found]]:
    from engine.delivery.outbox import looking

    def read(db: sqlite3.Connection) -> list[Found]:
        if first:
            return looking.oldest(db, chosen, size, skip=skip, after=last or looking.BEGINNING)
        return looking.newest(db, chosen, size, skip=skip, before=last)

    return read


def nothing_found(outbox: SqliteOutbox, filters: Filters, chosen: Chosen) -> Iterator[str]:
    """Yield lines about a search that found nothing: what each option finds alone, and what it looks at."""
    from engine.delivery.outbox import looking
    from engine.delivery.outbox.base import Chosen

    if chosen == Chosen():
        yield "This outbox has no events."
        return
    yield "No event was found."
    given = _each_alone(filters, chosen)
    counts = {name: _count(outbox, alone) for name, alone in given.items()}
    for option, count in counts.items():
        name = option.split()[0]
        if len(given) > 1:
            yield f"{visible(option)} alone finds {bounded(count, looking.MOST_COUNTED)}."
        if not count and name in MEANINGS:
            yield f"{name} {MEANINGS[name]}."
    if filters.event is not None and not counts[f"--event {filters.event}"]:
        yield from _similar(outbox, filters.event)


def _count(outbox: SqliteOutbox, chosen: Chosen) -> int:
    from engine.delivery.outbox import looking

    return outbox.look(lambda db: looking.counted(db, chosen))


def _each_alone(filters: Filters, chosen: Chosen) -> dict[str, Chosen]:
    """Return what each option that was given would choose without the others, by the option as it was written."""
    from engine.delivery.outbox.base import Chosen

    found = {
        f"--user {filters.user}": Chosen(user=chosen.user),
        f"--event {filters.event}": Chosen(name=chosen.name),
        f"--type {filters.call}": Chosen(call=chosen.call),
        f"--since {filters.since}": Chosen(since=chosen.since),
        f"--until {filters.until}": Chosen(until=chosen.until),
        f"--reason {filters.reason}": Chosen(reason=chosen.reason),
        f"--connection {filters.connection}": Chosen(connection=chosen.connection),
        " ".join(f"--outcome {each.value}" for each in filters.outcomes): Chosen(outcomes=chosen.outcomes),
    }
    return {option: alone for option, alone in found.items() if alone != Chosen()}


def bounded(count: int, most: int) -> str:
    """Return a count of events that was stopped behind `most`."""
    return f"more than {most:,} events" if count > most else counted(count, "event")


def _similar(outbox: SqliteOutbox, name: str) -> Iterator[str]:
    """Say which of the newest events have a name like one that was not found."""
    from engine.delivery.outbox import looking
    from engine.delivery.outbox.base import Chosen
    from engine.language.suggest import closest

    rows = pages(outbox, Chosen(), 0, NAMES_LOOKED_AT, first=False)
    known = dict.fromkeys(title for row in rows if (title := looking.title_of(row.value)[1]))
    if guess := closest(name, list(known)):
        yield f"Did you mean --event {shlex.quote(visible(guess))}?"


def now_and_chosen(outbox: SqliteOutbox, filters: Filters) -> tuple[float, Chosen]:
    """Return the time, and which events are meant at it."""
    now = time.time()
    return now, chosen_by(outbox, filters, now)
