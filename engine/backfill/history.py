"""What Spark's tasks do with rows of history: each becomes an event that is counted, or one that is ready to be fed.

Arrow batches in, Arrow batches out; no Spark in here.  A row that cannot be used is counted with its file, its row and
the reason, and never stops the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import unquote

import orjson

from engine.backfill.counts import ConnectionCounts, Counts, count_reason
from engine.collector.discards import Discard
from engine.collector.shaping import event_of_line
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.intake import own_id
from engine.delivery.outbox.base import NewEvent
from engine.delivery.sending.outgoing import DryRunner
from engine.events.json_repairs import read_repaired
from engine.events.normalizing import Normalized, normalize_parsed
from engine.events.reading import EventReader
from engine.events.splitting import LIMIT, Line
from engine.language.times import read_time
from engine.records import Json, JsonObject, Outcome, Secrets
from engine.spark.batches import read_row
from engine.spark.jobs import PlanJob, connected
from engine.stream.partitions import partition_key, partition_of

if TYPE_CHECKING:
    import pyarrow as pa

LINES, DOCUMENTS, COLUMNS, ARCHIVED = "lines", "documents", "columns", "archived"
"""What a row is: one line of a file, a whole file, an event in columns, or one in those of an archive."""

OTHER = "other"
"""The column of an archive that has what no other column of it can hold, as a JSON object."""

TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
"""Where the time of an event is, the first that is one."""

ZONELESS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.,]+")
OUT_BYTES = 16 * 1024 * 1024
"""Bytes of events in a batch that goes back to Spark, unless one event has more."""

MOST_REASON = 300
"""Characters of a reason that are kept."""

MOST_HASHES = 10_000
MOST_MASKED = 1000
"""Reasons of which the masked text is kept."""

UNREADABLE = "not readable as JSON"
COUNTED = (("identity", "bigint"), ("content", "bigint"), ("person", "bigint"), ("counts", "string"))
SHARDED = (
    ("shard", "int"),
    ("at", "double"),
    ("file", "string"),
    ("block", "bigint"),
    ("row", "bigint"),
    ("identity", "string"),
    ("own", "boolean"),
    ("raw", "binary"),
    ("reports", "string"),
)
"""Columns of what goes back to Spark, with its types."""

READ_FIRST = ("file", "block")
"""Columns before those of the events: the address of the file, and the byte at which this part of it begins."""


class JobConnection(NamedTuple):
    """A connection as it goes to executors."""

    job: PlanJob
    calls: frozenset[str] | None
    when: str | None


class HistoryJob(NamedTuple):
    """What tasks have to know; `since` is the first moment, `until` the one behind the last, in Unix seconds."""

    source: str
    received_at: str
    now: float
    since: float | None = None
    until: float | None = None
    partition_by: str | None = None
    connections: tuple[JobConnection, ...] = ()


class HistoryRow(NamedTuple):
    """One JSON value of a file, or what is wrong with it; `row` counts from 1 behind the byte `block`."""

    file: str
    block: int
    row: int
    line: Line

    @property
    def place(self) -> str:
        """Return where it is, for people."""
        behind = f" behind byte {self.block}" if self.block else ""
        return f"{self.file}:{self.row}{behind}"


class HistoryEvent(NamedTuple):
    """An event that is fed: `at` in Unix seconds, None without a time; `own` is whether its messageId is its own.

    `identity` is its messageId, else a hash of its source and its bytes: of equal events, all but one get a number.
    """

    row: HistoryRow
    at: float | None
    identity: str
    own: bool
    event: NewEvent
    value: JsonObject


class RowReader:
    """Reads the rows of the batches of one task, and knows which row of its file each is."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._part: tuple[str, int] = ("", 0)
        self._row = 0
        self._shown = ""

    def rows(self, batch: pa.RecordBatch) -> Iterator[HistoryRow]:
        """Yield what is in a batch; blank lines are counted as rows and left out."""
        files, blocks = (batch.column(name).to_pylist() for name in READ_FIRST)
        columns = [column.to_pylist() for column in batch.columns[len(READ_FIRST) :]]
        names = batch.schema.names[len(READ_FIRST) + 1 :]
        for file, block, raw, *parts in zip(files, blocks, *columns, strict=True):
            if (file, block) != self._part:
                self._part, self._row, self._shown = (file, block), 0, shown_file(file)
            self._row += 1
            if self._kind == DOCUMENTS:
                for line in EventReader(BytesIO(raw), self._shown, owned=True):
                    yield HistoryRow(self._shown, block, line.line, line)
                continue
            given = [(name, text) for name, text in zip(names, parts, strict=True) if text]
            found = _line(self._shown, self._row, _bytes(raw), [(name, _bytes(text) or b"") for name, text in given])
            if found is not None:
                yield HistoryRow(self._shown, block, self._row, found)


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def shown_file(address: str) -> str:
    """Return the address of a file as people write it: a path, for one of this machine."""
    scheme, colon, path = address.partition(":")
    return "/" + unquote(path).lstrip("/") if colon and scheme == "file" else unquote(address)


def _line(file: str, row: int, raw: bytes | None, parts: Sequence[tuple[str, bytes]]) -> Line | None:
    """Return one row as it was read; None for a blank line, and for a row without anything."""
    given = dict(parts)
    if OTHER in given:
        raw, parts = _with_fields(raw, given.pop(OTHER)), tuple(given.items())
    if parts:
        read = read_row(raw, tuple(parts), None, None)
        if read.value is None:
            return Line(file, row, 0, None, read.normalized.invalid or "no event")
        return Line(file, row, 0, orjson.dumps(read.value), None, read.value)
    if raw is None or not raw.strip():
        return None
    if len(raw) > LIMIT:
        return Line(file, row, 0, None, f"longer than {LIMIT:,} bytes, the limit for an event")
    raw = raw.strip(b" \t\r\n")
    try:
        return Line(file, row, 0, raw, None, orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        repaired = read_repaired(raw)
        if repaired is None:
            return Line(file, row, 0, None, f"not JSON: {error.msg} (column {error.colno})")
        value, raw, reports = repaired
        return Line(file, row, 0, raw, None, value, tuple(reports))


def _with_fields(raw: bytes | None, other: bytes) -> bytes:
    """Return the JSON of an event with the fields of another object behind its own."""
    members = [text.strip()[1:-1] for text in (raw or b"", other)]
    return b"{%b}" % b",".join(each for each in members if each.strip())


def history_events(rows: Iterable[HistoryRow], job: HistoryJob, counts: Counts) -> Iterator[HistoryEvent]:
    """Yield the events of rows; count those that are outside of the time that is wanted, and those that are none."""
    for row in rows:
        line = row.line
        if line.error is not None:
            reason = line.error.removeprefix(f"{line.file}:")
            counts.unusable_row(row.place, reason[:MOST_REASON], UNREADABLE)
            continue
        found = event_of_line(line, job.source, "", job.received_at)
        if isinstance(found, Discard):
            counts.unusable_row(row.place, f"{found.reason[:MOST_REASON]} ({found.code})", found.code)
            continue
        value = cast("JsonObject", line.value)
        at = time_of(value, counts)
        if _is_outside(at, job):
            counts.outside += 1
            continue
        own = own_id(value)
        derived = blake2b(b"%b\0%b" % (job.source.encode(), found.raw), digest_size=16).hexdigest()
        yield HistoryEvent(row, at, own or f"derived-{derived}", own is not None, found, value)


def time_of(value: JsonObject, counts: Counts) -> float | None:
    """Return the time of an event in Unix seconds; None without one."""
    for name in TIMES:
        at = read_time(value.get(name))
        if at is not None:
            text = value[name]
            if isinstance(text, str) and text[-1:] != "Z" and ZONELESS.fullmatch(text):
                counts.zoneless += 1
            return at
    return None


def _is_outside(at: float | None, job: HistoryJob) -> bool:
    if job.since is None and job.until is None:
        return False
    return at is None or (job.since is not None and at < job.since) or (job.until is not None and at >= job.until)


def count_batches(batches: Iterable[pa.RecordBatch], job: HistoryJob, kind: str) -> Iterator[pa.RecordBatch]:
    """Yield hashes of each event: of its own messageId or of its content, and of its user; last, all counts as JSON."""
    reader, counts = RowReader(kind), Counts()
    planners = [_Planner(each, job) for each in job.connections]
    for batch in batches:
        hashes: list[tuple[int | None, int | None, int | None]] = []
        for each in history_events(reader.rows(batch), job, counts):
            counts.event(len(each.event.raw), each.at)
            normalized = _normalized(each, job)
            for planner in planners:
                planner.count(normalized)
            person = _hash(partition_key(each.value, job.partition_by) or each.identity)
            identity = _hash(each.identity)
            hashes.append((identity, None, person) if each.own else (None, identity, person))
            if len(hashes) >= MOST_HASHES:
                yield _hash_batch(hashes)
                hashes = []
        yield _hash_batch(hashes)
    counts.connections = {planner.name: planner.counts for planner in planners}
    yield _hash_batch([(None, None, None)], orjson.dumps(counts).decode())


def _hash_batch(
    hashes: Sequence[tuple[int | None, int | None, int | None]], counts: str | None = None
) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [pa.array([each[number] for each in hashes], pa.int64()) for number in range(3)]
    columns.append(pa.array([counts] * len(hashes), pa.string()))
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in COUNTED])


def _hash(text: str) -> int:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _normalized(each: HistoryEvent, job: HistoryJob) -> Normalized:
    raw = each.event.raw
    value: Json = each.value if raw is each.row.line.raw else orjson.loads(raw)
    return normalize_parsed(value, raw, received_at=job.received_at, now=job.now)


class _Planner:
    """Plans events for one connection, as delivery does, and counts what becomes of them."""

    def __init__(self, each: JobConnection, job: HistoryJob) -> None:
        connection = connected(each.job)
        self.name, self._now = each.job.connection, job.now
        self.counts = ConnectionCounts()
        self._configured = ConfiguredConnection(name=self.name, connection=connection, calls=each.calls, when=each.when)
        self._dry_run = DryRunner(self._configured).run
        self._mask = lru_cache(MOST_MASKED)(Secrets(connection.secrets).mask)

    def count(self, normalized: Normalized) -> None:
        """Plan an event and count its outcome, its requests, or the reason why there are none."""
        counts, unwanted = self.counts, None
        if normalized.invalid is None:
            unwanted = self._configured.unwanted(cast("str", normalized.call), normalized.event)
        if unwanted is not None:
            self._without_requests(Outcome.IGNORED, unwanted)
            return
        plan = self._configured.connection.plan_normalized(normalized, now=self._now)
        plan = self._dry_run(plan, self._now).plan
        if plan.outcome is not Outcome.PLANNED:
            self._without_requests(plan.outcome, plan.reason)
            return
        counts.outcomes[Outcome.PLANNED.value] += 1
        for request in plan.requests:
            if request.batch is None:
                counts.requests += 1
            else:
                counts.items[request.batch] += 1

    def _without_requests(self, outcome: Outcome, reason: str) -> None:
        self.counts.outcomes[outcome.value] += 1
        count_reason(self.counts.reasons, f"{outcome}: {self._mask(reason)[:MOST_REASON]}")


def shard_batches(
    batches: Iterable[pa.RecordBatch], job: HistoryJob, kind: str, shards: int
) -> Iterator[pa.RecordBatch]:
    """Yield each event with its shard, and what it is sorted by."""
    reader, counts = RowReader(kind), Counts()
    rows: list[tuple[object, ...]] = []
    size = 0
    for batch in batches:
        for each in history_events(reader.rows(batch), job, counts):
            rows.append(_sharded(each, job, shards))
            size += len(each.event.raw)
            if size >= OUT_BYTES:
                yield _shard_batch(rows)
                rows, size = [], 0
        if rows:
            yield _shard_batch(rows)
            rows, size = [], 0


def _sharded(each: HistoryEvent, job: HistoryJob, shards: int) -> tuple[object, ...]:
    row, reports = each.row, each.event.reports
    shard = partition_of(each.value, shards, job.partition_by, each.identity)
    kept = orjson.dumps([list(report) for report in reports]).decode() if reports else None
    return shard, each.at, row.file, row.block, row.row, each.identity, each.own, each.event.raw, kept


def _shard_batch(rows: Sequence[Sequence[object]]) -> pa.RecordBatch:
    import pyarrow as pa

    types = {"int": pa.int32(), "double": pa.float64(), "string": pa.string(), "bigint": pa.int64()}
    types |= {"boolean": pa.bool_(), "binary": pa.binary()}
    columns = [
        pa.array(column, types[kind]) for column, (_, kind) in zip(zip(*rows, strict=True), SHARDED, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in SHARDED])
