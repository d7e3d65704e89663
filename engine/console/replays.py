"""Queues many events again, in parts, in a thread of its own: a page shows how far it is, and can be left.

One at a time for the whole console, so that two people who press the same button do not queue everything twice; what
somebody else queued or purged meanwhile is counted as gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from engine.console.security import NAME
from engine.delivery.outbox.base import QUEUED_AGAIN, OutboxError
from engine.delivery.outbox.sqlite import SqliteOutbox

MOST_REPLAYED = 200_000
"""Events that one replay queues; what is left stays set aside, and can be replayed after it."""
AT_ONCE = 500
"""Events of one transaction, so that a worker never waits long."""
RUNNING, DONE, STOPPED, FAILED = "running", "done", "stopped", "failed"
FAILED_OTHERWISE = "an error of the engine itself; its log has the traceback"

logger = logging.getLogger(NAME)


@dataclass(slots=True)
class ReplayProgress:
    """How far a replay is; `gone` events were queued again or purged by somebody else meanwhile."""

    title: str
    total: int
    queued: int = 0
    gone: int = 0
    state: str = RUNNING
    trouble: str = ""

    @property
    def seen(self) -> int:
        """How many events were looked at."""
        return self.queued + self.gone


class Replays:
    """The replay of a console: the one that runs, or the last one; `progress` is None before the first.

    `followed` are event and connection of states that it queues, for what becomes of them.
    """

    def __init__(self, opened: Callable[[], AbstractContextManager[SqliteOutbox]], clock: Callable[[], float]) -> None:
        self._opened, self._clock = opened, clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.progress: ReplayProgress | None = None
        self.followed: Sequence[tuple[int, int]] = ()

    def start(self, title: str, places: Sequence[int], followed: Sequence[tuple[int, int]] = ()) -> bool:
        """Start to queue the states at some places; False if another replay runs."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            self._stop.clear()
            self.progress, self.followed = ReplayProgress(title, len(places)), followed
            self._thread = threading.Thread(target=self._run, args=(self.progress, list(places)), daemon=True)
            self._thread.start()
            return True

    def snapshot(self) -> ReplayProgress | None:
        """Return how far the replay is now, which stays as it is while a page is made."""
        return None if self.progress is None else replace(self.progress)

    def stop(self) -> None:
        """Stop after the part that is being queued."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until the replay that runs has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, progress: ReplayProgress, places: list[int]) -> None:
        try:
            self._queue(progress, places)
            progress.state = STOPPED if progress.seen < progress.total else DONE
        except OutboxError as error:
            progress.trouble, progress.state = str(error), FAILED
        except Exception:
            logger.exception("a replay failed")
            progress.trouble, progress.state = FAILED_OTHERWISE, FAILED
        logger.info("replayed", extra={"fields": {"queued": progress.queued, "gone": progress.gone}})

    def _queue(self, progress: ReplayProgress, places: list[int]) -> None:
        with self._opened() as outbox:
            for start in range(0, len(places), AT_ONCE):
                if self._stop.is_set():
                    return
                part = places[start : start + AT_ONCE]
                queued = outbox.replay(part, QUEUED_AGAIN, self._clock())
                progress.queued += queued
                progress.gone += len(part) - queued
