"""What the commands of delivery share: connections, outboxes, times, and how counts are shown."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.commands.connection_options import connect
from engine.commands.output.text import Paint, wrapped
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.connections import load
from engine.delivery.outbox.base import Overview, Reason
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.sending.pacing import seconds
from engine.errors import UsageError
from engine.records import Outcome

DEFAULT_OUTBOX = Path("outbox.db")
SHOWN_REASONS = 5
LONGEST_WORDS = 120
TITLES = ("connection", "outcome", "events", "reason")


def connections_of(
    mappings: Sequence[str],
    connections_file: Path | None,
    directories: Sequence[Path],
    settings_file: Path | None,
    assignments: Sequence[str],
    *,
    example_settings: bool,
) -> list[ConfiguredConnection]:
    """Return the connections a command line names: a file of them, or one for each mapping."""
    if connections_file is not None:
        if mappings or settings_file or assignments:
            raise UsageError("With --connections, mappings and settings stand in that file; give one or the other.")
        return load(connections_file, os.environ, directories).connections
    if not mappings:
        raise UsageError("Name mappings, or a file of connections with --connections.")
    named = connect(mappings, directories, settings_file, assignments, example_settings=example_settings)
    return [ConfiguredConnection(name=each.name, connection=each.connection) for each in named]


@contextmanager
def opened(path: Path, *, make: bool = False) -> Iterator[SqliteOutbox]:
    """Open an outbox; without `make` one that is not there is the caller's mistake."""
    if not make and not path.exists():
        raise UsageError(f"There is no outbox {path}; name one with --outbox.")
    outbox = SqliteOutbox(path)
    try:
        yield outbox
    finally:
        outbox.close()


def moment(text: str, now: float) -> float:
    """Read a time: how long ago (`2h`, `7d`), or an ISO time."""
    from engine.language.times import read_time

    try:
        return now - seconds(text)
    except ValueError:
        found = read_time(text)
    if found is None:
        raise UsageError(f"{text} is no time: write how long ago (30m, 2h, 7d) or a date such as 2026-01-31T12:00:00Z.")
    return found


def counts_text(paint: Paint, seen: Overview) -> str:
    """Return how events ended, by connection, with the commonest reasons."""
    counts = seen.counts
    if not counts:
        return "No events."
    whys = _reasons(seen)
    name_width = max(len(TITLES[0]), *(len(name) for name, _ in counts))
    number_width = max(len(TITLES[2]), *(len(str(count)) for count in counts.values()))
    lines = [paint(f"{TITLES[0]:<{name_width}}  {TITLES[1]:<9}  {TITLES[2]:>{number_width}}  {TITLES[3]}", "title")]
    before = ""
    for (name, outcome), count in counts.items():
        shown = "" if name == before else name
        row = f"{shown:<{name_width}}  {paint(f'{outcome.value:<9}', outcome.value)}  {count:>{number_width}}"
        indent = name_width + 2 + 9 + 2 + number_width + 2
        reasons = [wrapped(reason, "", indent) for reason in whys(name, outcome)]
        lines.append(("\n" + " " * indent).join([f"{row}  {reasons[0]}" if reasons else row, *reasons[1:]]))
        before = name
    return "\n".join(lines)


def _reasons(seen: Overview) -> Callable[[str, Outcome], list[str]]:
    """Return what says why events ended so: the commonest reasons, or why a connection waits."""
    states = {row.name: row for row in seen.connections}

    def whys(name: str, outcome: Outcome) -> list[str]:
        state = states[name]
        if outcome is Outcome.HELD:
            return [f"{state.held.rstrip('.')}. {state.hint}".strip()]
        if outcome is Outcome.WAITING:
            return [f"{state.pause.rstrip('.')}; next try {when(state.due)}"] if state.due is not None else []
        rows = [_reason(each) for each in seen.reasons if (each.connection, each.outcome) == (name, outcome)]
        more = len(rows) - SHOWN_REASONS
        return rows if more <= 0 else [*rows[:SHOWN_REASONS], f"and {more} more"]

    return whys


def _reason(found: Reason) -> str:
    words = found.error if len(found.error) <= LONGEST_WORDS else found.error[:LONGEST_WORDS] + "..."
    return f"{found.events} x {found.reason}" + (f" | {words}" if words else "")


def when(moment: float | None) -> str:
    """Write a time for people, in their own zone."""
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
