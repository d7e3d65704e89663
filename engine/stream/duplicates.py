"""Which events of a partition are duplicates: a function of the stream alone, so whoever asks gets the same answer.

An event is a duplicate for a connection if one with a lower number that concerned the connection too has its source and
messageId, and came within `WINDOW` before it. What was queued again is none, and makes no other event one. Other than
in a file, duplicates count as well: who resends a messageId every hour is ignored for as long as he does.

The latest packs are in a table; each `SEGMENT_IDS` ids, or ten minutes, become a segment (engine/stream/segments.py).
`MERGED` segments become one run in a temporary file. So the memory of a partition is some 15 MB at most, beside what
the system keeps of the file in its cache: 20 bytes an event of the last 24 hours.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile

from engine.delivery.outbox.base import WINDOW, OutboxError
from engine.stream.segments import (
    SEGMENT_IDS,
    PackIds,
    SeenSegment,
    SegmentBuilder,
    SegmentRun,
    asked_of,
    merged,
    milliseconds,
)

MERGED = 16
"""Segments that become one run in the file."""
SLOT_BYTES = 8 * 1024 * 1024
"""Room of a run in the file: `MERGED` full segments. What is not written of it takes no disk."""
UNPUBLISHED = 16
"""Segments that wait to be published; of more, the oldest are not, and are read from headers at a take-over."""
NO_ROOM = (
    "The window of duplicates cannot be kept in a temporary file ({error}). Make room there, or name another folder "
    "with TMPDIR."
)


class DuplicateWindow:
    """The digests of a partition's events, from one moment on up to the pack `reach`, without a gap.

    `since` is the moment, None before `begin`; `unpublished` are the segments that were made here, of at most `most`
    ids.
    """

    def __init__(self, window: float = WINDOW) -> None:
        self.window = milliseconds(window)
        self.since: float | None = None
        self.reach = 0
        self.most = SEGMENT_IDS
        self.unpublished: deque[SeenSegment] = deque(maxlen=UNPUBLISHED)
        self._builder = SegmentBuilder(0)
        self._few: list[SeenSegment] = []
        self._few_runs: list[SegmentRun] = []
        self._file = RunFile()

    def begin(self, since: float, after: int = 0) -> None:
        """Forget everything; what is added next is the first pack that came since, and stands behind a sequence."""
        self.since, self.reach = since, after
        self.unpublished.clear()
        self._builder = SegmentBuilder(after, self.most)
        self._few, self._few_runs = [], []
        self._file.clear()

    def lose(self) -> None:
        """Forget everything, also the beginning."""
        self.begin(0.0)
        self.since = None

    def add(self, packs: Sequence[PackIds]) -> None:
        """Add packs in the order of the stream; those that are there already change nothing."""
        for pack in packs:
            if pack.sequence > self.reach:
                if not self._builder.fits(pack):
                    self._close()
                self._builder.add(pack)
                self.reach = pack.sequence

    def take(self, segment: SeenSegment) -> None:
        """Add all packs of a segment, which begins where the window ends, or before, and reaches farther."""
        if self._builder.upto:
            self._close()
        self._builder = SegmentBuilder(segment.upto, self.most)
        self._keep(segment)
        self.reach = segment.upto

    def reached(self, sequence: int) -> None:
        """Record that there is no other pack up to a sequence."""
        self.reach = max(self.reach, sequence)

    def _close(self) -> None:
        segment = self._builder.closed()
        self._builder = SegmentBuilder(segment.upto, self.most)
        self.unpublished.append(segment)
        self._keep(segment)

    def _keep(self, segment: SeenSegment) -> None:
        self._few.append(segment)
        self._few_runs.append(SegmentRun.of(segment))
        if len(self._few) >= MERGED:
            count = _in_a_row(self._few)
            self._file.write(self._few[:count])
            del self._few[:count], self._few_runs[:count]

    def duplicates(self, pack: PackIds, connection: str) -> int:
        """Return which events of a pack, as bits, are duplicates for a connection; the pack must have been added."""
        if pack.again:
            return 0
        found, since = 0, milliseconds(pack.at) - self.window
        wanted = asked_of(pack)
        parts: list[SegmentBuilder | SegmentRun] = [self._builder, *self._few_runs, *self._file.runs]
        for part in parts:
            if wanted and part.latest >= since and (bits := part.found(wanted, since, connection)):
                found |= bits
                wanted = [each for each in wanted if not each.bit & bits]
        return found

    def forget(self, before: float) -> None:
        """Remove what came before a time, as far as whole runs did: nobody asks about events so early any more."""
        if self.since is None or before <= self.since:
            return
        early = milliseconds(before)
        gone = self._file.remove(early)
        while self._few and self._few[0].latest < early:
            gone = max(gone, self._few.pop(0).latest)
            del self._few_runs[0]
        self.since = max(self.since, (gone + 1) / 1000)

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


class RunFile:
    """Runs of segments in a temporary file that has no name; it is written to, and read as memory."""

    def __init__(self) -> None:
        self.runs: list[SegmentRun] = []
        self._slots: list[int] = []
        self._free: list[int] = []
        self._count = 0
        self._file: int | None = None
        self._mapped: mmap | None = None

    def write(self, segments: Sequence[SeenSegment]) -> None:
        """Add a run of at most `MERGED` segments, each of which begins behind the one before."""
        starts, data = merged(segments)
        with _errors():
            slot = self._free.pop() if self._free else self._grown()
            self._write(slot * SLOT_BYTES, data)
        self.runs.append(SegmentRun(segments, starts, self._mapped, slot * SLOT_BYTES))
        self._slots.append(slot)

    def _grown(self) -> int:
        """Have room for one more run, and return its number."""
        if self._file is None:
            with TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        self._count += 1
        os.ftruncate(self._file, self._count * SLOT_BYTES)
        before, self._mapped = self._mapped, mmap(self._file, self._count * SLOT_BYTES, access=ACCESS_READ)
        for each in self.runs:
            each.data = self._mapped
        if before is not None:
            before.close()
        return self._count - 1

    def _write(self, at: int, data: bytes) -> None:
        assert self._file is not None
        left = memoryview(data)
        while left:
            written = os.pwrite(self._file, left, at)
            left, at = left[written:], at + written

    def remove(self, early: int) -> int:
        """Remove runs whose ids are all before a time in milliseconds; return the latest of these times, or -1."""
        gone = [number for number, each in enumerate(self.runs) if each.latest < early]
        latest = max((self.runs[number].latest for number in gone), default=-1)
        for number in reversed(gone):
            del self.runs[number]
            self._free.append(self._slots.pop(number))
        return latest

    def clear(self) -> None:
        """Remove all runs."""
        self.runs.clear()
        self._free += self._slots
        self._slots.clear()

    def close(self) -> None:
        """Remove the file."""
        self.runs.clear()
        if self._mapped is not None:
            self._mapped.close()
        if self._file is not None:
            os.close(self._file)
        self._file = self._mapped = None


def _in_a_row(segments: Sequence[SeenSegment]) -> int:
    """Return how many of the first segments begin behind the one before: after an overlap, another run begins."""
    count = 1
    while count < min(len(segments), MERGED) and segments[count].after >= segments[count - 1].upto:
        count += 1
    return count


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxError(NO_ROOM.format(error=error)) from error
