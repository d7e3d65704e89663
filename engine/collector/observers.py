"""Metrics and log of the collector: nothing is dropped without being counted.

Every refusal and discard is also logged, but only the first few of each second: a broken client must not fill a disk.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from engine.collector.discards import Discard
from engine.delivery.metrics import MISSING
from engine.delivery.outbox.base import TakenIn
from engine.errors import UsageError
from engine.records import Json

NAME = "waybill.delivery.collector"
LINES_PER_SECOND = 20
SUPPRESSED = "suppressed"
SUPPRESSED_REASON = "the user was deleted with --suppress"


@contextmanager
def shared_between_processes() -> Iterator[Callable[[], bytes]]:
    """Add up the counters of this process and of those it starts; yield what returns them as Prometheus text.

    Enter this before any counter is made: prometheus-client then keeps their values in files of one directory.
    """
    with tempfile.TemporaryDirectory(prefix="waybill-metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        try:
            from prometheus_client import CollectorRegistry, generate_latest
            from prometheus_client.multiprocess import MultiProcessCollector
        except ModuleNotFoundError as error:
            raise UsageError(MISSING) from error

        def text() -> bytes:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
            return generate_latest(registry)

        try:
            yield text
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


class CollectorObserver:
    """Counts and logs; raises UsageError if prometheus-client is not installed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ModuleNotFoundError as error:
            raise UsageError(MISSING) from error
        registry = self._registry = CollectorRegistry()
        self._monotonic = monotonic
        self._second, self._lines, self._suppressed = 0, 0, 0
        self._logger = logging.getLogger(NAME)
        self._logger.addHandler(logging.NullHandler())  # without it, --no-log would print warnings
        self._requests = Counter(
            "waybill_collector_requests", "Requests by call and status.", ["call", "status"], registry=registry
        )
        self._refused = Counter("waybill_collector_refused", "Refused requests by code.", ["code"], registry=registry)
        self._received = Counter("waybill_collector_events", "Events received.", ["source"], registry=registry)
        self._discarded = Counter(
            "waybill_collector_discarded", "Events discarded.", ["source", "code"], registry=registry
        )
        self._copies_lost = Counter(
            "waybill_collector_discard_copies_lost", "Copies of discards that could not be kept.", registry=registry
        )
        self._repaired = Counter(
            "waybill_collector_repaired", "Bodies that were not quite JSON and were repaired.", registry=registry
        )
        self._kept = Counter("waybill_collector_kept", "Events written to the outbox.", registry=registry)
        self._duplicates = Counter("waybill_collector_duplicates", "Events seen before.", registry=registry)
        self._purged = Counter("waybill_collector_purged", "Finished events removed.", registry=registry)
        self._failures = Counter(
            "waybill_companion_failures", "Processes beside the server that ended.", ["companion"], registry=registry
        )
        self._reloads = Counter("waybill_reloads", "Reloads, by result.", ["result"], registry=registry)
        self._seconds = Histogram("waybill_collector_seconds", "Duration of requests.", registry=registry)
        gauge = partial(Gauge, registry=registry, multiprocess_mode="livemax")
        self.backlog = gauge("waybill_collector_backlog", "Unfinished events of the slowest connection.")
        self.archive_behind = gauge("waybill_archive_behind", "Events of the outbox that are not archived yet.")
        self._audience_keys: set[str] = set()
        self._audience_users = gauge("waybill_audience_users", "Users who were sent an audience.", ["audience"])
        self._audience_trouble = gauge(
            "waybill_audience_in_trouble", "1 if the last run failed or was guarded.", ["audience"]
        )

    def text(self) -> bytes:
        """Return the metrics as Prometheus text."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def answered(self, call: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(call, str(status)).inc()
        self._seconds.observe(seconds)

    def refused(self, code: str, **fields: Json) -> None:
        """Count and log a refused request; `code` may say more than the response does."""
        self._refused.labels(code).inc()
        self._log("refused", code=code, **fields)

    def received(self, source: str, events: int, discards: Sequence[Discard]) -> None:
        """Count events; log each that is discarded."""
        self._received.labels(source).inc(events + len(discards))
        for each in discards:
            self._discarded.labels(source, each.code).inc()
            self._log("discarded", source=source, code=each.code, reason=each.reason, messageId=each.message_id)

    def copies_lost(self, copies: int, reason: str) -> None:
        """Count and log copies of discarded events that could not be kept."""
        self._copies_lost.inc(copies)
        self._log("discards not kept", copies=copies, reason=reason)

    def kept(self, taken: TakenIn) -> None:
        """Count the events of a transaction."""
        self._kept.inc(taken.new)
        self._duplicates.inc(taken.duplicates)
        for source, events in taken.suppressed.items():
            self._discarded.labels(source, SUPPRESSED).inc(events)
            self._log("discarded", source=source, code=SUPPRESSED, reason=SUPPRESSED_REASON, events=events)

    def repaired(self, what: str, **fields: Json) -> None:
        """Count and log a body that was not quite JSON; `what` says what was changed in it."""
        self._repaired.inc()
        self._log("repaired", reason=what, **fields)

    def adding_keys(self, events: int) -> None:
        """Log how many events of an older version become searchable; with 0, that all are."""
        if events:
            self._logger.info("events of an older version become searchable", extra={"fields": {"events": events}})
        else:
            self._logger.info("all events are searchable")

    def purged(self, events: int) -> None:
        """Count and log events removed from the outbox because they ended long ago."""
        self._purged.inc(events)
        if events:
            self._logger.info("purged", extra={"fields": {"events": events}})

    def companion_failed(self, name: str) -> None:
        """Count a companion that ended without being asked to."""
        self._failures.labels(name).inc()

    def audiences(self, found: Iterable[tuple[str, int, bool]]) -> None:
        """Take over the key of each audience, how many users it has, and whether it is in trouble.

        One that is no longer there stays with 0: metrics of several processes cannot be removed.
        """
        gone = [(key, 0, False) for key in self._audience_keys]
        for key, users, in_trouble in (*gone, *found):
            self._audience_keys.add(key)
            self._audience_users.labels(key).set(users)
            self._audience_trouble.labels(key).set(in_trouble)

    def reloaded(self, result: str) -> None:
        """Count a reload."""
        self._reloads.labels(result).inc()

    def _log(self, event: str, **fields: Json) -> None:
        second = int(self._monotonic())
        if second != self._second:
            suppressed, self._second, self._lines, self._suppressed = self._suppressed, second, 0, 0
            if suppressed:
                self._logger.warning("lines suppressed", extra={"fields": {"lines": suppressed}})
        self._lines += 1
        if self._lines > LINES_PER_SECOND:
            self._suppressed += 1
            return
        self._logger.warning(event, extra={"fields": fields})
