"""Delivery metrics as Prometheus text. `prometheus-client` is part of the extra `server` and imported only here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.delivery.observers import DeliveryObserver, ReportCounter
from engine.delivery.outbox.base import Change
from engine.errors import UsageError
from engine.records import Outcome

MISSING = "Metrics require the package prometheus-client, which is not installed: pip install 'waybill[server]'."
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
AGES = (0.1, 1, 10, 60, 300, 1800, 3600, 21600, 86400)


class Metrics(DeliveryObserver):
    """Counts what delivery reports; `text` returns the counts in Prometheus' text format."""

    def __init__(self) -> None:
        """Raise UsageError where the package is missing."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ModuleNotFoundError as error:
            raise UsageError(MISSING) from error
        self._registry = registry = CollectorRegistry()
        common: dict[str, Any] = {"labelnames": ["connection"], "registry": registry}
        gauge = {**common, "multiprocess_mode": "livemax"}
        by_outcome, by_status = ["connection", "outcome"], ["connection", "status"]
        self._events = Counter("waybill_events", "Events finished, by outcome.", by_outcome, registry=registry)
        by_place = ["connection", "code", "place"]
        self._reports = Counter("waybill_reports", "Reports of finished events.", by_place, registry=registry)
        self._report_counter = ReportCounter()
        self._age = Histogram("waybill_event_age_seconds", "Time from queued to finished.", buckets=AGES, **common)
        self._requests = Counter("waybill_requests", "Requests sent, by response status.", by_status, registry=registry)
        self._seconds = Histogram("waybill_request_seconds", "Duration of requests.", buckets=SECONDS, **common)
        self._items = Counter("waybill_request_items", "Items carried by requests.", **common)
        self._timeouts = Counter("waybill_timeouts", "Requests given up after the timeout.", **common)
        self._pauses = Counter("waybill_pauses", "Pauses after failures.", **common)
        self._retries = Counter("waybill_retries", "Events to be tried again after a failure.", **common)
        self._alarm = Gauge("waybill_refusal_alarm", "1 while an unusual share is refused, otherwise 0.", **gauge)
        self._limited = Counter("waybill_rate_limit_waits", "Requests delayed by the rate limit.", **common)
        self._limited_seconds = Counter("waybill_rate_limit_wait_seconds", "Total delay by the rate limit.", **common)
        self._holds = Counter("waybill_holds", "Times a connection was held, or found held at the start.", **common)
        self._failures = Counter("waybill_worker_failures", "Workers that failed.", **common)
        self._lost = Counter("waybill_leases_lost", "Times a worker lost its lease, or renewed it too late.", **common)
        self._held = Gauge("waybill_held", "1 while the connection is held, otherwise 0.", **gauge)
        self._depth = Gauge("waybill_queue_depth", "Unfinished events.", **gauge)
        self._partitions = Gauge(
            "waybill_partitions_owned",
            "Partitions of an outbox on streams that this server delivers.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._oldest = Gauge("waybill_queue_age_seconds", "Age of the oldest unfinished event.", **gauge)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def finished(self, connection: str, outcome: Outcome, age: float) -> None:
        """Count a finished event."""
        self._events.labels(connection, outcome.value).inc()
        self._age.labels(connection).observe(age)

    def written(self, connection: str, changes: Sequence[Change]) -> None:
        """Count the reports of finished events."""
        for code, place in self._report_counter.add(connection, changes):
            self._reports.labels(connection, code, place).inc()

    def answered(self, connection: str, status: int, items: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(connection, str(status) if status else "none").inc()
        self._seconds.labels(connection).observe(seconds)
        self._items.labels(connection).inc(items)

    def timed_out(self, connection: str, seconds: float) -> None:  # noqa: ARG002
        """Count a timeout."""
        self._timeouts.labels(connection).inc()

    def limited(self, connection: str, seconds: float) -> None:
        """Count a wait for the rate limit."""
        self._limited.labels(connection).inc()
        self._limited_seconds.labels(connection).inc(seconds)

    def paused(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Count a pause."""
        self._pauses.labels(connection).inc()

    def retrying(self, connection: str, events: int, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Count events to be tried again."""
        self._retries.labels(connection).inc(events)

    def alarmed(self, connection: str, alarm: str, kind: str) -> None:  # noqa: ARG002
        """Set whether an alarm is raised."""
        self._alarm.labels(connection).set(bool(alarm))

    def held(self, connection: str, reason: str, hint: str) -> None:  # noqa: ARG002
        """Count a hold."""
        self._holds.labels(connection).inc()
        self._held.labels(connection).set(1)

    def released(self, connection: str) -> None:
        """Record that a connection is no longer held."""
        self._held.labels(connection).set(0)

    def failed(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Count a failed worker."""
        self._failures.labels(connection).inc()

    def lost(self, connection: str, reason: str) -> None:  # noqa: ARG002
        """Count a lost lease."""
        self._lost.labels(connection).inc()

    def queue(self, connection: str, depth: int, age: float) -> None:
        """Set depth and age of a queue."""
        self._depth.labels(connection).set(depth)
        self._oldest.labels(connection).set(age)
        self._held.labels(connection)  # exports a 0 for a connection that was never held
        self._failures.labels(connection)
        self._alarm.labels(connection)

    def owning(self, partitions: int, of: int) -> None:  # noqa: ARG002
        """Set how many partitions this server delivers."""
        self._partitions.set(partitions)

    def removed(self, connection: str, unfinished: int) -> None:  # noqa: ARG002
        """Set the gauges of a connection that is no longer delivered to 0."""
        for gauge in (self._depth, self._oldest, self._held, self._alarm):
            gauge.labels(connection).set(0)
