"""Deletions beside a running server: begins those that delete events ask for, and goes on with all that have begun.

Each round does what can be done for all deletions at once, then waits four times as long as it took, so that intake and
delivery keep the machine: a round may read the whole outbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.deletion.beginning import begin_by_events
from engine.deletion.steps import Elsewhere, Steps
from engine.errors import WaybillError
from engine.records import JsonObject

NAME = "waybill.delivery.deletion"
INTERVAL = 2.0
"""Seconds between two rounds that find nothing to do."""
SHARE = 5
"""A round may take a fifth of the time."""
LONGEST_PAUSE = 600.0

logger = logging.getLogger(NAME)


def follow(
    outbox: SqliteOutbox,
    vendors: Callable[[], JsonObject],
    elsewhere: Sequence[Elsewhere],
    stop: threading.Event,
    *,
    clock: Callable[[], float] = time.time,
    interval: float = INTERVAL,
) -> None:
    """Run until `stop` is set.

    A failure is logged, and the next round tries again.  `vendors` returns the parts of the connections as they are
    now (engine/deletion/vendors.py).
    """
    waiting = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            waiting = one_round(outbox, vendors, elsewhere, stop, waiting, clock)
        except OutboxError:
            pass  # an outbox in trouble is reported where events are written
        except WaybillError as error:
            logger.warning("deletion failed", extra={"fields": {"reason": str(error)}})
        took = time.monotonic() - began
        stop.wait(max(interval, min(LONGEST_PAUSE, (SHARE - 1) * took)))


def one_round(
    outbox: SqliteOutbox,
    vendors: Callable[[], JsonObject],
    elsewhere: Sequence[Elsewhere],
    stop: threading.Event,
    waiting: int,
    clock: Callable[[], float],
) -> int:
    """Do what can be done now; return how many delete events wait for their turn, which is logged when it changes."""
    begun = begin_by_events(outbox, vendors, clock())
    if bool(begun.waiting) != bool(waiting):
        fields = {"waiting": begun.waiting}
        logger.warning("too many deletions by events within 24 hours", extra={"fields": fields})
    steps = Steps(outbox, elsewhere, clock=clock, pause=lambda seconds: _pause(stop, seconds))
    ended = steps.run()
    if begun.deletions or ended:
        logger.info("deletions", extra={"fields": {"begun": begun.deletions, "ended": ended}})
    if not steps.clean:
        logger.warning("remnants of deleted events are still in the outbox's file; the next deletion tries again")
    return begun.waiting


class Stopped(WaybillError):  # noqa: N818  reads as what happened
    """The server ends; what is left is done by the next one, or by `engine delete resume`."""


def _pause(stop: threading.Event, seconds: float) -> None:
    if stop.wait((SHARE - 1) * seconds):
        raise Stopped("Deletions are interrupted; they go on when the server starts again.")
