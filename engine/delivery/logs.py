"""Logs of delivery: one JSON object a line, for machines; secrets are masked whatever path they came by."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO, cast

import orjson

from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import advice
from engine.records import Json, masked

NAME = "waybill.delivery"


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON: time, level, event, and what was given as `extra={"fields": {...}}`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record; a traceback, if there is one, is a field."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Json] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        told |= cast("dict[str, Json]", getattr(record, "fields", {}))
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(masked(told, self._secrets), default=str).decode()


def start(stream: IO[str], secrets: Iterable[str]) -> logging.Handler:
    """Have delivery log to a stream; `stop` takes it back."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(secrets))
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler


def stop(handler: logging.Handler) -> None:
    """End logging to a stream."""
    logger = logging.getLogger(NAME)
    logger.removeHandler(handler)
    logger.propagate = True
    handler.close()


class Logging(DeliveryObserver):
    """Logs what is rare; single events are in the outbox, where they can be asked for."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(NAME)

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """Log a pause."""
        self._tell(logging.WARNING, "paused", connection=connection, reason=reason, seconds=round(seconds, 3))

    def held(self, connection: str, reason: str, hint: str) -> None:
        """Log that a connection stopped."""
        self._tell(logging.ERROR, "held", connection=connection, reason=reason, hint=advice(hint, connection))

    def resumed(self, connection: str, seconds: float) -> None:
        """Log that a vendor takes requests again."""
        self._tell(logging.INFO, "goes on", connection=connection, seconds=round(seconds, 3))

    def released(self, connection: str) -> None:
        """Log that a person let a connection go on."""
        self._tell(logging.INFO, "no longer held", connection=connection)

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """Log that a worker died."""
        self._tell(logging.ERROR, "worker failed", connection=connection, reason=reason, seconds=round(seconds, 3))

    def split(self, connection: str, items: int) -> None:
        """Log that a batch was refused as a whole."""
        self._tell(logging.INFO, "batch split", connection=connection, items=items)

    def elsewhere(self, connection: str, until: float) -> None:
        """Log that another process has a connection."""
        when = datetime.fromtimestamp(until, UTC).isoformat(timespec="milliseconds")
        self._tell(logging.INFO, "another process has the connection", connection=connection, until=when)

    def ended(self, connection: str, unfinished: int) -> None:
        """Log that a worker ended."""
        self._tell(logging.INFO, "worker ended", connection=connection, unfinished=unfinished)

    def _tell(self, level: int, event: str, **fields: Json) -> None:
        self._logger.log(level, event, extra={"fields": fields})
