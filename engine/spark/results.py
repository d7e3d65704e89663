"""The columns of planned events: their names and types, for Spark and for Arrow, and how they are filled.

They have the names of `engine run --format ndjson`.  A column is collected as flat lists of texts, because pyarrow
takes those apart ten times faster than lists of dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from engine.language.texts import text_of
from engine.records import JsonObject, PlannedRequest, Report

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.delivery.sending.outgoing import DryRun
    from engine.showing.masking import Address, Masking

EVENT_COLUMNS = ("connection", "destination", "message_id", "type", "outcome", "reason")
REQUEST_TEXTS = ("request", "method", "url")
REQUEST_TYPES = (
    *(f"{name}: string" for name in REQUEST_TEXTS),
    "headers: map<string, string>",
    "query: map<string, array<string>>",
    "body: string",
    "batch: string",
)
SPARK_TYPES = (
    *(f"{name} string" for name in EVENT_COLUMNS),
    f"requests array<struct<{', '.join(REQUEST_TYPES)}>>",
    "reports array<struct<code: string, place: string, message: string>>",
)
"""The columns as Spark's DDL has them; `body` is JSON, null where a request has none."""
MOST_TYPES = 100
"""Types of events whose masked text is kept: there are seven, and what is not one of them."""

NAMES = (*EVENT_COLUMNS, "requests", "reports")


class PlannedRows:
    """The rows of one batch, filled event by event."""

    def __init__(self, connection: str, destination: str, masking: Masking) -> None:
        self.size = 0
        """Bytes of the bodies, which are nearly all that can grow."""
        self._fixed = (connection, destination)
        self._masking = masking
        self._texts: tuple[list[str | None], ...] = ([], [], [], [])
        self._shown_type = lru_cache(MOST_TYPES)(masking.shown)
        self._requests = _Requests()
        self._reports: list[Report] = []
        self._request_ends, self._report_ends = [0], [0]

    def __len__(self) -> int:
        return len(self._texts[0])

    def add(self, event: object, run: DryRun) -> None:
        """Add an event, as it was read, and what it becomes; the reason and the reports of `run` are masked."""
        plan = run.plan
        message_ids, types, outcomes, reasons = self._texts
        message_id, call = (event.get("messageId"), event.get("type")) if isinstance(event, dict) else (None, None)
        message_ids.append(text_of(self._masking.shown(message_id)))  # an object or a list has no text
        types.append(text_of((self._shown_type if type(call) is str else self._masking.shown)(call)))
        outcomes.append(plan.outcome.value)
        reasons.append(plan.reason)
        if plan.requests:
            bodies = self._masking.json([request.body for request in plan.requests])
            for request, body in zip(plan.requests, bodies, strict=True):
                self.size += len(body)
                self._requests.add(request, self._masking.address(request), self._batch(request), body)
        self._request_ends.append(len(self._requests.bodies))
        self._reports += plan.reports
        self._report_ends.append(len(self._reports))

    def arrays(self) -> list[pa.Array]:
        """Return the columns in the order of `NAMES`."""
        import pyarrow as pa

        columns = [pa.array([text] * len(self), pa.string()) for text in self._fixed]
        columns += [pa.array(texts, pa.string()) for texts in self._texts]
        parts = zip(*self._reports, strict=True) if self._reports else ((),) * len(Report._fields)
        reports = pa.StructArray.from_arrays(
            [pa.array(list(texts), pa.string()) for texts in parts], names=list(Report._fields)
        )
        return [*columns, _listed(self._request_ends, self._requests.array()), _listed(self._report_ends, reports)]

    def _batch(self, request: PlannedRequest) -> str | None:
        return None if request.batch is None else str(self._masking.shown(request.batch))


class _Requests:
    """The requests of all rows, one after the other."""

    def __init__(self) -> None:
        self.bodies: list[bytes | None] = []
        self._addresses: list[Address] = []
        self._batches: list[str | None] = []

    def add(self, request: PlannedRequest, address: Address, batch: str | None, body: bytes) -> None:
        """Add a request; its address, batch and body are masked."""
        self._addresses.append(address)
        self._batches.append(batch)
        self.bodies.append(None if request.body is None else body)

    def array(self) -> pa.StructArray:
        """Return them as one column."""
        import pyarrow as pa

        shown: list[dict[str, Any]] = [address.shown for address in self._addresses]
        headers, queries = [each["headers"] for each in shown], [each["query"] for each in shown]
        values = [value if type(value) is list else [value] for query in queries for value in query.values()]
        columns = {
            **{name: pa.array([each[name] for each in shown], pa.string()) for name in REQUEST_TEXTS},
            "headers": _mapped(headers, pa.array([text for each in headers for text in each.values()], pa.string())),
            "query": _mapped(queries, pa.array(values, pa.list_(pa.string()))),
            "body": pa.array(self.bodies, pa.binary()).cast(pa.string()),
            "batch": pa.array(self._batches, pa.string()),
        }
        return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def _listed(ends: Sequence[int], values: pa.Array) -> pa.ListArray:
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def _mapped(objects: Sequence[JsonObject], values: pa.Array) -> pa.MapArray:
    """Return a map for each object, of its names and `values`, which are those of all objects."""
    import pyarrow as pa

    ends = pa.array([0, *accumulate(map(len, objects))], pa.int32())
    return pa.MapArray.from_arrays(ends, pa.array([name for each in objects for name in each], pa.string()), values)
