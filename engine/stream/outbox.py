"""An outbox on streams for people who ask: all is read from a view, and what changes something goes to the streams.

Before anything is read, the view is brought up to date.  Only what delivery does for itself, leases and outcomes, is
not here: `engine serve` has a queue for each partition that it owns.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn, TypeVar

import orjson

from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import ConnectionRow, Discarded, NewEvent, OutboxError, Purged, TakenIn
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.outbox.reports import from_text
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from engine.stream.client import ID_HEADER, StreamClient
from engine.stream.errors import ApiRefused, SequenceConflict
from engine.stream.forgetting import forget_connection, undelivered
from engine.stream.intake import MESSAGE_ROOM, StreamIntake
from engine.stream.layout import Layout, create_or_check, existing_layout
from engine.stream.packs import PACK_BYTES, PACK_EVENTS, Pack, encode
from engine.stream.partitions import partition_of
from engine.stream.shared_state import SharedState
from engine.stream.versions import encode_version
from engine.stream.view_file import ViewFile, view_file
from engine.stream.viewing import Progress

T = TypeVar("T")
FRESH = 0.1
"""Seconds for which what was read counts as up to date, unless this process has changed something since."""
DELETED_AT_ONCE = 100
REPLAY_SECONDS = 300.0
ENDED_AT = """
    SELECT s.place, s.event, c.name, s.progress, s.digest, s.attempts, p.partition,
        e.source, e.message_id, e.received_at, e.raw, e.reports
    FROM json_each(?) AS wanted CROSS JOIN states AS s ON s.place = wanted.value
    JOIN events AS e ON e.id = s.event JOIN connections AS c ON c.id = s.connection
    LEFT JOIN view_packs AS p ON p.seq = s.event / 64
    WHERE s.outcome != 'waiting' AND s.event > 0 ORDER BY s.place
"""
COPIES_OF = """
    SELECT a.seq FROM view_asides AS a JOIN connections AS c ON c.id = a.connection
    WHERE c.name = ? AND a.event IN (SELECT value FROM json_each(?))
"""
COPIES_WITHOUT_STATE = """
    SELECT seq FROM view_asides AS a
    WHERE NOT EXISTS (SELECT 1 FROM states AS s WHERE s.event = a.event AND s.connection = a.connection)
"""
NOT_ON_STREAMS = (
    "{path} is an outbox on streams, whose events leave with their age: nothing in it is changed one by one. "
    "`engine outbox purge` removes what was set aside."
)
OF_WORKERS = "{path} is an outbox on streams: only the workers of `engine serve` deliver from it."


class EndedState(NamedTuple):
    """What queuing an event again for a connection takes."""

    place: int
    number: int
    connection: str
    partition: int
    event: NewEvent
    progress: tuple[str | None, str | None, str | None]


class StreamOutbox(SqliteOutbox):
    """The outbox of an address as `SqliteOutbox` shows one; `client` stays its caller's to close."""

    _view: ViewFile | None = None  # while the file is opened

    def __init__(self, client: StreamClient, layout: Layout, view: ViewFile) -> None:
        """Open the view, which is brought up to date with the first question."""
        super().__init__(view.file, durable=False)
        self.path = client.address
        self._client, self._layout = client, layout
        self._intake = KnownIntake(client, layout, {})
        self._shared = SharedState(client, layout)
        self._fresh_until = 0.0
        self._view = view

    def catch_up(self) -> None:
        """Read what the streams have by now, if this was not done just now."""
        if self._view is None or time.monotonic() < self._fresh_until:
            return
        self._view.catch_up()
        self._fresh_until = time.monotonic() + FRESH

    def _all(self, statement: str, given: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        self.catch_up()
        return super()._all(statement, given)

    @contextmanager
    def _transaction(self, begin: str = sql.BEGIN_WRITE) -> Iterator[sqlite3.Connection]:
        if begin == sql.BEGIN_READ:
            self.catch_up()
        with super()._transaction(begin) as db:
            yield db

    # What goes to the streams

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        """Publish events; all count as new, because duplicates are found by the worker of their partition."""
        taken = self._intake.take_in(events, connections, now, again=again)
        self._fresh_until = 0.0
        return taken

    def keep_discards(
        self, discards: Sequence[Discarded], counts: Mapping[str, int], now: float, *, all_of_them: bool = False
    ) -> None:
        """Publish discarded events."""
        self._intake.keep_discards(discards, counts, now, all_of_them=all_of_them)
        self._fresh_until = 0.0

    def forget_discards(self, older_than: float) -> int:
        """Remove nothing: the stream forgets discarded events by their age."""
        del older_than
        return 0

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        """Stop a connection, in all processes."""
        self._shared.hold(connection, reason, hint, now)
        self._fresh_until = 0.0

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Record until when a connection pauses, for all processes."""
        self._shared.pause(connection, due, reason)
        self._fresh_until = 0.0

    def set_alarm(self, connection: str, alarm: str) -> None:
        """Record what is unusual about a connection's refusals."""
        self._shared.set_alarm(connection, 0, alarm)
        self._fresh_until = 0.0

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        """Return all connections, or the one with this name, for which no view needs to be read."""
        return super().connections() if name is None else self._shared.rows(name)

    def resume(self, connection: str) -> bool:
        """End the hold or pause of a connection, in all processes."""
        self._fresh_until = 0.0
        return self._shared.resume(connection)

    def forget(self, connection: str) -> None:
        """Remove what is kept of a connection to which nobody delivers; see `forgetting`."""
        self._client.call(forget_connection(self._client, self._layout, connection))
        self._fresh_until = 0.0

    def undelivered(self) -> list[str]:
        """Return the connections for which events wait, and to which no worker has delivered for an hour."""
        held = {row.name for row in self.connections() if row.held}
        rows = self._all(sql.ALL_UNFINISHED)
        waiting = {name: oldest for name, _, oldest in rows if oldest is not None and name not in held}
        return self._client.call(undelivered(self._client, self._layout, waiting))

    def keep_version(self, digest: str, name: str, files: bytes, now: float) -> None:
        """Keep the files of a mapping's version for all processes."""
        del now  # the servers' time counts
        subject = self._layout.state_subject("version", digest)
        try:
            self._client.call(self._client.publish(subject, encode_version(name, files), expect=0))
        except SequenceConflict:
            return  # it is there
        self._fresh_until = 0.0

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        """Publish finished events again, in the order of their places, each for the connection of its state.

        The copies of what was set aside are removed once the new packs are acknowledged: those have the events now.
        """
        del reason, now  # views say that a person did it, and when the servers had it
        ended = [self._ended(row) for row in self._all(ENDED_AT, (str(list(places)),))]
        parts: dict[tuple[str, int], list[EndedState]] = defaultdict(list)
        for each in ended:
            parts[each.connection, each.partition].append(each)
        self._client.call(self._publish_again(parts), REPLAY_SECONDS)
        for connection in {each.connection for each in ended}:
            numbers = [each.number for each in ended if each.connection == connection]
            self._delete_copies(self._all(COPIES_OF, (connection, str(numbers))))
        self._fresh_until = 0.0
        return len(ended)

    def _ended(self, row: Sequence[Any]) -> EndedState:
        place, number, connection, progress, digest, attempts, partition, source, *texts, raw, reports = row
        message_id, received_at = texts
        found = NewEvent(source, message_id, received_at, raw, from_text(reports).event)
        if partition is None:
            partition = partition_of(found.raw, self._layout.partitions, None, found.message_id)
        return EndedState(place, number, connection, partition, found, (progress, digest, attempts))

    async def _publish_again(self, parts: Mapping[tuple[str, int], Sequence[EndedState]]) -> None:
        await self._client.wire()
        most = min(PACK_BYTES, self._client.max_payload - MESSAGE_ROOM)

        async def one(connection: str, partition: int, states: Sequence[EndedState]) -> None:
            for some in _packs(states, most):
                headers, body = encode(
                    Pack(
                        (connection,),
                        [each.event for each in some],
                        again=True,
                        replayed=tuple(each.number for each in some),
                        progress=tuple(each.progress for each in some),
                    )
                )
                headers[ID_HEADER] = _replay_id(connection, some)
                await self._client.publish(self._layout.events_subject(partition), body, headers)

        await asyncio.gather(*(one(*key, states) for key, states in parts.items()))

    def _delete_copies(self, rows: Sequence[Any]) -> None:
        """Remove copies of what was set aside, by their sequences; one that is gone already does no harm."""

        async def one(seq: int) -> None:
            try:
                await self._client.api(f"STREAM.MSG.DELETE.{self._layout.set_aside}", {"seq": seq})
            except ApiRefused:
                return

        async def delete(seqs: Sequence[int]) -> None:
            await asyncio.gather(*map(one, seqs))

        for start in range(0, len(rows), DELETED_AT_ONCE):
            self._client.call(delete([seq for (seq,) in rows[start : start + DELETED_AT_ONCE]]))

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        """Remove what ended before a time from all views, and the copies of what was set aside from the streams.

        The packs of events stay until their age removes them.
        """
        found = self.purgeable(older_than, outcomes)
        names = sorted(each.value for each in outcomes)
        subject = self._layout.state_subject("purged", "-".join(names) or "all")
        body = orjson.dumps({"older_than": older_than, "outcomes": names})
        self._client.call(self._client.publish(subject, body))
        self._fresh_until = 0.0
        self._delete_copies(self._all(COPIES_WITHOUT_STATE))
        return found

    def _refuse_change(self, *_: object, **__: object) -> NoReturn:
        """Raise OutboxError: events of streams are not changed or removed one by one."""
        raise OutboxError(NOT_ON_STREAMS.format(path=self.path))

    def _refuse_delivery(self, *_: object, **__: object) -> NoReturn:
        """Raise OutboxError: a view delivers nothing."""
        raise OutboxError(OF_WORKERS.format(path=self.path))

    change = _refuse_change
    lease = release = write = _refuse_delivery


def _packs(states: Sequence[EndedState], most_bytes: int) -> Iterator[list[EndedState]]:
    """Divide states of one partition and connection as packs are divided."""
    chosen: list[EndedState] = []
    size = 0
    for each in states:
        if chosen and (len(chosen) == PACK_EVENTS or size + len(each.event.raw) > most_bytes):
            yield chosen
            chosen, size = [], 0
        chosen.append(each)
        size += len(each.event.raw)
    if chosen:
        yield chosen


def _replay_id(connection: str, states: Sequence[EndedState]) -> str:
    """Return what the servers know a replay by: two people who queue the same events at once queue them once."""
    text = orjson.dumps([connection, [each.place for each in states]])
    return f"replay-{blake2b(text, digest_size=12).hexdigest()}"


class KnownIntake(StreamIntake):
    """An intake that has everybody know of the connections, also of those to which nobody delivers yet."""

    def __init__(self, client: StreamClient, layout: Layout, partition_by: Mapping[str, str]) -> None:
        super().__init__(client, layout, partition_by)
        self._shared = SharedState(client, layout)

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        """Store events; see `StreamIntake`."""
        self._shared.add(connections)
        return super().take_in(events, connections, now, again=again)


@contextmanager
def opened_intake(
    address: StreamAddress, partition_by: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> Iterator[KnownIntake]:
    """Open an address for putting events into its streams, which are made if they are missing; it needs no view."""
    with closing(StreamClient(address, environ)) as client:
        layout = client.call(create_or_check(client, address))
        yield KnownIntake(client, layout, partition_by)


@contextmanager
def opened_stream(
    address: StreamAddress,
    environ: Mapping[str, str] = os.environ,
    *,
    create: bool = False,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda _read, _all: None,
) -> Iterator[StreamOutbox]:
    """Open the outbox of an address; without `create`, raise StreamMissing if its streams were never made.

    `note` gets lines about the view, `progress` how much of the streams was read. Raises OutboxError and UsageError.
    """
    with closing(StreamClient(address, environ)) as client:
        layout = client.call(create_or_check(client, address) if create else existing_layout(client, address))
        with (
            ViewFile.opened(view_file(address, environ), client, layout, note=note, progress=progress) as view,
            closing(StreamOutbox(client, layout, view)) as outbox,
        ):
            yield outbox
