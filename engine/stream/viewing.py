"""Keeps a view in step with the streams: reads on where it stopped, and writes what it read with how far it is.

A pass reads up to the ends that the streams have when it begins.  Results and copies are read after the events that
they are about, so their ends are looked up first.  Several processes may share a view: one reads at a time, and a
transaction writes nothing if another process was quicker.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from engine.delivery.outbox.base import OutboxError
from engine.stream import view_purging
from engine.stream.client import StreamClient, StreamMessage
from engine.stream.errors import ApiRefused, StreamMissing
from engine.stream.layout import NO_STREAM, Layout
from engine.stream.owning import PRESENCE
from engine.stream.view_tables import (
    SET_COMPLETE,
    STREAMS,
    ViewOvertaken,
    begin,
    identity,
    identity_of,
    is_complete,
    move,
    read_to,
)
from engine.stream.view_writing import ViewWriter

if TYPE_CHECKING:
    import sqlite3

    from engine.delivery.outbox.sqlite import SqliteOutbox

AT_ONCE = 500
"""Messages of one transaction at most."""
BYTES_AT_ONCE = 8 * 1024 * 1024
PATIENCE = 2.0
"""Seconds to wait for another process that brings the view up to date; then the view is read as it is."""
LOOK_EVERY = 0.05
LEASE_SHOWN = 10.0
"""Seconds for which a view that nobody brings up to date says that connections are being delivered to."""
SET_LEASES = "UPDATE connections SET leased_until = ? WHERE owner IS NOT NULL"
REPLICA_TRIES = 10
"""How often a replica is asked again that lags behind the end that the leader named."""
NO_MESSAGE = 10037
OTHER_STREAMS = "The view {file} is of other streams, or of another release: it is built anew."
BEHIND = "Another process is still bringing the view {file} up to date: what follows may lack the latest events."
BUILDING = "Another process is building the view {file}, which takes a while for the first time: try again in a moment."
LAGS = "A server of {address} lags behind the others: what follows may lack the latest events."
Progress = Callable[[int, int], None]
"""Called with how many messages were read, and how many there are to read."""


class StreamEnds(NamedTuple):
    """What a stream said of itself: its first and its last sequence, and when it was made."""

    first: int
    last: int
    created: str


class ViewFollower:
    """Brings a view up to date; `note` gets lines for people."""

    def __init__(
        self,
        outbox: SqliteOutbox,
        client: StreamClient,
        layout: Layout,
        *,
        note: Callable[[str], None] = lambda _: None,
        progress: Progress = lambda _read, _all: None,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._outbox, self._client, self._layout = outbox, client, layout
        self._note, self._progress = note, progress
        self._purged_at = float("-inf")
        self._read = self._all = 0

    def catch_up(self) -> None:
        """Read all that the streams have by now; raise OutboxError."""
        with lock(self._outbox.file, self._patience) as mine:
            if not mine:
                if not self._outbox.look(is_complete):
                    raise OutboxError(BUILDING.format(file=self._outbox.file))
                self._note(BEHIND.format(file=self._outbox.file))
                return
            try:
                self._pass()
            except ViewOvertaken:
                self._pass()

    def _pass(self) -> None:
        ends = self._client.call(self._ends())
        position = self._outbox.change(lambda db: self._begun(db, ends))
        self._read, self._all = 0, sum(max(0, ends[each].last - position[each]) for each in STREAMS)
        for stream in STREAMS:
            self._stream(stream, position[stream], ends[stream].last)
        self._note_end()
        if time.monotonic() - self._purged_at >= view_purging.EVERY:
            view_purging.remove_old(self._outbox, ends["events"].first, self._client.time())
            self._purged_at = time.monotonic()

    def _note_end(self) -> None:
        """Note that all was read, and that connections are still delivered to, while any worker is there."""
        workers, now = self._client.call(self._workers()), self._client.time()

        def write(db: sqlite3.Connection) -> None:
            db.execute(SET_COMPLETE)
            db.execute(SET_LEASES, (now + LEASE_SHOWN if workers else None,))

        self._outbox.change(write)

    async def _workers(self) -> int:
        """Return how many workers there are: those that wait at the consumer to which nothing ever comes."""
        try:
            answer = await self._client.api(f"CONSUMER.INFO.{self._layout.owners}.{PRESENCE}")
        except ApiRefused:  # there was none yet
            return 0
        return cast("int", answer.get("num_waiting", 0))

    async def _ends(self) -> dict[str, StreamEnds]:
        """Return the ends of all streams; that of the events is looked up last."""
        others = [each for each in STREAMS if each != "events"]
        found = await asyncio.gather(*(self._end(each) for each in others))
        return {**dict(zip(others, found, strict=True)), "events": await self._end("events")}

    async def _end(self, stream: str) -> StreamEnds:
        name = self._name(stream)
        try:
            answer = await self._client.api(f"STREAM.INFO.{name}")
        except ApiRefused as refused:
            if refused.code != NO_STREAM:
                raise
            raise StreamMissing(
                f"The stream {name} of {self._client.address} is gone: it was removed. `engine serve` makes a new one."
            ) from None
        state = cast("Mapping[str, int]", answer["state"])
        return StreamEnds(state["first_seq"], state["last_seq"], str(answer["created"]))

    def _begun(self, db: sqlite3.Connection, ends: Mapping[str, StreamEnds]) -> dict[str, int]:
        """Return up to where the streams were read, from the beginning for a view of others."""
        wanted = identity_of({each: ends[each].created for each in STREAMS}, self._layout.partitions)
        found = identity(db)
        if found == wanted:
            position = read_to(db)
            if all(position[each] <= ends[each].last for each in STREAMS):
                return position
        if found:
            self._note(OTHER_STREAMS.format(file=self._outbox.file))
        begin(db, wanted)
        return read_to(db)

    def _name(self, stream: str) -> str:
        return str(getattr(self._layout, stream))

    def _stream(self, stream: str, after: int, end: int) -> None:
        tries = 0
        while after < end:
            messages = self._client.call(self._client.read(self._name(stream), ">", after, AT_ONCE, BYTES_AT_ONCE))
            messages = [each for each in messages if each.seq <= end]
            if not messages:
                if tries < REPLICA_TRIES and self._client.call(self._has_more(stream, after, end)):
                    tries += 1
                    time.sleep(LOOK_EVERY)
                    continue
                if tries == REPLICA_TRIES:
                    raise OutboxError(LAGS.format(address=self._client.address))
            read = messages[-1].seq if messages else end
            self._write(stream, messages, after, read)
            self._read += read - after
            self._progress(self._read, self._all)
            after = read

    async def _has_more(self, stream: str, after: int, end: int) -> bool:
        """Whether the stream's leader has a message in between, which a replica that lags does not have yet."""
        wanted: dict[str, Any] = {"seq": after + 1, "next_by_subj": ">"}
        try:
            answer = await self._client.api(f"STREAM.MSG.GET.{self._name(stream)}", wanted)
        except ApiRefused as refused:
            if refused.code == NO_MESSAGE:
                return False
            raise
        return int(cast("Mapping[str, int]", answer["message"])["seq"]) <= end

    def _write(self, stream: str, messages: list[StreamMessage], after: int, read: int) -> None:
        writer: ViewWriter | None = None

        def write(db: sqlite3.Connection) -> None:
            nonlocal writer
            writer = ViewWriter(db, self._layout.partitions)
            move(db, stream, after, read)
            getattr(writer, stream)(messages)

        self._outbox.change(write)
        assert writer is not None
        for line in writer.notes:
            self._note(line)
        for older_than, outcomes in writer.purges:
            self._outbox.purge(older_than, outcomes)


@contextmanager
def lock(view: Path, patience: float) -> Iterator[bool]:
    """Hold the lock of those who bring a view up to date; yield False if another process has it all the time."""
    import fcntl

    until = time.monotonic() + patience
    number = os.open(f"{view}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        while not _locked(number, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() >= until:
                yield False
                return
            time.sleep(LOOK_EVERY)
        yield True
    finally:
        os.close(number)


def _locked(number: int, how: int) -> bool:
    import fcntl

    try:
        fcntl.flock(number, how)
    except OSError:
        return False
    return True
