"""How far a connection is in a partition: what of it is finished. Pure.

A position is nothing but the sum of what was read and of the results of the stream, so it is kept only to spare whoever
takes the partition over the reading of all of them: any earlier one, with the results behind it, leads to the same.
Everything up to `read_to` is finished, unless it is listed as open. Of what lies behind, only what results have
finished is known.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

from engine.delivery.outbox.attempts import AttemptNumbers
from engine.delivery.outbox.base import Change, OutboxError
from engine.delivery.outbox.reports import NO_REPORTS, EventReports, as_text, from_text
from engine.records import Outcome
from engine.stream.client import StreamMessage
from engine.stream.errors import DamagedPack, MessageTooLarge
from engine.stream.packs import MOST_NUMBER, NUMBERS_A_PACK, moment, number_of, place_of, whole
from engine.stream.results import ResultBatch

MOST_DECODED = 32 * 1024 * 1024
"""Bytes of a position that are written and read, unpacked."""

NUMBERS = ("results", "read_to", "attempt")
NO_POSITION = "A position of the shared state is damaged."
DAMAGED_KEY = (
    "The key {key} of the bucket {bucket} is damaged, so it is not known what was sent. Remove it with "
    "`nats kv del {bucket} {key}`: then the results of the last 30 days are counted in instead."
)


class NotedEvent(NamedTuple):
    """What was written of an event that is not finished."""

    progress: str | None
    digest: str | None
    tried_at: float | None
    reports: EventReports = NO_REPORTS
    attempts: str | None = None


class StreamPosition:
    """What of a partition is finished for one connection.

    `read_to` is the sequence of the last pack that was read, stored at `read_at` (0 if not known), `results` that of
    the last results message that is counted in, `attempt` the highest number of a request; `stream` says of which
    stream of events all of it is. Memory: about 200 bytes for each pack with open events, and what was noted of those
    that were tried; `FairQueue` stops reading at 100,000 events.
    """

    def __init__(self, stream: str = "") -> None:
        self.stream = stream
        self.results = 0
        self.read_to = 0
        self.read_at = 0.0
        self.attempt = 0
        self.count = 0
        self._another = False
        self._open: dict[int, int] = {}
        self._sequences: list[int] = []
        self._ahead: dict[int, int] = {}
        self._noted: dict[int, NotedEvent] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamPosition) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def read(self, sequence: int, events: int, at: float = 0.0) -> int:
        """Go on behind a pack, stored at a time, of which these events (bits) concern the connection.

        Return those that are not finished.
        """
        if sequence <= self.read_to:
            return self._open.get(sequence, 0)
        self.read_to, self.read_at = sequence, at
        left = events & ~self._ahead.pop(sequence, 0)
        if left:
            self._open[sequence] = left
            self._sequences.append(sequence)
            self.count += left.bit_count()
        return left

    def apply(self, sequence: int, batch: ResultBatch) -> None:
        """Count in a results message, unless it is in already."""
        if sequence <= self.results:
            return
        self.results = sequence
        if batch.takeover:
            self._another = bool(self.stream and batch.stream and batch.stream != self.stream)
        if self._another:  # the numbers are those of a stream that is no longer there
            return
        self.attempt = max([self.attempt, *(each.number for each in batch.attempts)])
        for change in batch.changes:
            self._change(change)

    def _change(self, change: Change) -> None:
        number = change.place
        if change.outcome is not Outcome.WAITING:
            self._finish(number)
        elif number in self or self._may_come(number):
            before = self._noted.get(number)
            attempts = change.attempts if change.attempts is not None or before is None else before.attempts
            self._noted[number] = NotedEvent(change.progress, change.digest, change.tried_at, change.reports, attempts)

    def _finish(self, number: int) -> None:
        sequence, index = place_of(number)
        self._noted.pop(number, None)
        if sequence > self.read_to:
            self._ahead[sequence] = self._ahead.get(sequence, 0) | 1 << index
        elif number in self:
            self.count -= 1
            self._open[sequence] &= ~(1 << index)
            if not self._open[sequence]:
                self._remove(sequence)

    @property
    def known_to(self) -> int:
        """Return the highest sequence of a pack of which anything is known."""
        noted = (place_of(number)[0] for number in self._noted)
        return max(self.read_to, *self._ahead, *noted) if self._ahead or self._noted else self.read_to

    def cut(self, last: int) -> None:
        """Forget what is behind the end of the stream: its packs were lost, and others will have their sequences."""
        if self.read_to > last:
            self.read_to, self.read_at = last, 0.0
        self._ahead = {sequence: bits for sequence, bits in self._ahead.items() if sequence <= last}
        self._noted = {number: each for number, each in self._noted.items() if place_of(number)[0] <= last}
        for sequence in [each for each in self._sequences if each > last]:
            self.count -= self._open[sequence].bit_count()
            self._remove(sequence)

    def gone(self, sequence: int) -> None:
        """Forget a pack that is no longer in the stream."""
        left = self._open.get(sequence, 0)
        if left:
            self.count -= left.bit_count()
            self._remove(sequence)
            for index in range(NUMBERS_A_PACK):
                self._noted.pop(number_of(sequence, index), None)

    def _remove(self, sequence: int) -> None:
        del self._open[sequence]
        del self._sequences[bisect_left(self._sequences, sequence)]

    def _may_come(self, number: int) -> bool:
        sequence, index = place_of(number)
        return sequence > self.read_to and not self._ahead.get(sequence, 0) >> index & 1

    def __contains__(self, number: int) -> bool:
        """Whether an event was read and is not finished."""
        sequence, index = place_of(number)
        return bool(self._open.get(sequence, 0) >> index & 1)

    def noted(self, number: int) -> NotedEvent | None:
        """Return what was written of an event that is not finished, None if nothing was."""
        return self._noted.get(number)

    def open_after(self, number: int, limit: int) -> list[int]:
        """Return the numbers of the next events that were read and are not finished."""
        return list(islice(self._after(number), limit))

    def _after(self, number: int) -> Iterator[int]:
        sequence, index = place_of(number)
        for at in range(bisect_left(self._sequences, sequence), len(self._sequences)):
            found = self._sequences[at]
            bits = self._open[found]
            first = index + 1 if found == sequence else 0
            yield from (number_of(found, each) for each in range(first, NUMBERS_A_PACK) if bits >> each & 1)

    @property
    def oldest(self) -> int | None:
        """Return the sequence of the first pack that has an open event."""
        return self._sequences[0] if self._sequences else None

    def _state(self) -> dict[str, Any]:
        ahead = {sequence: bits for sequence, bits in self._ahead.items() if sequence > self.read_to}
        noted = {
            number: each for number, each in self._noted.items() if number in self or place_of(number)[0] > self.read_to
        }
        return {
            "stream": self.stream,
            "another": self._another,
            "results": self.results,
            "read_to": self.read_to,
            "read_at": self.read_at,
            "attempt": self.attempt,
            "open": _packed(self._open),
            "ahead": _packed(ahead),
            "noted": [[number, *_noted_line(noted[number])] for number in sorted(noted)],
        }

    def encode(self) -> bytes:
        """Return the position as the shared state keeps it: JSON, compressed (10,000 open packs take some 100 KB).

        Raise MessageTooLarge for one that nobody would read.
        """
        plain = orjson.dumps(self._state())
        if len(plain) > MOST_DECODED:
            raise MessageTooLarge(f"A position has {len(plain):,} bytes, more than {MOST_DECODED:,}.")
        return zlib.compress(plain, 1)

    @classmethod
    def of(cls, message: StreamMessage | None) -> StreamPosition:
        """Return the position of a key, a new one where there is none; raise OutboxError that names a damaged key."""
        if message is None or not message.data:
            return cls()
        try:
            return cls.decode(message.data)
        except DamagedPack as error:
            _, bucket, key = message.subject.split(".", 2)
            raise OutboxError(DAMAGED_KEY.format(bucket=bucket, key=key)) from error

    @classmethod
    def decode(cls, data: bytes) -> StreamPosition:
        """Return the position of some bytes; raise DamagedPack for others."""
        try:
            given = orjson.loads(zlib.decompressobj().decompress(data, MOST_DECODED))
            found = cls(str(given["stream"]))
            found.results, found.read_to, found.attempt = map(whole, map(given.get, NUMBERS))
            found.read_at = moment(given["read_at"])
            found._another = given["another"] is True
            found._open = dict(_unpacked(given["open"]))
            found._sequences = list(found._open)
            found._ahead = dict(_unpacked(given["ahead"]))
            found._check_order()
            found._noted = {whole(number): _noted_of(line) for number, *line in given["noted"]}
            found.count = sum(bits.bit_count() for bits in found._open.values())
        except (zlib.error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedPack(NO_POSITION) from error
        return found

    def _check_order(self) -> None:
        if max(self._open, default=0) > self.read_to or min(self._ahead, default=MOST_NUMBER) <= self.read_to:
            raise ValueError("what was read and what was not overlap")


def _packed(bits: dict[int, int]) -> list[tuple[int, str]]:
    """Return each sequence as its distance to the one before, which compresses well, and its bits."""
    found, before = [], 0
    for sequence in sorted(bits):
        found.append((sequence - before, f"{bits[sequence]:x}"))
        before = sequence
    return found


def _unpacked(pairs: list[Any]) -> Iterator[tuple[int, int]]:
    sequence = 0
    for distance, text in pairs:
        bits = int(text, 16)
        if whole(distance) == 0 or not 0 < bits < 1 << NUMBERS_A_PACK:
            raise ValueError("not in order")
        sequence += distance
        yield sequence, bits


def _noted_line(noted: NotedEvent) -> list[Any]:
    return [noted.progress, noted.digest, noted.tried_at, as_text(noted.reports), noted.attempts]


def _noted_of(line: list[Any]) -> NotedEvent:
    progress, digest, tried_at, reports, attempts = line
    if not all(each is None or isinstance(each, str) for each in (progress, digest, reports, attempts)):
        raise TypeError("not a text")
    AttemptNumbers.of(attempts)
    return NotedEvent(progress, digest, None if tried_at is None else moment(tried_at), from_text(reports), attempts)
