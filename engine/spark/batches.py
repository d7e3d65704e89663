"""Arrow batches of events become Arrow batches of plans, by the code that `engine run` uses.  No Spark in here.

A row is one event, whatever is in it, and becomes one row: what cannot be read is an invalid event with a reason, as
a job of a billion rows cannot stop at one.  What is wrong with the whole job (its settings here) raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import orjson

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.outgoing import DryRun, DryRunner
from engine.events.json_repairs import read_repaired
from engine.events.normalizing import Normalized, normalize_parsed
from engine.events.splitting import LIMIT
from engine.records import Json, Report, Secrets
from engine.showing.masking import Masking, masked_plan
from engine.spark.jobs import PlanJob, connected
from engine.spark.results import NAMES, PlannedRows

if TYPE_CHECKING:
    import pyarrow as pa

Parts: TypeAlias = Sequence[tuple[str, bytes]]
"""Fields of an event as JSON of their own, by name."""

EVENT = "waybill event"
"""The column that has an event as JSON, or all fields of it but those that have a JSON column of their own."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of requests' bodies in one batch, before the rest of the rows goes into the next."""

MOST_REASONS = 1000
"""Reasons of which the masked text is kept."""

NO_ROW = "no event: the row is null"
BLANK = "no event: the row is blank"
TOO_LONG = f"longer than {LIMIT:,} bytes, the limit for an event"


class ReadRow(NamedTuple):
    """One event as it was read, and as mappings see it."""

    value: Json
    normalized: Normalized


class RowPlanner:
    """Plans the rows of one job in this process."""

    def __init__(self, job: PlanJob) -> None:
        self._job = job
        self._connection = connected(job)
        secrets = None if job.shows_secrets else Secrets(self._connection.secrets)
        self._masking = Masking(self._connection, secrets)
        self._mask = None if secrets is None else lru_cache(MOST_REASONS)(secrets.mask)
        self._dry_run = DryRunner(ConfiguredConnection(name=job.connection, connection=self._connection)).run

    def rows(self) -> PlannedRows:
        """Return rows to be filled."""
        return PlannedRows(self._job.connection, self._connection.mapping.name, self._masking)

    def plan(self, raw: bytes | None, parts: Parts = ()) -> tuple[Json, DryRun]:
        """Return an event as it was read, and what it becomes; `parts` are fields that are JSON of their own."""
        job = self._job
        read = read_row(raw, parts, job.received_at, job.now)
        plan = self._connection.plan_normalized(read.normalized, now=job.now)
        run = self._dry_run(plan, job.now)
        if self._mask is not None and (shown := masked_plan(run.plan, self._mask)) is not run.plan:
            run = run._replace(plan=shown)
        return read.value, run


def plan_batches(batches: Iterable[pa.RecordBatch], job: PlanJob, keep: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Yield the plans of the rows of `batches`, one row each, in order.

    The first columns of a batch are those to keep, which come back behind the plans; the next is `EVENT`; others are
    fields of the events as JSON. Raises UsageError where the job's settings do not fit here.
    """
    planner = RowPlanner(job)
    for batch in batches:
        yield from _planned(batch, planner, keep)


def _planned(batch: pa.RecordBatch, planner: RowPlanner, keep: Sequence[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    kept = batch.columns[: len(keep)]
    names = batch.schema.names[len(keep) + 1 :]
    events, *fields = [_bytes_of(column) for column in batch.columns[len(keep) :]]
    parts = [_parts(names, texts) for texts in zip(*fields, strict=True)] if names else [()] * len(events)
    began, rows = 0, planner.rows()
    for number, (raw, own) in enumerate(zip(events, parts, strict=True), 1):
        rows.add(*planner.plan(raw, own))
        if rows.size >= MOST_BYTES or number == len(events):
            columns = [*rows.arrays(), *(column.slice(began, number - began) for column in kept)]
            yield pa.RecordBatch.from_arrays(columns, names=[*NAMES, *keep])
            began, rows = number, planner.rows()


def _parts(names: Sequence[str], texts: Sequence[bytes | None]) -> Parts:
    return tuple((name, text) for name, text in zip(names, texts, strict=True) if text is not None)


def read_row(raw: bytes | None, parts: Parts, received_at: str | None, now: float | None) -> ReadRow:
    """Read the event of a row; what cannot be read is an invalid one.

    `parts` are read each by itself, so that no text in one adds a field to the event.
    """
    if raw is None:
        return _invalid(NO_ROW)
    if len(raw) + (sum(len(text) for _, text in parts) if parts else 0) > LIMIT:
        return _invalid(TOO_LONG)
    repaired: list[Report] = []
    members = []
    for name, text in parts:
        found = _read(text)
        if isinstance(found, str):
            return _invalid(f"{name} is {found}")
        members.append(b'"%b":%b' % (name.encode(), found[1]))
        repaired += found[2]
    if members:
        raw = b"{%b}" % b",".join([*([raw[1:-1]] if raw != b"{}" else []), *members])
    read = _read(raw)
    if isinstance(read, str):
        return _invalid(read if raw.strip() else BLANK)
    value, raw, reports = read
    normalized = normalize_parsed(value, raw, received_at=received_at, now=now)
    if repaired or reports:
        normalized = normalized._replace(reports=(*repaired, *reports, *normalized.reports))
    return ReadRow(value, normalized)


def _read(raw: bytes) -> tuple[Json, bytes, tuple[Report, ...]] | str:
    """Return the value of JSON, its bytes and what was repaired in them; or why it is none."""
    try:
        return orjson.loads(raw), raw, ()
    except orjson.JSONDecodeError as error:
        return read_repaired(raw) or f"not valid JSON: {error}"


def _invalid(reason: str) -> ReadRow:
    return ReadRow(None, Normalized({}, None, (), reason))


def _bytes_of(column: pa.Array) -> list[bytes | None]:
    import pyarrow as pa

    large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    found: list[bytes | None] = column.cast(pa.large_binary() if large else pa.binary()).to_pylist()
    return found
