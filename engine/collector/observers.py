"""What the collector tells those who watch: counters for Prometheus, lines for the log.  Nothing is dropped unseen.

Discards of one code and source are logged with their messageId, but no more than some a second: a broken client must
not fill a disk.  The counters have all of them.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from engine.collector.discards import Discard
from engine.delivery.metrics import MISSING
from engine.delivery.outbox.base import TakenIn
from engine.errors import UsageError
from engine.records import Json

NAME = "waybill.delivery.collector"
LINES_A_SECOND = 20


@contextmanager
def shared_between_processes() -> Iterator[Callable[[], bytes]]:
    """Have the counters of this process and of those it starts add up; gives what writes all as Prometheus text.

    To be entered before any counter is made: prometheus-client then keeps their values in files of one directory.
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
    """Counts and logs; raises UsageError where prometheus-client is missing."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ModuleNotFoundError as error:
            raise UsageError(MISSING) from error
        registry = self._registry = CollectorRegistry()
        self._monotonic = monotonic
        self._second, self._lines, self._unsaid = 0, 0, 0
        self._logger = logging.getLogger(NAME)
        self._logger.addHandler(logging.NullHandler())  # where nobody logs, nothing is printed either
        self._requests = Counter(
            "waybill_collector_requests", "Requests by call and status.", ["call", "status"], registry=registry
        )
        self._refused = Counter("waybill_collector_refused", "Refused requests by code.", ["code"], registry=registry)
        self._received = Counter("waybill_collector_events", "Events received.", ["source"], registry=registry)
        self._discarded = Counter(
            "waybill_collector_discarded", "Events not kept.", ["source", "code"], registry=registry
        )
        self._mended = Counter("waybill_collector_mended", "Bodies with half characters.", registry=registry)
        self._kept = Counter("waybill_collector_kept", "Events put into the outbox.", registry=registry)
        self._duplicates = Counter("waybill_collector_duplicates", "Events seen before.", registry=registry)
        self._purged = Counter("waybill_collector_purged", "Ended events removed.", registry=registry)
        self._seconds = Histogram("waybill_collector_seconds", "How long requests took.", registry=registry)
        self.behind = Gauge(
            "waybill_collector_backlog",
            "Unfinished events of the slowest connection.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def text(self) -> bytes:
        """Return everything as Prometheus text."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def answered(self, call: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(call, str(status)).inc()
        self._seconds.observe(seconds)

    def refused(self, code: str, **fields: Json) -> None:
        """Count and log a request that was not taken; `code` tells what the answer may not."""
        self._refused.labels(code).inc()
        self._tell("refused", code=code, **fields)

    def received(self, source: str, events: int, discards: Sequence[Discard]) -> None:
        """Count events; each that was not kept is logged."""
        self._received.labels(source).inc(events + len(discards))
        for each in discards:
            self._discarded.labels(source, each.code).inc()
            self._tell("discarded", source=source, code=each.code, reason=each.reason, messageId=each.message_id)

    def kept(self, taken: TakenIn) -> None:
        """Count what is on disk."""
        self._kept.inc(taken.new)
        self._duplicates.inc(taken.duplicates)

    def mended(self, **fields: Json) -> None:
        """Count and log a body that held half characters (lone surrogates, broken UTF-8), which became U+FFFD."""
        self._mended.inc()
        self._tell("mended", reason="half characters became U+FFFD", **fields)

    def purged(self, events: int) -> None:
        """Count and log events that were removed from the outbox, since they ended long ago."""
        self._purged.inc(events)
        if events:
            self._logger.info("purged", extra={"fields": {"events": events}})

    def _tell(self, event: str, **fields: Json) -> None:
        second = int(self._monotonic())
        if second != self._second:
            unsaid, self._second, self._lines, self._unsaid = self._unsaid, second, 0, 0
            if unsaid:
                self._logger.warning("not logged one by one", extra={"fields": {"lines": unsaid}})
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._unsaid += 1
            return
        self._logger.warning(event, extra={"fields": fields})
