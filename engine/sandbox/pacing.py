"""The vendors' rate limits: one bucket a key, refilled evenly.

Off unless the configuration switches them on: a demonstration should not wait for 100 requests a minute.
"""

from __future__ import annotations

import math
import re

_RATE = re.compile(r"([1-9][0-9]*)/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class RateLimit:
    """`100/m`: a bucket of 100 that fills in a minute; an empty text never refuses."""

    def __init__(self, rate: str) -> None:
        """Raise ValueError with what a rate looks like."""
        self._size, self._period = 0.0, 1.0
        self._buckets: dict[str, tuple[float, float]] = {}
        if rate:
            match = _RATE.fullmatch(rate)
            if match is None:
                raise ValueError(f'"{rate}" is no rate; write `100/s`, `100/m` or `100/h`, or `""` for no limit')
            self._size, self._period = float(match[1]), _SECONDS[match[2]]

    def wait(self, key: str, now: float) -> int:
        """Take one from the bucket of `key`; 0 if it could be had, else the seconds until it can."""
        if not self._size:
            return 0
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / self._period)
        if left < 1:
            self._buckets[key] = (left, now)
            return max(1, math.ceil((1 - left) * self._period / self._size))
        self._buckets[key] = (left - 1, now)
        return 0
