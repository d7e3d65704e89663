"""What workers of many partitions report, as one connection's: a hold, a pause or a failure is reported once.

A vendor that fails, or a person who resumes a connection, concerns the workers of all partitions of this process within
the same second. A log with one line for each of them would say the same sixteen times. What counts events and requests
is passed on as it is; what is about a whole queue (`queue`, `ended`, `removed`) is for who knows all partitions.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.delivery.observers import DeliveryObserver
from engine.delivery.sending.pacing import MUCH_LONGER

PASSED_ON = ("finished", "written", "answered", "timed_out", "limited", "retrying", "split", "lost")


class SharedObserver:
    """Passes reports of a process's partitions on to `observer`; `time` returns seconds. One event loop calls it."""

    def __init__(self, observer: DeliveryObserver, time: Callable[[], float]) -> None:
        self.observer, self._time = observer, time
        self._held: set[str] = set()
        self._warnings: dict[str, str] = {}
        self._paused_until: dict[str, float] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._alarms: dict[str, set[int]] = {}

    def forget(self, connection: str) -> None:
        """Report everything anew of a connection that a reload has replaced or removed."""
        for each in (self._warnings, self._paused_until, self._failed, self._alarms):
            each.pop(connection, None)
        self._held.discard(connection)

    def left(self, partition: int) -> None:
        """End the alarms of a partition that has another owner now, who raises its own."""
        for connection in list(self._alarms):
            self.alarmed(partition, connection, "", "")

    def held(self, connection: str, reason: str, hint: str) -> None:
        """Report that a connection stopped."""
        if connection not in self._held:
            self._held.add(connection)
            self.observer.held(connection, reason, hint)

    def released(self, connection: str) -> None:
        """Report that a person resumed a held connection."""
        if connection in self._held:
            self._held.remove(connection)
            self.observer.released(connection)

    def warned(self, connection: str, warning: str) -> None:
        """Report what deserves attention."""
        if self._warnings.get(connection) != warning:
            self._warnings[connection] = warning
            self.observer.warned(connection, warning)

    def paused(self, connection: str, reason: str, seconds: float) -> None:
        """Report a pause, and again one that is much longer."""
        now = self._time()
        left = self._paused_until.get(connection, now) - now
        if left <= 0 or seconds - left > max(MUCH_LONGER, left):
            self._paused_until[connection] = now + seconds
            self.observer.paused(connection, reason, seconds)

    def resumed(self, connection: str, seconds: float) -> None:
        """Report that the vendor accepts requests again."""
        if self._paused_until.pop(connection, None) is not None:
            self.observer.resumed(connection, seconds)

    def failed(self, connection: str, reason: str, seconds: float) -> None:
        """Report a worker that failed, unless another one has failed for the same reason since it may start again."""
        now = self._time()
        before, until = self._failed.get(connection, ("", now))
        if before != reason or now >= until:
            self._failed[connection] = reason, now + seconds
            self.observer.failed(connection, reason, seconds)

    def alarmed(self, partition: int, connection: str, alarm: str, kind: str) -> None:
        """Report the first alarm of any partition, and the end of the last one."""
        alarms = self._alarms.setdefault(connection, set())
        before = bool(alarms)
        (alarms.add if alarm else alarms.discard)(partition)
        if before != bool(alarms):
            self.observer.alarmed(connection, alarm, kind)


class PartitionObserver(DeliveryObserver):
    """Receives what the workers of one partition report."""

    def __init__(self, shared: SharedObserver, partition: int) -> None:
        self._shared, self._partition = shared, partition
        for name in PASSED_ON:
            setattr(self, name, getattr(shared.observer, name))
        for name in ("held", "released", "warned", "paused", "resumed", "failed"):
            setattr(self, name, getattr(shared, name))

    def alarmed(self, connection: str, alarm: str, kind: str) -> None:
        """The vendor refuses an unusual share of this partition's events."""
        self._shared.alarmed(self._partition, connection, alarm, kind)
