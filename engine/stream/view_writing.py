"""Writes messages of the streams into a view, within the transaction of its caller.

Whoever reads the same messages in the same order writes the same rows.  Times are those of the servers.  A message that
is none of waybill's is left out with a note: the stream keeps it, and delivery holds its connection.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from engine.delivery.outbox import keeping, outcomes
from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import NOT_SENT_YET, QUEUED_AGAIN, NewEvent, OutboxError
from engine.delivery.outbox.reports import EventReports, as_text
from engine.language.texts import visible
from engine.records import Outcome
from engine.stream.client import StreamMessage
from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.layout import partition_in, subject_token, token_name
from engine.stream.packs import Pack, decode, decode_discards, moment, number_of, place_of
from engine.stream.results import decode as decode_results
from engine.stream.results import decode_aside
from engine.stream.shared_state import SharedConnection, decoded
from engine.stream.versions import decode_version
from engine.stream.view_tables import CONNECTION_BITS, MOST_CONNECTIONS, view_place

REMOVABLE = {each.value: each for each in Outcome if each is not Outcome.WAITING}
LONGEST_SUBJECT = 200
"""Characters of a subject that a note has."""
TOO_MANY = (
    "The streams have results of more than {most:,} connections, which a view cannot tell apart. Begin a new outbox "
    "under another name."
)
ADD_EVENT = """
    INSERT OR IGNORE INTO events (id, source, message_id, received_at, taken_at, raw, reports, keys)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_STATE = """
    INSERT OR IGNORE INTO states (place, event, connection, outcome, reason, queued_at, changed_at)
    VALUES (?, ?, ?, 'waiting', ?, ?, ?)
"""
ADD_ENDED_STATE = """
    INSERT OR IGNORE INTO states (place, event, connection, outcome, reason, words, digest, progress, tried_at, reports,
        attempts, queued_at, changed_at, fence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
"""
REQUEUE = """
    UPDATE OR REPLACE states SET place = ?, outcome = 'waiting', reason = ?, words = '', tried_at = NULL,
        reports = CASE WHEN progress IS NULL THEN NULL ELSE reports END, fence = NULL, queued_at = ?, changed_at = ?
    WHERE event = ? AND connection = ?
"""
KEEP_PROGRESS = "UPDATE states SET progress = ?, digest = ?, attempts = ? WHERE place = ?"
HAS_STATE = "SELECT 1 FROM states WHERE event = ? AND connection = ?"
ADD_PACK = "INSERT OR REPLACE INTO view_packs VALUES (?, ?)"
ADD_OLD_PACK = "INSERT OR IGNORE INTO view_packs VALUES (?, ?)"
ADD_ASIDE = "INSERT OR IGNORE INTO view_asides VALUES (?, ?, ?)"
SET_CONNECTION = """
    UPDATE connections SET held = ?, hint = ?, held_at = ?, due = ?, pause = ?, alarm = ? WHERE id = ?
"""
SET_OWNER = "UPDATE connections SET owner = ? WHERE id = ?"


class ViewWriter:
    """Writes into one view; `notes` are lines about messages that were left out."""

    def __init__(self, db: sqlite3.Connection, partitions: int) -> None:
        self.notes: list[str] = []
        self.purges: list[tuple[float, tuple[Outcome, ...]]] = []
        """What people removed, for the caller to remove, too: older than a time, with these outcomes."""
        self._db, self._partitions = db, partitions
        self._ids: dict[str, int] = {}
        self._events: list[tuple[Any, ...]] = []
        self._states: list[tuple[Any, ...]] = []
        self._keys: list[tuple[int, int]] = []
        self._arrived: Counter[tuple[int, str]] = Counter()

    def connection(self, name: str) -> int:
        """Return the number of a connection in this view."""
        found = self._ids.get(name)
        if found is None:
            row = self._db.execute(sql.CONNECTION_ID, (name,)).fetchone()
            found = int(row[0]) if row else int(self._db.execute(sql.ADD_CONNECTION, (name,)).lastrowid or 0)
            if found > MOST_CONNECTIONS:
                raise OutboxError(TOO_MANY.format(most=MOST_CONNECTIONS))
            self._ids[name] = found
        return found

    def events(self, messages: Sequence[StreamMessage]) -> None:
        """Write packs: events that wait, or wait again."""
        self._each(messages, self._pack)
        self._flush()
        for (slot, source), count in self._arrived.items():
            self._db.execute(sql.COUNT_ARRIVED, (slot, source, count, 0))
        if self._arrived:
            newest = max(slot for slot, _ in self._arrived)
            self._db.execute(sql.FORGET_ARRIVED, (newest - keeping.KEPT_SLOTS,))
            self._arrived.clear()

    def _each(self, messages: Sequence[StreamMessage], write: Callable[[StreamMessage], None]) -> None:
        """Write messages; note those that are none of waybill's, and raise UnknownFormat for a newer release's."""
        for message in messages:
            where = f"It is message {message.seq} of {visible(message.subject[:LONGEST_SUBJECT])}"
            try:
                write(message)
            except UnknownFormat as error:
                raise UnknownFormat(f"{error} {where}.") from error
            except DamagedPack as error:
                self.notes.append(f"{error} {where}, and is not shown.")

    def _pack(self, message: StreamMessage) -> None:
        partition = partition_in(message.subject, self._partitions)
        pack = decode(message.headers, message.data)
        numbers = [self.connection(name) for name in pack.connections]
        self._db.execute(ADD_PACK, (message.seq, partition))
        if pack.replayed:
            self._flush()
            self._replayed(message, pack, numbers)
        else:
            self._new(message, pack, numbers)

    def _new(self, message: StreamMessage, pack: Pack, numbers: Sequence[int]) -> None:
        at, slot = message.time, keeping.slot_of(message.time)
        for index, event in enumerate(pack.events):
            number = number_of(message.seq, index)
            self._event(number, event, at)
            self._arrived[slot, event.source] += 1
            start = number << CONNECTION_BITS
            self._states += [(start | each, number, each, NOT_SENT_YET, at, at) for each in numbers]

    def _event(self, number: int, event: NewEvent, at: float) -> None:
        keys = keeping.keys_of_raw(event.raw)
        reports = as_text(EventReports(event.reports)) if event.reports else None
        values = (number, event.source, event.message_id, event.received_at, at, event.raw, reports, len(keys))
        self._events.append(values)
        self._keys += [(key, number) for key in keys]

    def _flush(self) -> None:
        self._db.executemany(ADD_EVENT, self._events)
        self._db.executemany(ADD_STATE, self._states)
        self._db.executemany(sql.ADD_KEYS[1], sorted(self._keys))
        self._events.clear()
        self._states.clear()
        self._keys.clear()

    def _replayed(self, message: StreamMessage, pack: Pack, numbers: Sequence[int]) -> None:
        """Show events that were queued again under the numbers they had at first."""
        at = message.time
        before = pack.progress or ((None, None, None),) * len(pack.events)
        for index, (event, original) in enumerate(zip(pack.events, pack.replayed, strict=True)):
            self._event(original, event, at)
            self._flush()  # it may be gone from the streams by now, and then comes back here
            for number in numbers:
                place = view_place(number_of(message.seq, index), number)
                if not self._db.execute(REQUEUE, (place, QUEUED_AGAIN, at, at, original, number)).rowcount:
                    self._db.execute(ADD_STATE, (place, original, number, QUEUED_AGAIN, at, at))
                self._db.execute(KEEP_PROGRESS, (*before[index], place))

    def set_aside(self, messages: Sequence[StreamMessage]) -> None:
        """Write copies of rejected and invalid events: those that have left the stream of events come from here."""
        self._each(messages, self._copy)

    def _copy(self, message: StreamMessage) -> None:
        partition = partition_in(message.subject, self._partitions, 3)
        pack, change = decode_aside(message.headers, message.data)
        [event], [name], [original] = pack.events, pack.connections, pack.replayed
        if subject_token(name) != message.subject.split(".")[2]:
            raise DamagedPack("A copy of an event that was set aside has the subject of another connection.")
        number = self.connection(name)
        self._db.execute(ADD_ASIDE, (original, number, message.seq))
        self._db.execute(ADD_OLD_PACK, (place_of(original)[0], partition))
        if self._db.execute(HAS_STATE, (original, number)).fetchone():
            return
        self._event(original, event, message.time)
        self._flush()
        place = view_place(change.place, number)
        _, outcome, reason, error_text, digest, progress, tried_at, reports, attempts = change
        values = (outcome.value, reason, error_text, digest, progress, tried_at, as_text(reports), attempts)
        times = (message.time, message.time)
        if not self._db.execute(ADD_ENDED_STATE, (place, original, number, *values, *times)).rowcount:
            raise DamagedPack("A copy of an event that was set aside has the number of another event.")

    def results(self, messages: Sequence[StreamMessage]) -> None:
        """Write what became of events; of one that is not there any more, nothing."""
        self._each(messages, self._result)

    def _result(self, message: StreamMessage) -> None:
        name = token_name(message.subject.rpartition(".")[2])
        partition_in(message.subject, self._partitions)
        batch = decode_results(message.headers, message.data)
        number = self.connection(name)
        if batch.takeover:
            self._db.execute(SET_OWNER, (batch.takeover, number))
        changes = [each._replace(place=view_place(each.place, number)) for each in batch.changes]
        done = outcomes.written(self._db, changes, message.time, message.seq) if changes else []
        keeping.add_attempts(self._db, name, batch.attempts)
        keeping.count_ended(self._db, name, [each.outcome for each in done], message.time)

    def state(self, messages: Sequence[StreamMessage]) -> None:
        """Write what workers share: holds and pauses, versions of mappings; note what people removed."""
        self._each([each for each in messages if each.data], self._key)

    def _key(self, message: StreamMessage) -> None:
        _, _, kind, *names = message.subject.split(".")
        write = {"connection": self._shared, "version": self._version, "purged": self._purged}.get(kind)
        if write is not None and len(names) != 1:
            raise DamagedPack("A key of the shared state is none that waybill writes.")
        if write is not None:
            write(message)

    def _shared(self, message: StreamMessage) -> None:
        name = token_name(message.subject.rpartition(".")[2])
        gone = message.headers.get("KV-Operation") is not None
        shared = SharedConnection(name) if gone else decoded(name, message.subject, message.data)
        row = shared.row(None)
        self._db.execute(
            SET_CONNECTION, (row.held, row.hint, row.held_at, row.due, row.pause, row.alarm, self.connection(name))
        )

    def discards(self, messages: Sequence[StreamMessage]) -> None:
        """Write what collectors discarded."""
        self._each(messages, self._discards)

    def _discards(self, message: StreamMessage) -> None:
        source = token_name(message.subject.rpartition(".")[2])
        found, count, at = decode_discards(source, message.headers, message.data)
        keeping.add_discards(self._db, found, all_of_them=True)
        if count:
            keeping.count_arrived(self._db, [source], at, discarded=count)

    def _version(self, message: StreamMessage) -> None:
        version = decode_version(message.data)
        if version is not None:
            digest = token_name(message.subject.rpartition(".")[2])
            self._db.execute(sql.ADD_VERSION, (digest, *version, message.time))

    def _purged(self, message: StreamMessage) -> None:
        try:
            given = orjson.loads(message.data)
            older_than, outcomes = moment(given["older_than"]), tuple(map(REMOVABLE.__getitem__, given["outcomes"]))
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedPack("A key of the shared state says nothing of what was removed.") from error
        self.purges.append((min(older_than, message.time), outcomes))
