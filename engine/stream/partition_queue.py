"""The queue of one partition, from which a `Delivery` sends: the contract of an outbox, on streams.

Events are read from the events stream, and what becomes of them is appended to the results stream. A worker takes over
a connection by a message of its own there. That message's sequence is its fence, and each later one names the one
before as the last of its subject: so what a worker writes that was followed by another is refused, and all that its
predecessor has written is counted in before it begins. Whatever is in memory is rebuilt from the streams.

Calls come from the outbox's thread, and from others that want to see; a lock lets one in at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, cast

from engine.delivery.outbox.attempts import Attempt, AttemptNumbers
from engine.delivery.outbox.base import (
    DUPLICATE,
    WINDOW,
    Change,
    ConnectionRow,
    LeaseLost,
    OutboxError,
    Waiting,
)
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.outbox.reports import NO_REPORTS
from engine.records import JsonObject, Outcome
from engine.stream import results
from engine.stream.client import PUBLISH_PATIENCE
from engine.stream.errors import DamagedPack, MessageTooLarge, SequenceConflict, UnknownFormat
from engine.stream.keeping import KEEP_SECONDS, remove_finished
from engine.stream.layout import Layout
from engine.stream.owning import Ownership
from engine.stream.pack_reader import MICROSECONDS, READ_PACKS, PackReader, ReadPack
from engine.stream.packs import Pack, number_of, place_of
from engine.stream.positions import NotedEvent, StreamPosition
from engine.stream.results import ResultBatch
from engine.stream.versions import decode_version, encode_version
from engine.stream.window_filling import CLOCK_STEP, FilledWindow

if TYPE_CHECKING:
    from engine.stream.client import StreamClient, StreamMessage
    from engine.stream.shared_state import SharedState

LEASE = 2.0
"""Seconds of a lease: one may never end later than the ownership of the partition, which a beat prolongs to 3 s."""
RELEASE_PATIENCE = 2.0
"""For how many seconds a released connection's position is tried to be written: a server that stops must not hang."""
POSITION_SECONDS = 2.0
"""How often a position is written; what results say since then is counted in by whoever takes over."""
ALIVE_SECONDS = 60.0
"""How often a position is written at least while its connection is delivered, so that this can be seen."""
RELEASED_HEADER = "Waybill-Released"
KEEPING_SECONDS = 600.0
"""How often packs that nobody needs are removed."""
READING_SECONDS = 1.0
"""For how long one call of `waiting` reads packs and headers, before it returns what it has; the next call goes on."""
ROW_BYTES = 2 * 1024 * 1024
"""Bytes of events behind which one call of `waiting` returns no more."""
RESULTS_AT_ONCE = 200
CLOCKS_APART = 24 * 3600.0
"""Seconds by which the clocks of two workers differ at most, for the numbers of requests."""
TAKE_OVERS = 5
LAG_SECONDS, LAG_PAUSE = 10.0, 0.05
MILLISECOND = 0.001
LOST = "the events stream ends before what was delivered of it: it has lost its end, or is an older copy"

logger = logging.getLogger("waybill.delivery")


@dataclass(slots=True)
class Lane:
    """One connection in the partition, while its lease is held; `since` is when ownership began, by its clock.

    `seen_at` is when the pack that was read last was stored, `resumes` how often a person had resumed the connection.
    """

    connection: str
    owner: str
    fence: int
    since: float
    position: StreamPosition
    saved_at: float
    saved: tuple[int, int]
    seen_at: float | None = None
    resumes: int = 0


class PartitionQueue:
    """A partition as the outbox of a `Delivery`.

    Memory: `PackReader` remembers 4 MB of events, the window some 15 MB, each connection some 200 bytes for a pack with
    unfinished events, of which `FairQueue` lets there be 100,000 at most. `keep` is for how many seconds finished packs
    stay, at least 25 hours.
    """

    def __init__(
        self,
        client: StreamClient,
        layout: Layout,
        partition: int,
        ownership: Ownership,
        state: SharedState,
        *,
        keep: float = KEEP_SECONDS,
    ) -> None:
        self._client, self._layout, self._partition = client, layout, partition
        self._ownership, self._state = ownership, state
        self._keep = max(keep, KEEP_SECONDS)
        self._reader = PackReader(client, layout, partition)
        self._filled = FilledWindow(client, layout, partition, self._reader)
        self._window = self._filled.window
        self._lanes: dict[str, Lane] = {}
        self._known: set[tuple[str, ...]] = set()
        self._created = ""
        self._kept_at = client.time()
        self._lock = RLock()

    @property
    def path(self) -> StreamAddress:
        """Return the address, as it was named."""
        return self._client.address

    # The lease

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> int | None:
        """Take or renew a connection's lease; None unless the partition is owned until it ends, or another has it."""
        with self._lock:
            lane = self._lanes.get(connection)
            if lane is not None and lane.owner != owner:
                return None
            if not self._client.call(self._ownership.extended(self._partition, now + seconds)):
                return None
            since = self._ownership.owned_since(self._partition)
            if lane is None or lane.since != since:  # another process may have had it in between
                self._lanes.pop(connection, None)
                lane = self._take_over(connection, owner, since)
            if lane is None or not self._client.call(self._ownership.extended(self._partition, now + seconds)):
                return None
            if self._client.time() - lane.saved_at >= ALIVE_SECONDS:
                with suppress(OutboxError):  # it only shows that somebody delivers
                    self._save(lane, RELEASE_PATIENCE)
            return lane.fence

    def leased_until(self, connection: str, fence: int) -> float:
        """Return until when the partition is owned, as long as nobody else can have had it since the lease was taken.

        The thread that renews leases may be busy for longer than a lease lasts.
        """
        lane, until = self._lanes.get(connection), self._ownership.owned_until(self._partition)
        if lane is None or lane.fence != fence or lane.since != self._ownership.owned_since(self._partition):
            return 0.0
        return until

    def release(self, connection: str, owner: str) -> None:
        """Give up a connection's lease."""
        with self._lock:
            lane = self._lanes.get(connection)
            if lane is not None and lane.owner == owner:
                del self._lanes[connection]
                with suppress(OutboxError):  # whoever follows then counts in more results
                    self._save(lane, RELEASE_PATIENCE, {RELEASED_HEADER: "1"})

    def _take_over(self, connection: str, owner: str, since: float) -> Lane | None:
        """Append this worker's first message, and sum up what all before it have written."""
        subject = self._layout.results_subject(self._partition, connection)
        self._created = self._created or self._creation()
        first = ResultBatch(at=self._client.time(), takeover=owner, stream=self._created)
        headers, body = results.encode(first)
        for _ in range(TAKE_OVERS):
            last = self._client.call(self._client.last(self._layout.results, subject))
            try:
                fence = self._client.call(
                    self._client.publish(subject, body, headers, expect=last.seq if last is not None else 0)
                )
            except SequenceConflict:  # the one before wrote once more
                continue
            position = self._position(connection, fence)
            lane = Lane(connection, owner, fence, since, position, self._client.time(), _mark(position))
            lane.resumes = self._state.resumes(connection)
            if self._cut(position):
                self._save(lane)  # at once: later, others may have the sequences that were lost
            self._lanes[connection] = lane
            self._state.add([connection])
            return lane
        return None

    def _cut(self, position: StreamPosition) -> bool:
        """Cut off what is known of packs that the events stream has lost, by a loss of power or as an older copy.

        What was known before the fence is of packs that were stored before it. A leader that lags is asked again.
        """
        ends, known_to = time.monotonic() + LAG_SECONDS, max(position.known_to, self._window.reach)
        while (last := self._last_sequence()) < known_to and time.monotonic() < ends:
            time.sleep(LAG_PAUSE)
        stored_at = self._client.call(self._reader.stored_at(position.read_to)) if position.read_at else None
        if stored_at not in (None, position.read_at):  # others have its sequences by now
            last = min(last, self._client.call(self._reader.sequence_before(position.read_at + MILLISECOND)))
        elif last >= known_to:
            return False
        fields = {"partition": self._partition, "last": last, "known": known_to, "reason": LOST}
        logger.warning("events lost", extra={"fields": fields})
        position.cut(last)
        self._window.lose()
        return True

    def _position(self, connection: str, upto: int) -> StreamPosition:
        """Return a connection's position: the one that was kept, and all results behind it up to a sequence."""
        self._created = self._created or self._creation()
        position = self._kept_position(connection)
        if position.results > upto:
            position.results = 0  # the stream of results was made anew
        subject = self._layout.results_subject(self._partition, connection)
        ends = time.monotonic() + LAG_SECONDS
        while position.results < upto:
            found = self._client.call(
                self._client.read(self._layout.results, subject, position.results, RESULTS_AT_ONCE)
            )
            for message in found:
                if message.seq <= upto:
                    position.apply(message.seq, self._batch(message))
            if not found or found[-1].seq > upto > position.results:
                if time.monotonic() > ends:
                    raise OutboxError(
                        f"The servers that answer do not have the message {upto} of the stream {self._layout.results} "
                        f"after {LAG_SECONDS:g} s. Look at the replicas: nats stream info {self._layout.results}"
                    )
                time.sleep(LAG_PAUSE)
        return position

    def _kept_position(self, connection: str) -> StreamPosition:
        kept = self._client.call(
            self._client.last(self._layout.state, self._layout.position_subject(self._partition, connection))
        )
        position = StreamPosition.of(kept)
        if position.stream != self._created:  # nothing is known of a stream that was made anew
            position = StreamPosition(self._created)
        return position

    def _creation(self) -> str:
        return str(self._events_info()["created"])

    def _events_info(self) -> JsonObject:
        return self._client.call(self._client.api(f"STREAM.INFO.{self._layout.events}"))

    def _last_sequence(self) -> int:
        return cast("int", cast("JsonObject", self._events_info()["state"])["last_seq"])

    def _batch(self, message: StreamMessage) -> ResultBatch:
        stream = self._layout.results
        try:
            return results.decode(message.headers, message.data)
        except UnknownFormat as error:
            raise UnknownFormat(f"{error} It is message {message.seq} of the stream {stream}.") from error
        except DamagedPack as error:
            raise OutboxError(
                f"The message {message.seq} of the stream {stream} is no results of a worker, so it is not known what "
                f"was sent. Look at it with `nats stream get {stream} {message.seq}`, and remove it with "
                f"`nats stream rmm {stream} {message.seq}` if it is not waybill's."
            ) from error

    def _lane(self, connection: str) -> Lane:
        lane = self._lanes.get(connection)
        if lane is None:
            raise LeaseLost(f"Another worker has taken over {connection}.")
        return lane

    # Reading

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        """Return unfinished events behind a number, in the order of the queue.

        Raise DamagedPack or UnknownFormat for a pack that cannot be read, once what came before it has been returned
        and finished: nothing of it is skipped, so its partition waits; the others go on.
        """
        with self._lock:
            lane = self._lane(connection)
            self._read_on(lane, after, limit)
            rows = self._rows(lane, lane.position.open_after(after, limit), ROW_BYTES)
            self._keep_up(lane)
            return rows

    def waiting_at(self, connection: str, places: Sequence[int]) -> list[Waiting]:
        """Return the unfinished events with these numbers."""
        with self._lock:
            lane = self._lane(connection)
            return self._rows(lane, [place for place in places if place in lane.position])

    def _rows(self, lane: Lane, numbers: Sequence[int], most: int | None = None) -> list[Waiting]:
        """Return the events with these numbers, of which all are unfinished; behind `most` bytes, no more of them."""
        rows: list[Waiting] = []
        size, wanted = 0, sorted({place_of(number)[0] for number in numbers})
        chosen: dict[int, list[int]] = {sequence: [] for sequence in wanted}
        for number in numbers:
            chosen[place_of(number)[0]].append(number)
        while wanted and (most is None or size < most):
            part, wanted = wanted[:READ_PACKS], wanted[READ_PACKS:]
            found = self._reader.at(part)
            for sequence in part:
                if sequence not in found:
                    lane.position.gone(sequence)
                    continue
                made = [_waiting(found[sequence], number, lane.position.noted(number)) for number in chosen[sequence]]
                rows += made
                size += sum(len(row.raw) for row in made)
        return rows

    def _read_on(self, lane: Lane, after: int, limit: int) -> None:
        """Read packs until enough events wait behind a number; what is a duplicate ends at once."""
        duplicates: list[int] = []
        size, ends = 0, time.monotonic() + READING_SECONDS
        more = True
        while more:
            behind = lane.position.open_after(after, limit)
            if len(behind) >= limit or (behind and size >= ROW_BYTES):
                break
            packs = self._packs(lane)
            if not packs or not self._filled.reaches(packs[0].at, lane.position.read_to, self._created, ends):
                break
            for read in packs:
                duplicates += self._read_pack(lane, read)
                size += read.size
            more = time.monotonic() < ends
        if duplicates:
            ended = tuple(Change(number, Outcome.IGNORED, DUPLICATE) for number in duplicates)
            self._append(lane, ResultBatch(lane.fence, self._client.time(), ended))

    def _packs(self, lane: Lane) -> list[ReadPack]:
        try:
            packs = self._reader.after(lane.position.read_to)
        except (DamagedPack, UnknownFormat):
            if lane.position.count:  # what came before it goes first
                return []
            raise
        if not packs:
            lane.seen_at = self._client.time()
        return packs

    def _read_pack(self, lane: Lane, read: ReadPack) -> list[int]:
        """Go on behind a pack; return which of its events are duplicates."""
        self._make_known(read.pack.connections)
        self._window.add([read.ids])
        lane.seen_at = read.at
        if lane.connection not in read.pack.connections:
            lane.position.read(read.sequence, 0, read.at)
            return []
        left = lane.position.read(read.sequence, (1 << len(read.pack.events)) - 1, read.at)
        bits = left & self._window.duplicates(read.ids, lane.connection)
        return [number_of(read.sequence, index) for index in range(len(read.pack.events)) if bits >> index & 1]

    def _make_known(self, connections: tuple[str, ...]) -> None:
        """Have everybody know of a pack's connections, so that none is forgotten to which nobody delivers yet."""
        if connections not in self._known:
            self._state.add(connections, forgotten=False)
            self._known.add(connections)

    def named(self) -> set[str]:
        """Return the connections that packs of this partition name, as far as they were read; in any thread."""
        return {name for names in tuple(self._known) for name in names}

    # Writing

    def write(
        self, connection: str, fence: int, changes: Sequence[Change], now: float, attempts: Sequence[Attempt] = ()
    ) -> list[Change]:
        """Append changes of unfinished events, and return those written."""
        with self._lock:
            lane = self._lane(connection)
            if lane.fence != fence:
                raise LeaseLost(f"Another worker has taken over {connection}.")
            written = _unfinished(lane.position, changes)
            self._set_aside(lane, [each for each in written if each.outcome in results.SET_ASIDE])
            kept = _attempts_kept(attempts, changes, written)
            if written or kept:
                self._append(lane, ResultBatch(fence, now, tuple(map(results.fitting, written)), tuple(kept)))
            self._keep_up(lane)
            return written

    def _set_aside(self, lane: Lane, refused: Sequence[Change]) -> None:
        """Copy rejected and invalid events to where they stay until a person removes them or queues them again."""
        if not refused:
            return
        packs = self._reader.at(place_of(each.place)[0] for each in refused)
        subject = self._layout.set_aside_subject(lane.connection, self._partition)

        async def copy(number: int, headers: dict[str, str], body: bytes) -> None:
            name = f"{subject} {number}"  # what is written again after an error is there once
            with suppress(MessageTooLarge):  # some bytes more than its event, which stays in its stream for a day
                await self._client.publish(subject, body, {**headers, "Nats-Msg-Id": name})

        async def publish() -> None:
            await asyncio.gather(*(copy(*each) for each in _copies(lane.connection, refused, packs)))

        self._client.call(publish())

    def _append(self, lane: Lane, batch: ResultBatch) -> None:
        """Append results behind those this worker knows of; raise LeaseLost if there are others."""
        subject = self._layout.results_subject(self._partition, lane.connection)
        try:
            for part in results.split(batch):
                headers, body = results.encode(part)
                publishing = self._client.publish(subject, body, headers, expect=lane.position.results)
                lane.position.apply(self._client.call(publishing), part)
        except SequenceConflict as error:
            self._lanes.pop(lane.connection, None)
            raise LeaseLost(f"Another worker has taken over {lane.connection}.") from error
        except BaseException:  # whether it was stored is found out by taking over anew
            self._lanes.pop(lane.connection, None)
            raise

    def _keep_up(self, lane: Lane) -> None:
        """From time to time, write how far a connection is, and remove what nobody needs."""
        self._filled.publish()
        now = self._client.time()
        if now - lane.saved_at >= POSITION_SECONDS and _mark(lane.position) != lane.saved:
            self._save(lane)
        times = [each.seen_at for each in self._lanes.values()]
        if None not in times:
            self._window.forget(min(cast("list[float]", times)) - WINDOW - CLOCK_STEP)
        if now - self._kept_at >= KEEPING_SECONDS:
            self._kept_at = now
            with suppress(OutboxError):  # tried again in ten minutes; a full stream is reported where it is written
                self.remove_finished(now - self._keep)

    def remove_finished(self, older_than: float) -> int:
        """Remove packs that are finished for all connections and came before a time; return how many."""
        with self._lock:
            names = [row.name for row in self._state.rows()]
            removing = remove_finished(
                self._client, self._layout, self._partition, self._reader, names, min(older_than, self._client.time())
            )
            return self._client.call(removing)

    def _save(self, lane: Lane, patience: float = PUBLISH_PATIENCE, headers: Mapping[str, str] | None = None) -> None:
        subject = self._layout.position_subject(self._partition, lane.connection)
        lane.saved_at, mark = self._client.time(), _mark(lane.position)
        with suppress(MessageTooLarge):  # the one before stays, with more results to count in
            self._client.call(self._client.publish(subject, lane.position.encode(), headers, patience=patience))
            lane.saved = mark

    # What is shared

    def last_attempt(self, connection: str) -> int:
        """Return the number of a connection's last attempt in this partition."""
        with self._lock:
            found = self._lane(connection).position.attempt
            return found if found < (self._client.time() + CLOCKS_APART) * MICROSECONDS else 0

    def keep_version(self, digest: str, name: str, files: bytes, now: float) -> None:  # noqa: ARG002
        """Keep the files of a mapping's version, unless they are there already.

        One that no message has room for is not kept: events that are half done when it changes are planned anew.
        """
        subject = self._layout.state_subject("version", digest)
        with suppress(SequenceConflict, MessageTooLarge):
            self._client.call(self._client.publish(subject, encode_version(name, files), expect=0))

    def version_files(self, digest: str) -> tuple[str, bytes] | None:
        """Return the name and the files of a mapping's version."""
        found = self._client.call(self._client.last(self._layout.state, self._layout.state_subject("version", digest)))
        return None if found is None else decode_version(found.data)

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        """Stop a connection, in all partitions."""
        lane = self._lanes.get(connection)
        self._state.hold(connection, reason, hint, now, None if lane is None else lane.resumes)

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Record until when a connection pauses."""
        self._state.pause(connection, due, reason)

    def set_alarm(self, connection: str, alarm: str) -> None:
        """Record what is unusual about a connection's refusals in this partition."""
        self._state.set_alarm(connection, self._partition, alarm)

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        """Return all connections, or the one with this name."""
        return self._state.rows(name, self._partition)

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        """Return how many events of this partition are unfinished, and when the oldest was queued.

        Those that were not read yet are counted by packs, of which each has 1 to 50.
        """
        with self._lock:
            lane = self._lanes.get(connection)
            position = lane.position if lane is not None else self._looked_up(connection)
            return self._client.call(self._counted(position))

    async def _counted(self, position: StreamPosition) -> tuple[int, float | None]:
        stream, subject = self._layout.events, self._layout.events_subject(self._partition)
        first, unread = await self._client.first(stream, subject, position.read_to)
        if position.oldest is not None:
            first, _ = await self._client.first(stream, subject, position.oldest - 1)
        return position.count + unread, None if first is None else first.time

    def _looked_up(self, connection: str) -> StreamPosition:
        subject = self._layout.results_subject(self._partition, connection)
        last = self._client.call(self._client.last(self._layout.results, subject))
        return self._position(connection, 0 if last is None else last.seq)

    def close(self) -> None:
        """Release what is kept for this partition; the client stays open."""
        with self._lock:
            self._lanes.clear()
            self._filled.close()


def _mark(position: StreamPosition) -> tuple[int, int]:
    return position.results, position.read_to


def _waiting(read: ReadPack, number: int, noted: NotedEvent | None) -> Waiting:
    _, index = place_of(number)
    event, pack = read.pack.events[index], read.pack
    known_as = pack.replayed[index] if pack.replayed else number
    replayed = noted is None and bool(pack.progress) and pack.progress[index][0] is not None
    if noted is None and pack.progress:
        progress, digest, attempts = pack.progress[index]
        noted = NotedEvent(progress, digest, None, NO_REPORTS, attempts)
    noted = noted or NotedEvent(None, None, None)
    return Waiting(
        number,
        known_as,
        event.message_id,
        event.received_at,
        event.raw,
        noted.progress,
        noted.digest,
        noted.tried_at,
        read.at,
        event.reports,
        noted.attempts,
        noted.reports,
        replayed,
    )


def _unfinished(position: StreamPosition, changes: Sequence[Change]) -> list[Change]:
    """Return the changes of events that are unfinished when their turn comes."""
    written, ended = [], set()
    for change in changes:
        if change.place in position and change.place not in ended:
            written.append(change)
            if change.outcome is not Outcome.WAITING:
                ended.add(change.place)
    return written


def _attempts_kept(
    attempts: Sequence[Attempt], changes: Sequence[Change], written: Sequence[Change]
) -> Sequence[Attempt]:
    """Return the requests without those that led only to changes that were not written."""
    if len(written) == len(changes):
        return attempts
    named = _numbers(written)
    gone = _numbers(changes) - named
    return [each for each in attempts if each.number not in gone]


def _numbers(changes: Iterable[Change]) -> set[int]:
    return {number for change in changes for number in AttemptNumbers.of(change.attempts).numbers}


def _copies(
    connection: str, refused: Iterable[Change], packs: dict[int, ReadPack]
) -> list[tuple[int, dict[str, str], bytes]]:
    """Return the copies of events that are set aside: their numbers, headers and bodies."""
    copies = []
    for change in refused:
        sequence, index = place_of(change.place)
        if sequence in packs:
            pack = packs[sequence].pack
            original = pack.replayed[index] if pack.replayed else change.place
            alone = Pack((connection,), [pack.events[index]], again=True, replayed=(original,))
            copies.append((change.place, *results.encode_aside(alone, change)))
    return copies
