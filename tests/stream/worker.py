"""What a worker writes to the streams, for tests of those who read it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, NewEvent
from engine.records import Outcome
from engine.stream.client import StreamClient
from engine.stream.layout import Layout
from engine.stream.packs import Pack
from engine.stream.results import ResultBatch, encode, encode_aside

SET_ASIDE = (Outcome.REJECTED, Outcome.INVALID)


class Worker:
    """Writes results of a connection, and copies of what it sets aside, all to partition 0."""

    def __init__(self, client: StreamClient, layout: Layout) -> None:
        self.client, self.layout = client, layout

    def write(self, connection: str, changes: Sequence[Change], attempts: Sequence[Attempt] = ()) -> None:
        """Write what became of events; a change's place is the number of its event."""
        self.batch(connection, ResultBatch(1, 0.0, tuple(changes), tuple(attempts)))

    def batch(self, connection: str, batch: ResultBatch) -> None:
        """Write one message of results."""
        headers, body = encode(batch)
        self.publish(self.layout.results_subject(0, connection), body, headers)

    def copy(self, connection: str, event: NewEvent, change: Change, original: int | None = None) -> None:
        """Write the copy of an event that is set aside."""
        number = change.place if original is None else original
        headers, body = encode_aside(Pack((connection,), [event], again=True, replayed=(number,)), change)
        self.publish(self.layout.set_aside_subject(connection, 0), body, headers)

    def reject(self, connection: str, event: NewEvent, change: Change, original: int | None = None) -> None:
        """Write the copy, then the result."""
        self.copy(connection, event, change, original)
        self.write(connection, [change])

    def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        """Publish one message."""
        return self.client.call(self.client.publish(subject, body, headers))

    def forget(self, stream: str) -> None:
        """Remove all messages of a stream, as their age does."""
        self.client.call(self.client.api(f"STREAM.PURGE.{stream}", {}))
