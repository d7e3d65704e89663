"""When the next request may go: rate limit, pauses after failures, safety valve. Pure: the time is an argument.

A vendor's failure pauses the whole connection and does not count against the event.  `Pace` is a circuit breaker: a
failure opens it, so nothing is sent until `resume_at`; then one request at a time goes out as a probe, until one
succeeds and all slots are free again.  Requests overlap, so it matters when each was sent: failures of requests that
were in flight together double the wait once, and the success of a request sent before the last failure proves nothing
about the vendor now.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

RATE = re.compile(r"([1-9][0-9]*)/([smh])")
PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
BOOT_CLOCK = hasattr(time, "CLOCK_BOOTTIME")
LONGEST_RETRY_AFTER = 3600.0
MANY_REJECTIONS = 20
MUCH_LONGER = 1.0
"""Seconds by which a pause must grow, besides doubling, to be reported again."""


def since_boot() -> float:
    """Return the seconds since some moment; they go on while the process is stopped or, on Linux, the machine sleeps.

    `time.monotonic` stands still while a Linux machine sleeps; elsewhere nothing better is to be had.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if BOOT_CLOCK else time.monotonic()


class Clock:
    """The time in unix seconds, counted from the start with a clock that never jumps and never stands still."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = since_boot) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def time(self) -> float:
        """Return the time in unix seconds."""
        return self._monotonic() + self._offset


class TokenBucket:
    """A rate limit such as `100/s`: a bucket of that size, refilled evenly; '' means no limit."""

    def __init__(self, rate: str, now: float) -> None:
        """Raise ValueError if `rate` is not a rate limit."""
        self._size, self._speed = 0.0, 0.0
        if rate:
            found = RATE.fullmatch(rate)
            if found is None:
                raise ValueError(f'"{rate}" is not a rate limit; write e.g. 100/s, 100/m or 100/h')
            self._size = float(found[1])
            self._speed = self._size / PERIODS[found[2]]
        self._left = self._size
        self._at = now

    def wait(self, now: float) -> float:
        """Take one token; return the seconds to wait before using it."""
        if not self._size:
            return 0.0
        self._left = min(self._size, self._left + max(0.0, now - self._at) * self._speed)
        self._at = now
        self._left -= 1
        return 0.0 if self._left >= 0 else -self._left / self._speed


class Retry(NamedTuple):
    """A mapping's `retry` settings, in seconds."""

    give_up_after: float = 86400.0
    first_wait: float = 1.0
    max_wait: float = 300.0


class Pace:
    """Whether a connection pauses, and how many requests may be in flight."""

    def __init__(self, retry: Retry, slots: int, random: Callable[[], float]) -> None:
        self._retry = retry
        self._slots = slots
        self._random = random
        self._failures = 0
        self._failed_at = -math.inf
        self._reported_until = -math.inf
        self.resume_at = -math.inf
        self.failing_since: float | None = None
        self.worth_reporting = False
        """Whether the last failure started a pause, or made it much longer."""

    def slots(self, now: float) -> int:
        """Return how many requests may be in flight: none during a pause, one probe after a failure, otherwise all."""
        if now < self.resume_at:
            return 0
        return 1 if self._failures else self._slots

    def succeeded(self, began: float) -> float | None:
        """Record the success of a request sent at `began`.

        Return the time of the first failure if this success ends a series of failures, otherwise None.
        """
        if began < self._failed_at:
            return None
        since, self.failing_since = self.failing_since, None
        self._failures = 0
        return since

    def failed(self, began: float, now: float, retry_after: float | None) -> float:
        """Record the failure of a request sent at `began`; return the seconds to wait."""
        new = began > self._failed_at
        if new:
            self._failures += 1
            self._failed_at = now
        if self.failing_since is None:
            self.failing_since = now
        if retry_after is not None:
            wait = min(retry_after, LONGEST_RETRY_AFTER)
        else:
            longest = min(self._retry.max_wait, self._retry.first_wait * 2.0 ** min(self._failures - 1, 40))
            wait = longest * self._random()
        self.resume_at = max(self.resume_at, now + wait)
        longer = self.resume_at - self._reported_until > max(MUCH_LONGER, self._reported_until - now)
        self.worth_reporting = new or longer
        if self.worth_reporting:
            self._reported_until = self.resume_at
        return self.resume_at - now


class Restarts:
    """How long to wait before a failed worker is restarted; one that ran longer than `longest` starts over."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._wait = 0.0

    def failed(self, ran: float) -> float:
        """Record a failure after `ran` seconds; return the seconds to wait."""
        again = self._wait and ran <= self._longest
        self._wait = min(self._longest, self._wait * 2 if again else self._first)
        return self._wait


class SafetyValve:
    """Holds a connection after many refusals in a row, all with one status and nothing accepted in between.

    That is more likely a wrong setting than bad data, and one wrong setting must not reject every event.
    """

    def __init__(self, limit: int = MANY_REJECTIONS) -> None:
        self._limit = limit
        self._status = 0
        self._count = 0

    def accepted(self) -> None:
        """Record that something was accepted."""
        self._count = 0

    def rejected(self, status: int) -> bool:
        """Record a refusal; True if the connection must be held and the refused event has to wait with the rest."""
        self._count = self._count + 1 if status == self._status else 1
        self._status = status
        return self._count >= self._limit

    def reason(self) -> str:
        """Return why the connection is held."""
        return (
            f"{self._count} refusals in a row with status {self._status} and nothing accepted in between; the event "
            "refused last was not rejected, it waits"
        )


def retry_after(value: str | None, now: float) -> float | None:
    """Read a `Retry-After` header (RFC 9110, 10.2.3), seconds or a date; None if missing or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
