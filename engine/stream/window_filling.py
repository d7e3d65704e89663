"""Fills a partition's window of duplicates when it is taken over, and publishes segments for who takes it over next.

Segments are taken as bytes; what lies between them, and behind the last, is read from the headers of the events. Any
segment may be missing, damaged, or of a newer release: that costs the reading and changes no answer. Those that say
something else than the stream, because it has lost its end, are removed: the last one shows that.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.delivery.outbox.base import WINDOW, OutboxError
from engine.stream.client import HEADER_ROOM, StreamMessage
from engine.stream.duplicates import DuplicateWindow
from engine.stream.errors import DamagedPack, SequenceConflict, UnknownFormat
from engine.stream.layout import Layout
from engine.stream.pack_reader import PackReader
from engine.stream.segments import (
    COUNTS_BYTES,
    ID_BYTES,
    SEGMENT_IDS,
    SeenSegment,
    decode_segment,
    encode_segment,
    milliseconds,
)

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

CLOCK_STEP = 300.0
"""Seconds by which the clocks of two servers may differ, for the start of the window of duplicates."""
SEGMENTS_AT_ONCE = 8
PUBLISH_SECONDS = 2.0
"""For how long a segment is tried to be published: without it, its packs are read from headers."""
LONG = 1.0
"""Seconds of filling that are worth a line in the log."""

logger = logging.getLogger("waybill.delivery")


class FilledWindow:
    """The window of a partition, and where it comes from; not for the client's thread."""

    def __init__(self, client: StreamClient, layout: Layout, partition: int, reader: PackReader) -> None:
        self._client, self._layout, self._partition = client, layout, partition
        self._subject = layout.seen_subject(partition)
        self.reader = reader
        self.window = DuplicateWindow()
        self._segments: deque[SeenSegment] = deque()
        self._read_to, self._more = 0, False
        self._last, self._published_to = 0, 0
        self._stream = ""
        self._began, self._taken, self._packs = 0.0, 0, 0

    def reaches(self, at: float, upto: int, stream: str, ends: float) -> bool:
        """Have the window begin 24 hours before a time, and reach up to a pack; False if there is more to read.

        `stream` is when the stream of events was made; reading goes on until `ends`, by `time.monotonic`. The replica
        that answers may lag: only when it has a later pack is it sure that nothing before it is missing.
        """
        window = self.window
        if window.since is None or window.since > at - WINDOW or stream != self._stream:
            self._begin(at - WINDOW - CLOCK_STEP, stream)
        while window.reach < upto:
            if not self._go_on(upto) or (window.reach < upto and time.monotonic() > ends):
                return False
        self._report()
        return True

    def _begin(self, since: float, stream: str) -> None:
        self._began, self._taken, self._packs = time.monotonic(), 0, 0
        self._stream = stream
        after = self._client.call(self.reader.sequence_before(since))
        room = self._client.max_payload - HEADER_ROOM - COUNTS_BYTES
        self.window.most = max(1, min(SEGMENT_IDS, room * 9 // 10 // ID_BYTES))
        self.window.begin(since, after)
        self._segments.clear()
        self._read_to, self._more = 0, self._check_last()

    def _check_last(self) -> bool:
        """Return whether the segments can be believed: whoever wrote the last one had checked those before it."""
        last = self._client.call(self._client.last(self._layout.seen, self._subject))
        segment = None if last is None else self._decoded(last)
        self._last, self._published_to = (0 if last is None else last.seq), 0
        if segment is None:
            return False
        stored_at = self._client.call(self.reader.stored_at(segment.upto))
        if stored_at is None or milliseconds(stored_at) != segment.at:
            logger.warning("ids removed", extra={"fields": {"partition": self._partition, "reason": OTHER_STREAM}})
            purge = self._client.api(f"STREAM.PURGE.{self._layout.seen}", {"filter": self._subject})
            self._client.call(purge)
            self._last = 0
            return False
        self._published_to = segment.upto
        return True

    def _go_on(self, upto: int) -> bool:
        """Take a segment or read some headers; return whether there was any progress."""
        window, segment = self.window, self._next()
        if segment is not None and segment.after <= window.reach:
            window.take(segment)
            self._taken += 1
            return True
        stop, before = (upto if segment is None else min(segment.after, upto)), window.reach
        found = self.reader.headers(window.since or 0.0, before)
        window.add([each for each in found if each.sequence <= stop])
        if found and found[-1].sequence > stop:  # so this replica has all that is before
            window.reached(stop)
        self._packs += len(found)
        self.publish()
        return window.reach > before

    def _next(self) -> SeenSegment | None:
        """Return the next segment that reaches behind the window, None if there is none."""
        while True:
            while self._segments and self._segments[0].upto <= self.window.reach:
                self._segments.popleft()
            if self._segments or not self._more:
                return self._segments[0] if self._segments else None
            reading = self._client.read(self._layout.seen, self._subject, self._read_to, SEGMENTS_AT_ONCE)
            messages = self._client.call(reading)
            self._more = bool(messages)
            for each in messages:
                self._read_to = each.seq
                segment = self._decoded(each)
                if segment is not None:
                    self._segments.append(segment)

    def _decoded(self, message: StreamMessage) -> SeenSegment | None:
        try:
            return decode_segment(message.headers, message.data, self._stream)
        except (DamagedPack, UnknownFormat) as error:
            fields = {"partition": self._partition, "sequence": message.seq, "reason": str(error)}
            logger.warning("ids not read", extra={"fields": fields})
            return None

    def publish(self) -> None:
        """Publish the segments that were made here, for whoever takes the partition over; errors change nothing.

        Segments end farther and farther, so that the last one is of the latest packs.
        """
        early = milliseconds(self._client.time() - WINDOW)
        while self.window.unpublished:
            segment = self.window.unpublished.popleft()
            if segment.upto > self._published_to and segment.latest >= early:
                with suppress(OutboxError):
                    self._publish(segment)

    def _publish(self, segment: SeenSegment) -> None:
        headers, body = encode_segment(segment, self._stream)
        publishing = self._client.publish(self._subject, body, headers, expect=self._last, patience=PUBLISH_SECONDS)
        try:
            self._last = self._client.call(publishing)
        except SequenceConflict:  # another process delivers the partition, or did
            last = self._client.call(self._client.last(self._layout.seen, self._subject))
            other = None if last is None else self._decoded(last)
            self._last = 0 if last is None else last.seq
            self._published_to = max(self._published_to, 0 if other is None else other.upto)
        else:
            self._published_to = segment.upto

    def _report(self) -> None:
        """Log how long it took until the window reached where delivery begins, if that was long."""
        if self._began and (seconds := time.monotonic() - self._began) > LONG:
            fields = {
                "partition": self._partition,
                "seconds": round(seconds, 1),
                "segments": self._taken,
                "packs": self._packs,
            }
            logger.info("ids of 24 hours read", extra={"fields": fields})
        self._began = 0.0

    def close(self) -> None:
        """Remove the temporary file."""
        self.window.close()


OTHER_STREAM = (
    "the events stream has lost its end, or was replaced by an older copy; its headers are read instead of what was "
    "kept of them"
)
