"""Traffic to look at: the examples of the mappings that are served, again and again, as a source of its own.

`engine serve --sandbox --console` sends it, so that a newcomer sees a console at work without a client.  The events go
the way of all events, into the outbox and from there to the emulated vendors.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import uuid4

import orjson

from engine.collector.sources import EventSource
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.intake import iso
from engine.delivery.outbox.base import EventIntake, NewEvent, OutboxError
from engine.delivery.outbox.keys import keys_of
from engine.records import JsonObject

SOURCE = "samples"
INTERVAL = 0.25
"""Seconds between two events."""
TIMES = ("originalTimestamp", "sentAt", "receivedAt")


class SampleTraffic:
    """Puts the examples of the current connections into an outbox, one at a time, to all of these connections."""

    def __init__(
        self,
        outbox: EventIntake,
        connections: Callable[[], Sequence[ConfiguredConnection]],
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._outbox, self._connections, self._clock, self._new_id = outbox, connections, clock, new_id
        self._sent = 0

    def send_one(self) -> None:
        """Send the next example, with a new messageId, as of now."""
        connections = self._connections()
        examples = [example.event for each in connections for example in each.mapping.examples]
        events = [event for event in examples if isinstance(event, dict)]
        if not events:
            return
        event = self._as_of_now(events[self._sent % len(events)])
        self._sent += 1
        with suppress(OutboxError, TypeError):  # an outbox in trouble is reported by the others; no JSON, no event
            new = NewEvent(SOURCE, str(event["messageId"]), str(event["timestamp"]), orjson.dumps(event))
            self._outbox.take_in(
                [new._replace(keys=keys_of(event))], [each.name for each in connections], self._clock()
            )

    def run(self, stopped: threading.Event) -> None:
        """Send one after the other until `stopped`."""
        while not stopped.wait(INTERVAL):
            self.send_one()

    def _as_of_now(self, event: JsonObject) -> JsonObject:
        kept = {name: value for name, value in event.items() if name not in TIMES}
        return {**kept, "messageId": self._new_id(), "timestamp": iso(self._clock())}


def sample_source(connections: Sequence[ConfiguredConnection]) -> EventSource:
    """Return the source of the samples, for those who list sources: it has no write key and feeds all connections."""
    return EventSource(SOURCE, (), tuple(each.name for each in connections))


@contextmanager
def sample_traffic(traffic: SampleTraffic) -> Iterator[None]:
    """Send samples in a thread while the block runs."""
    stopped = threading.Event()
    thread = threading.Thread(target=traffic.run, args=(stopped,), name="samples")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
