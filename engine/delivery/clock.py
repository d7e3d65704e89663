"""The time as delivery sees it: wall time at the start, then as fast as the monotonic clock.

So a clock that is set, or jumps, while a worker runs gives up no event and ends no lease.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """A steady clock."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def time(self) -> float:
        """Give the time in unix seconds."""
        return self._monotonic() + self._offset
