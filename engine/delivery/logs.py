"""Delivery's log: one JSON object per line.

Secrets are masked in every field, however they got there, and no character of a field can steer a terminal.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import IO, cast

import orjson

from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import DEFAULT_FILE, advice
from engine.delivery.outbox.location import Location
from engine.language.texts import visible
from engine.records import Json, Secrets, masked

NAME = "waybill.delivery"
LOGGERS = (NAME, "waybill.console", "waybill.archive")
BETWEEN_RETRIES = 60.0
"""Seconds between two lines about events that are tried again, or about leases that were lost."""


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, event, and the members of `extra={"fields": {...}}`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.mask(secrets)

    def mask(self, secrets: Iterable[str]) -> None:
        """Mask these from now on, in place of those before."""
        self._secrets = Secrets(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; a traceback becomes a field."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Json] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        fields |= cast("dict[str, Json]", getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return visible(orjson.dumps(masked(fields, self._secrets), default=self._text).decode())

    def _text(self, value: object) -> str:
        """Return what JSON has no type for, such as an exception, as text."""
        return self._secrets.mask(str(value))


def start(stream: IO[str], secrets: Iterable[str]) -> logging.Handler:
    """Log to a stream until `stop` is called with the handler."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(secrets))
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return handler


def mask(secrets: Iterable[str]) -> None:
    """Have logs that were started mask these secrets, in place of those they were started with."""
    for handler in logging.getLogger(NAME).handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.mask(secrets)


def stop(handler: logging.Handler) -> None:
    """Stop logging to a stream."""
    for name in LOGGERS:
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).propagate = True
    handler.close()


class Logging(DeliveryObserver):
    """Logs rare events only; what became of each event is in the outbox."""

    def __init__(self, outbox: Location = DEFAULT_FILE, clock: Callable[[], float] = time.monotonic) -> None:
        """Log; `outbox` is the file or address that hints name."""
        self._logger = logging.getLogger(NAME)
        self._outbox = outbox
        self._clock = clock
        self._rare: dict[tuple[str, str], tuple[float, int]] = {}  # when it was last logged, and the count since

    def timed_out(self, connection: str, seconds: float) -> None:
        """Log that a vendor did not answer in time."""
        self._log(logging.WARNING, "timed out", connection=connection, seconds=round(seconds, 3))

    def retrying(self, connection: str, events: int, reason: str, seconds: float) -> None:
        """Log failures that only their events wait for: the first at once, then at most a line a minute."""
        count = self._count("retrying", connection, events)
        if count:
            seconds = round(seconds, 3)
            self._log(logging.WARNING, "retrying", connection=connection, events=count, reason=reason, seconds=seconds)

    def lost(self, connection: str, reason: str) -> None:
        """Log that workers lost their leases: the first at once, then at most a line a minute."""
        count = self._count("lease lost", connection, 1)
        if count:
            self._log(logging.WARNING, "lease lost", connection=connection, times=count, reason=reason)

    def _count(self, event: str, connection: str, more: int) -> int:
        """Return the count to log now, of what was not logged yet; 0 if the last line is too recent."""
        now = self._clock()
        logged, unlogged = self._rare.get((event, connection), (-math.inf, 0))
        due = now - logged >= BETWEEN_RETRIES
        self._rare[event, connection] = (now, 0) if due else (logged, unlogged + more)
        return unlogged + more if due else 0

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """Log a pause."""
        self._log(logging.WARNING, "paused", connection=connection, reason=reason, seconds=round(seconds, 3))

    def held(self, connection: str, reason: str, hint: str) -> None:
        """Log that a connection is held."""
        to_do = advice(hint, connection, self._outbox)
        self._log(logging.ERROR, "held", connection=connection, reason=reason, hint=to_do)

    def resumed(self, connection: str, seconds: float) -> None:
        """Log that a vendor accepts requests again."""
        self._log(logging.INFO, "resumed", connection=connection, seconds=round(seconds, 3))

    def warned(self, connection: str, warning: str) -> None:
        """Log what deserves attention."""
        self._log(logging.WARNING, "check the connection", connection=connection, reason=warning)

    def released(self, connection: str) -> None:
        """Log that a person resumed a held connection."""
        self._log(logging.INFO, "no longer held", connection=connection)

    def alarmed(self, connection: str, alarm: str, kind: str) -> None:
        """Log that the vendor refuses an unusual share, or no longer does."""
        if alarm:
            self._log(logging.WARNING, "many refusals", connection=connection, reason=alarm, kind=kind)
        else:
            self._log(logging.INFO, "refusals are back to normal", connection=connection)

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """Log that a worker failed."""
        self._log(logging.ERROR, "worker failed", connection=connection, reason=reason, seconds=round(seconds, 3))

    def split(self, connection: str, items: int) -> None:
        """Log that a batch was refused as a whole."""
        self._log(logging.INFO, "batch split", connection=connection, items=items)

    def elsewhere(self, connection: str, until: float) -> None:
        """Log that another process has the connection's lease."""
        when = datetime.fromtimestamp(until, UTC).isoformat(timespec="milliseconds")
        self._log(logging.INFO, "another process has the connection", connection=connection, until=when)

    def ended(self, connection: str, unfinished: int) -> None:
        """Log that a worker ended."""
        self._log(logging.INFO, "worker ended", connection=connection, unfinished=unfinished)

    def removed(self, connection: str, unfinished: int) -> None:
        """Log that a reload removed a connection."""
        level = logging.WARNING if unfinished else logging.INFO
        self._log(level, "connection removed", connection=connection, waiting=unfinished)

    def owning(self, partitions: int, of: int) -> None:
        """Log how many partitions this process delivers now."""
        self._log(logging.INFO, "partitions", owned=partitions, of=of)

    def _log(self, level: int, event: str, **fields: Json) -> None:
        self._logger.log(level, event, extra={"fields": fields})
