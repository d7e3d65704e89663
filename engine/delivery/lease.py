"""A connection's lease as its worker knows it: until when it may send, without asking the outbox each time.

A process that was stopped, or whose machine slept, may wake when another one has taken its connections over and has
sent newer events.  What it had planned to send is stale then.  So the lease is checked right before each write to a
vendor, by a clock that went on meanwhile, and its end is counted from before the outbox was asked: by that clock, it is
never later than the end that other processes see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.delivery.outbox.base import LeaseLost


@dataclass(slots=True)
class Lease:
    """The right to deliver for a connection until `until` (unix seconds of `time`); `fence` is its number."""

    connection: str
    fence: int
    until: float
    time: Callable[[], float]
    longer: Callable[[str, int], float] = lambda _connection, _fence: 0.0
    """Until when the outbox knows that the lease lasts, where that may be later than at its renewal."""

    def check(self) -> None:
        """Raise LeaseLost if the lease has run out."""
        now = self.time()
        if now >= self.until and now >= self.longer(self.connection, self.fence):
            raise LeaseLost(f"The lease of {self.connection} ran out before a request was sent.")
