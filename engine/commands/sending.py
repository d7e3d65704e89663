"""What `engine send` takes in, tells on the way, and reports in the end: of this run, whatever others do beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import click

from engine.commands.output.read_errors import ReadErrors
from engine.commands.output.text import Paint
from engine.commands.shared import counts_text, when
from engine.delivery.intake import iso, new_events, taken_in
from engine.delivery.observers import DeliveryObserver, RunSummary
from engine.delivery.outbox.base import Outbox, Overview, TakenIn
from engine.delivery.process import Shutdown
from engine.events.reading import EventReader
from engine.records import Outcome

TAKEN = (
    "Another process has the connection {name}, until {until} at most if it has died; this one waits, and takes over "
    "then."
)
ELSEWHERE = (
    "Another process ended {count} or more of the events that were taken in for {name}; engine outbox status counts "
    "them too."
)
CUT_SHORT = "Interrupted: {count} events were taken in, and the rest of what was to be read was not."


class Intake:
    """Puts the events of all files into the outbox; what it did so far is `taken` and `broken`."""

    def __init__(self, readers: Sequence[EventReader], source: str, *, again: bool) -> None:
        self.taken = TakenIn()
        self._unreadable = ReadErrors()
        self._readers = readers
        self._source = source
        self._again = again

    @property
    def broken(self) -> int:
        """How many lines could not be read."""
        return self._unreadable.count

    def run(self, outbox: Outbox, names: Sequence[str], shutdown: Shutdown) -> None:
        """Take in, until the end is asked for."""
        for reader in self._readers:
            lines = self._unreadable.sifted(shutdown.until_requested(reader))
            events = new_events(lines, self._source, iso(time.time()))
            for taken in taken_in(outbox, events, names, time.time, again=self._again):
                self.taken = self.taken.plus(taken)


class Telling(DeliveryObserver):
    """Tells a person why nothing happens."""

    def elsewhere(self, connection: str, until: float) -> None:
        """Tell that another process has a connection."""
        click.echo(TAKEN.format(name=connection, until=when(until)), err=True)


def seen(outbox: Outbox, names: Sequence[str], tally: RunSummary) -> Overview:
    """Return what a run ended itself, and what is still unfinished for its connections."""
    counts = Counter(tally.counts)
    connections = [row for row in outbox.connections() if row.name in names]
    unfinished = {row.name: outbox.unfinished(row.name) for row in connections}
    for row in connections:
        counts[row.name, Outcome.HELD if row.held else Outcome.WAITING] += unfinished[row.name][0]
    return Overview(dict(sorted((+counts).items())), tally.reasons(), connections, unfinished)


def report(paint: Paint, run: Overview, tally: RunSummary, intake: Intake) -> str:
    """Say how a run ended."""
    lines = [counts_text(paint, run)]
    for name, (unfinished, _) in run.unfinished.items():
        elsewhere = intake.taken.fresh(name) - tally.ended_here[name] - unfinished
        if elsewhere > 0:
            lines.append(ELSEWHERE.format(count=elsewhere, name=name))
    if intake.broken:
        lines.append(f"{intake.broken} could not be read.")
    return "\n".join(lines)
