"""Metrics of delivery as Prometheus text.  `prometheus-client` is in the extra `server` and imported only here."""

from __future__ import annotations

from engine.delivery.observers import DeliveryObserver
from engine.errors import UsageError
from engine.records import Outcome

MISSING = "Metrics need the package prometheus-client, which is not installed: pip install 'waybill[server]'."
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
AGES = (0.1, 1, 10, 60, 300, 1800, 3600, 21600, 86400)


class Metrics(DeliveryObserver):
    """Counts what happens; `text` gives it as Prometheus reads it."""

    def __init__(self) -> None:
        """Raise UsageError where the package is missing."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ModuleNotFoundError as error:
            raise UsageError(MISSING) from error
        self._registry = registry = CollectorRegistry()
        by = ["connection"]
        self._events = Counter("waybill_events", "Events by how they ended.", [*by, "outcome"], registry=registry)
        self._age = Histogram("waybill_event_age_seconds", "From queued to ended.", by, buckets=AGES, registry=registry)
        self._requests = Counter("waybill_requests", "Requests by status.", [*by, "status"], registry=registry)
        self._seconds = Histogram(
            "waybill_request_seconds", "How long requests took.", by, buckets=SECONDS, registry=registry
        )
        self._items = Counter("waybill_request_items", "What requests carried.", by, registry=registry)
        self._pauses = Counter("waybill_retries", "Pauses after failures.", by, registry=registry)
        self._limited = Counter("waybill_rate_limit_waits", "Requests the rate limit delayed.", by, registry=registry)
        self._limited_seconds = Counter(
            "waybill_rate_limit_wait_seconds", "How long the rate limit delayed them.", by, registry=registry
        )
        self._holds = Counter("waybill_holds", "Holds, found or made.", by, registry=registry)
        self._failures = Counter("waybill_worker_failures", "Workers that died.", by, registry=registry)
        self._held = Gauge("waybill_held", "1 while held.", by, registry=registry, multiprocess_mode="livemax")
        self._depth = Gauge(
            "waybill_queue_depth", "Unfinished events.", by, registry=registry, multiprocess_mode="livemax"
        )
        self._oldest = Gauge(
            "waybill_queue_age_seconds",
            "Age of the oldest unfinished event.",
            by,
            registry=registry,
            multiprocess_mode="livemax",
        )

    def text(self) -> bytes:
        """Return everything as Prometheus text."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def finished(self, connection: str, outcome: Outcome, age: float) -> None:
        """Count an event that ended."""
        self._events.labels(connection, outcome.value).inc()
        self._age.labels(connection).observe(age)

    def answered(self, connection: str, status: int, items: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(connection, str(status) if status else "none").inc()
        self._seconds.labels(connection).observe(seconds)
        self._items.labels(connection).inc(items)

    def limited(self, connection: str, seconds: float) -> None:
        """Count a wait for the rate limit."""
        self._limited.labels(connection).inc()
        self._limited_seconds.labels(connection).inc(seconds)

    def paused(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Count a pause."""
        self._pauses.labels(connection).inc()

    def held(self, connection: str, reason: str, hint: str) -> None:  # noqa: ARG002
        """Count that a connection stopped."""
        self._holds.labels(connection).inc()
        self._held.labels(connection).set(1)

    def released(self, connection: str) -> None:
        """Set that a connection is not held."""
        self._held.labels(connection).set(0)

    def failed(self, connection: str, reason: str, seconds: float) -> None:  # noqa: ARG002
        """Count a worker that died."""
        self._failures.labels(connection).inc()

    def queue(self, connection: str, depth: int, age: float) -> None:
        """Set how much is unfinished."""
        self._depth.labels(connection).set(depth)
        self._oldest.labels(connection).set(age)
        self._held.labels(connection)  # so that a connection which was never held is there too, with 0
        self._failures.labels(connection)
