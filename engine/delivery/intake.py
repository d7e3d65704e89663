"""Takes events into the outbox. The messageId and the time of receipt are fixed here, so planning is repeatable.

An event without a messageId gets one derived from its source and all bytes of its file up to and including it. So a
file sent twice, or sent again after it has grown, duplicates nothing, while two equal lines are two events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice

from engine.delivery.outbox.base import EventIntake, NewEvent, TakenIn
from engine.delivery.outbox.keys import keys_of
from engine.events.splitting import Line
from engine.records import Json

ROWS = 100
"""Events per transaction; larger transactions are no faster."""

ROWS_OF_STREAMS = 2000
"""Events that are published to streams at once: they are divided among the partitions, and by 50 into packs."""

SOURCE = "files"


class Identities:
    """Assigns messageIds to the events of one file."""

    def __init__(self, source: str) -> None:
        self._seen = blake2b(source.encode(), digest_size=16)

    def of(self, line: Line) -> str:
        """Return the event's own messageId, or one derived from its position."""
        assert line.raw is not None
        self._seen.update(b"%d:" % line.offset)
        self._seen.update(line.raw)
        own = own_id(line.value)
        return own if own is not None else f"derived-{self._seen.hexdigest()}"


def own_id(event: Json) -> str | None:
    """Return the messageId of an event, None if it has none."""
    found = event.get("messageId") if isinstance(event, dict) else None
    return found if isinstance(found, str) and found.strip() else None


def new_events(lines: Iterable[Line], source: str, received_at: str) -> Iterator[NewEvent]:
    """Turn the lines of one file into events for the outbox; unreadable lines must be filtered out before."""
    identities = Identities(source)
    for line in lines:
        assert line.raw is not None
        yield NewEvent(source, identities.of(line), received_at, line.raw, line.reports, keys_of(line.value))


def taken_in(
    outbox: EventIntake,
    events: Iterable[NewEvent],
    connections: Sequence[str],
    clock: Callable[[], float],
    *,
    again: bool = False,
    at_once: int = ROWS,
) -> Iterator[TakenIn]:
    """Put events into the outbox, many per transaction; each result yielded is on disk."""
    source = iter(events)
    while rows := list(islice(source, at_once)):
        yield outbox.take_in(rows, connections, clock(), again=again)


def iso(seconds: float) -> str:
    """Format a time as Segment does."""
    return iso_of(datetime.fromtimestamp(seconds, UTC))


def iso_of(moment: datetime) -> str:
    """Format a moment in UTC as Segment does."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
