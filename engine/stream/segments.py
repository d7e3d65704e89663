"""Segments: what one message of the stream NAME_seen holds: the ids of a stretch of a partition, to be looked up. Pure.

    headers  Waybill-Format: 1
    body     one line of JSON {stream, after, upto, at, base, latest, receivers, check}, then how many digests begin
             with each 12 bits (2 bytes each, little-endian), all digests in order (8 bytes each), and of each digest
             where it was first and when last (12 bytes each)

Whoever delivers a partition publishes them, and whoever takes it over takes them as bytes, instead of reading the
headers of 24 hours. They only repeat what the events stream says: without them, the same is read from there.

Of the events with the same digest and the same receivers, a segment keeps the lowest number and the latest time. That
says all: who asks about an event behind the segment needs the latest time, and who asks about one within it needs the
lowest number, because a segment is far shorter than the window.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from struct import Struct
from sys import byteorder
from typing import Any, NamedTuple, TypeAlias

import orjson

from engine.stream.errors import DamagedPack
from engine.stream.packs import DIGEST_BYTES, FORMAT, FORMAT_HEADER, check_format

SEGMENT_IDS = 25_000
"""Ids of a segment at most: a message of 512 KB."""
SEGMENT_SECONDS = 600
"""Seconds between the packs of a segment at most."""
MOST_RECEIVERS = 256
"""Sets of connections in a segment at most."""
BUCKETS = 4096
COUNTS_BYTES = 2 * BUCKETS
REST = Struct(">QI")
"""The sequence (6 bytes), the place in the pack, the receivers as an index into the segment's; milliseconds since its
base."""
ID_BYTES = DIGEST_BYTES + REST.size
SCANNED = 8192
"""Ids of a bucket that are looked through at a time."""
NO_SEGMENT = "A message of the stream is no segment of ids."

Data: TypeAlias = Any
"""What gives bytes for a slice: bytes, or a mapped file."""


class PackIds(NamedTuple):
    """What the window has of a pack: the digests of its events, and which connections they concern.

    `at` is when it was stored, in unix seconds of whole milliseconds.
    """

    sequence: int
    at: float
    digests: Sequence[bytes]
    connections: frozenset[str]
    again: bool = False


class Asked(NamedTuple):
    """An event that is looked for: its bit in the answer, its digest and bucket, its sequence * 256 + its index."""

    bit: int
    digest: bytes
    bucket: int
    place: int


def asked_of(pack: PackIds) -> list[Asked]:
    """Return the events of a pack as they are looked for."""
    place = pack.sequence << 8
    return [Asked(1 << at, each, _bucket(each), place | at) for at, each in enumerate(pack.digests)]


def _bucket(digest: bytes) -> int:
    return digest[0] << 4 | digest[1] >> 4


class SeenSegment(NamedTuple):
    """The ids of all packs of a partition behind `after` up to `upto`, which is the last one, stored at `at`.

    Times are unix milliseconds; none of an id is before `base` or after `latest`. `counts` are by bucket.
    """

    after: int
    upto: int
    at: int
    base: int
    latest: int
    receivers: tuple[frozenset[str], ...]
    counts: array[int]
    digests: bytes
    rest: bytes


class SegmentBuilder:
    """A segment that is being filled with the packs behind a sequence; about 250 bytes of memory an id."""

    def __init__(self, after: int, most: int = SEGMENT_IDS) -> None:
        self.after, self.upto, self.at = after, 0, 0
        self._most, self._count = most, 0
        self._first = self.latest = 0
        self._tables: dict[frozenset[str], dict[bytes, tuple[int, int]]] = {}

    def fits(self, pack: PackIds) -> bool:
        """Return whether a pack fits in behind the others."""
        if not self.upto:
            return True
        at = milliseconds(pack.at)
        span = max(self.latest, at) - min(self._first, at)
        few = pack.connections in self._tables or len(self._tables) < MOST_RECEIVERS
        return span <= SEGMENT_SECONDS * 1000 and self._count + len(pack.digests) <= self._most and few

    def add(self, pack: PackIds) -> None:
        """Add the next pack."""
        at = milliseconds(pack.at)
        self._first = min(self._first, at) if self.upto else at
        self.latest = max(self.latest, at)
        self.upto, self.at = pack.sequence, at
        if pack.again:
            return
        table = self._tables.setdefault(pack.connections, {})
        before = len(table)
        place = pack.sequence << 8
        for index, digest in enumerate(pack.digests):
            known = table.get(digest)
            table[digest] = (place | index, at) if known is None else (known[0], max(known[1], at))
        self._count += len(table) - before

    def found(self, wanted: Sequence[Asked], since: int, connection: str) -> int:
        """Return as bits which of these events are there with a lower place, not before a time, for a connection."""
        bits = 0
        for receivers, table in self._tables.items():
            if connection in receivers:
                for asked in wanted:
                    known = table.get(asked.digest)
                    if known is not None and known[0] < asked.place and known[1] >= since:
                        bits |= asked.bit
        return bits

    def closed(self) -> SeenSegment:
        """Return what was added, which is one pack at least."""
        rows = [
            (digest, place << 8 | number, at - self._first)
            for number, table in enumerate(self._tables.values())
            for digest, (place, at) in table.items()
        ]
        rows.sort()
        counts = [0] * BUCKETS
        for digest, _, _ in rows:
            counts[_bucket(digest)] += 1
        digests = b"".join([digest for digest, _, _ in rows])
        rest = b"".join([REST.pack(place, offset) for _, place, offset in rows])
        receivers = tuple(self._tables)
        return SeenSegment(
            self.after, self.upto, self.at, self._first, self.latest, receivers, array("H", counts), digests, rest
        )


class SegmentRun:
    """One or more segments, each behind the one before, in one place; `data` has all their digests, then the rest."""

    def __init__(self, segments: Sequence[SeenSegment], starts: array[int], data: Data, offset: int = 0) -> None:
        self.latest = max(each.latest for each in segments)
        self.data = data
        self._uptos = [each.upto for each in segments]
        self._tables = [(each.base, each.receivers) for each in segments]
        self._starts, self._digests = starts, offset
        self._rest = offset + DIGEST_BYTES * starts[BUCKETS]

    @classmethod
    def of(cls, segment: SeenSegment) -> SegmentRun:
        """Return the run of one segment."""
        return cls([segment], array("I", accumulate(segment.counts, initial=0)), segment.digests + segment.rest)

    def found(self, wanted: Sequence[Asked], since: int, connection: str) -> int:
        """Return as bits which of these events are there with a lower place, not before a time, for a connection."""
        starts, data, base, bits = self._starts, self.data, self._digests, 0
        for asked in wanted:
            _, digest, bucket, _ = asked
            start, stop = starts[bucket], starts[bucket + 1]
            if (
                start != stop
                and (stop - start > SCANNED or digest in data[base + DIGEST_BYTES * start : base + DIGEST_BYTES * stop])
                and self._has(asked, start, stop, since, connection)
            ):
                bits |= asked.bit
        return bits

    def _has(self, asked: Asked, start: int, stop: int, since: int, connection: str) -> bool:
        digest = asked.digest
        while start < stop:
            first = max(start, stop - SCANNED)
            part = self.data[self._digests + DIGEST_BYTES * first : self._digests + DIGEST_BYTES * stop]
            at = part.rfind(digest)
            while at >= 0:
                if at % DIGEST_BYTES == 0 and self._fits(first + at // DIGEST_BYTES, asked.place, since, connection):
                    return True
                at = part.rfind(digest, 0, at + DIGEST_BYTES - 1)
            stop = first
        return False

    def _fits(self, number: int, place: int, since: int, connection: str) -> bool:
        begin = self._rest + REST.size * number
        found, offset = REST.unpack(self.data[begin : begin + REST.size])
        if found >> 8 >= place:
            return False
        base, receivers = self._tables[bisect_left(self._uptos, found >> 16)]
        return base + offset >= since and connection in receivers[found & 0xFF]


def merged(segments: Sequence[SeenSegment]) -> tuple[array[int], bytes]:
    """Return the starts and the data of a run of several segments, each of which begins behind the one before."""
    counts = [sum(column) for column in zip(*(each.counts for each in segments), strict=True)]
    digests: list[bytes] = []
    rest: list[bytes] = []
    spots = [0] * len(segments)
    parts = [(number, each.counts, each.digests, each.rest) for number, each in enumerate(segments)]
    for bucket in range(BUCKETS):
        for number, its, its_digests, its_rest in parts:
            count = its[bucket]
            if count:
                begin = spots[number]
                spots[number] = end = begin + count
                digests.append(its_digests[DIGEST_BYTES * begin : DIGEST_BYTES * end])
                rest.append(its_rest[REST.size * begin : REST.size * end])
    return array("I", accumulate(counts, initial=0)), b"".join([*digests, *rest])


def encode_segment(segment: SeenSegment, stream: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a segment's message; `stream` is when the stream of events was made."""
    data = _little(segment.counts).tobytes() + segment.digests + segment.rest
    line = {
        "stream": stream,
        **{key: getattr(segment, key) for key in ("after", "upto", "at", "base", "latest")},
        "receivers": [sorted(each) for each in segment.receivers],
        "check": zlib.crc32(data),
    }
    return {FORMAT_HEADER: FORMAT}, orjson.dumps(line) + b"\n" + data


def decode_segment(headers: Mapping[str, str], body: bytes, stream: str) -> SeenSegment | None:
    """Return the segment of a message; None if it is of another stream of events.

    Raise UnknownFormat for a newer release's, DamagedPack for what is none.
    """
    check_format(headers)
    line, _, data = body.partition(b"\n")
    try:
        given = orjson.loads(line)
        return None if given["stream"] != stream else _segment(given, data)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DamagedPack(NO_SEGMENT) from error


def _segment(given: Mapping[str, Any], data: bytes) -> SeenSegment:
    after, upto, at, base, latest, check = (
        int(given[key]) for key in ("after", "upto", "at", "base", "latest", "check")
    )
    counts = _little(array("H", data[:COUNTS_BYTES]))
    number = sum(counts)
    ends = COUNTS_BYTES + DIGEST_BYTES * number
    receivers = tuple(frozenset(map(str, each)) for each in given["receivers"])
    rest = data[ends:]
    if check != zlib.crc32(data) or len(counts) != BUCKETS or len(rest) != REST.size * number or number > SEGMENT_IDS:
        raise ValueError("other bytes")
    if not 0 <= after < upto or not base <= latest or max(rest[7 :: REST.size], default=-1) >= len(receivers):
        raise ValueError("not in order")
    return SeenSegment(after, upto, at, base, latest, receivers, counts, data[COUNTS_BYTES:ends], rest)


def _little(counts: array[int]) -> array[int]:
    """Return the counts in the order of bytes of the message, or back in this machine's."""
    if byteorder == "big":
        counts = array("H", counts)
        counts.byteswap()
    return counts


def milliseconds(seconds: float) -> int:
    """Return a time in whole milliseconds."""
    return round(seconds * 1000)
