"""The columns of planned events: their names and types, for Spark and for Arrow, and how they are filled.

They have the names of `engine run --format ndjson`.  A column is collected as flat lists of texts, because pyarrow
takes those apart ten times faster than lists of dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
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
NAMES = (*EVENT_COLUMNS, "requests", "reports")


class PlannedRows:
    """The rows of one batch, filled event by event."""

    def __init__(self, connection: str, destination: str, masking: Masking) -> None:
        self.size = 0
        """Bytes of the bodies, which are nearly all that can grow."""
        self._fixed = (connection, destination)
        self._masking = masking
        self._texts: tuple[list[str | None], ...] = ([], [], [], [])
        self._requests = _Requests()
        self._reports: list[Report] = []
        self._request_ends, self._report_ends = [0], [0]

    def __len__(self) -> int:
        return len(self._texts[0])

    def add(self, event: object, run: DryRun) -> None:
        """Add an event, as it was read, and what it becomes; the reason and the reports of `run` are masked."""
        plan = run.plan
        message_ids, types, outcomes, reasons = self._texts
        message_ids.append(self._scalar(event, "messageId"))
        types.append(self._scalar(event, "type"))
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

    def _scalar(self, event: object, name: str) -> str | None:
        value = event.get(name) if isinstance(event, dict) else None
        return text_of(self._masking.shown(value))  # an object or a list has no text

    def _batch(self, request: PlannedRequest) -> str | None:
        return None if request.batch is None else str(self._masking.shown(request.batch))


class _Requests:
    """The requests of all rows, one after the other."""

    def __init__(self) -> None:
        self.bodies: list[bytes | None] = []
        self._texts: tuple[list[str], ...] = ([], [], [])
        self._batches: list[str | None] = []
        self._headers, self._query = _Pairs(), _Pairs()

    def add(self, request: PlannedRequest, address: Address, batch: str | None, body: bytes) -> None:
        """Add a request; its address, batch and body are masked."""
        shown: dict[str, Any] = address.shown
        for texts, name in zip(self._texts, REQUEST_TEXTS, strict=True):
            texts.append(shown[name])
        self._headers.add(shown["headers"])
        self._query.add({name: value if type(value) is list else [value] for name, value in shown["query"].items()})
        self._batches.append(batch)
        self.bodies.append(None if request.body is None else body)

    def array(self) -> pa.StructArray:
        import pyarrow as pa

        keys, headers = self._headers.keys, pa.array(self._headers.values, pa.string())
        columns = {
            **{name: pa.array(texts, pa.string()) for name, texts in zip(REQUEST_TEXTS, self._texts, strict=True)},
            "headers": _mapped(self._headers.ends, keys, headers),
            "query": _mapped(self._query.ends, self._query.keys, pa.array(self._query.values, pa.list_(pa.string()))),
            "body": pa.array(self.bodies, pa.binary()).cast(pa.string()),
            "batch": pa.array(self._batches, pa.string()),
        }
        return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


class _Pairs:
    """Names and values of all requests; where those of one end."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.values: list[Any] = []
        self.ends = [0]

    def add(self, pairs: JsonObject) -> None:
        for key, value in pairs.items():
            self.keys.append(key)
            self.values.append(value)
        self.ends.append(len(self.keys))


def _listed(ends: Sequence[int], values: pa.Array) -> pa.ListArray:
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def _mapped(ends: Sequence[int], keys: Sequence[str], values: pa.Array) -> pa.MapArray:
    import pyarrow as pa

    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), pa.array(keys, pa.string()), values)
