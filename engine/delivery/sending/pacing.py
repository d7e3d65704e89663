"""When the next request may go: rate limit, pauses after failures, the brake. Pure: the time is an argument.

A request that fails is retried for its own events, which wait; one event must not stop the others.  `Pace` is a
circuit breaker for the case that the vendor itself fails: nothing is sent until `resume_at`; then one request at a time
goes out as a probe, until one succeeds and all slots are free again.  Requests overlap, so it matters when each was
sent: failures of requests that were in flight together double the wait once, and the success of a request sent before
the pause proves nothing about the vendor now.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NamedTuple, Protocol

RATE = re.compile(r"([1-9][0-9]*)/([smh])")
PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_RETRY_AFTER = 3600.0
FAILURES_IN_A_ROW = 8
USERS_WHO_FAIL = 3
MANY_REFUSALS = 20
BRAKED = 1.0
"""Seconds between two requests while the brake is on."""
MUCH_LONGER = 1.0
"""Seconds by which a pause must grow, besides doubling, to be reported again."""


since_boot: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds since some moment; they go on while the process is stopped or, on Linux, the machine sleeps.

`time.monotonic` stands still while a Linux machine sleeps; elsewhere nothing better is to be had.
"""


class Clock:
    """The time in unix seconds, counted from the start with a clock that never jumps and never stands still."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = since_boot) -> None:
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def time(self) -> float:
        """Return the time in unix seconds."""
        return self._monotonic() + self._offset


class RateLimiter(Protocol):
    """How fast requests may go out."""

    async def take(self) -> float:
        """Count one request; return the seconds to wait before sending it."""
        ...


def size_and_speed(rate: str) -> tuple[float, float]:
    """Return how many requests a rate limit such as `100/m` allows at once, and how many a second after that.

    Both are 0 for '', which is no limit. Raises ValueError if `rate` is not a rate limit.
    """
    if not rate:
        return 0.0, 0.0
    found = RATE.fullmatch(rate)
    if found is None:
        raise ValueError(f'"{rate}" is not a rate limit; write e.g. 100/s, 100/m or 100/h')
    return float(found[1]), float(found[1]) / PERIODS[found[2]]


class TokenBucket:
    """A rate limit such as `100/s`: a bucket of that size, refilled evenly; '' means no limit."""

    def __init__(self, rate: str, now: float) -> None:
        """Raise ValueError if `rate` is not a rate limit."""
        self._size, self._speed = size_and_speed(rate)
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


class OwnRateLimiter:
    """The rate limit of a connection that one worker alone delivers to."""

    def __init__(self, rate: str, clock: Clock) -> None:
        self._bucket, self._clock = TokenBucket(rate, clock.time()), clock

    async def take(self) -> float:
        """Count one request; return the seconds to wait before sending it."""
        return self._bucket.wait(self._clock.time())


class Retry(NamedTuple):
    """A mapping's `retry` settings, in seconds."""

    give_up_after: float = 86400.0
    first_wait: float = 1.0
    max_wait: float = 300.0

    def wait(self, count: int, random: float) -> float:
        """Return how long to wait after the failure number `count`: doubling, with full jitter."""
        return min(self.max_wait, self.first_wait * 2.0 ** min(count - 1, 40)) * random


class Failure(NamedTuple):
    """One request that failed: whose it was, and whether it carried an event that had not failed before."""

    users: frozenset[str]
    fresh: bool


class Pace:
    """Whether a connection pauses, and how many requests may be in flight."""

    def __init__(self, retry: Retry, slots: int, random: Callable[[], float]) -> None:
        self._retry = retry
        self._slots = slots
        self._random = random
        self._recent: deque[Failure] = deque(maxlen=FAILURES_IN_A_ROW)
        self._failures = 0
        self._failed_at = -math.inf
        self._reported_until = -math.inf
        self.resume_at = -math.inf
        self.failing_since: float | None = None
        self.proven = False
        """Whether a request succeeded since the last pause, so that a batch that fails may have itself to blame."""
        self.worth_reporting = False
        """Whether the last failure started a pause, or made it much longer."""

    def slots(self, now: float) -> int:
        """Return how many requests may be in flight: none during a pause, one probe after it, otherwise all."""
        if now < self.resume_at:
            return 0
        return 1 if self._failures else self._slots

    @property
    def probing(self) -> bool:
        """Whether the next request is a probe."""
        return self._failures > 0

    def succeeded(self, began: float) -> float | None:
        """Record that the vendor took or refused a request sent at `began`: it works.

        Return the time of the first failure if this success ends a series of failures, otherwise None.
        """
        if began < self._failed_at:
            return None
        since, self.failing_since = self.failing_since, None
        self._failures = 0
        self._recent.clear()
        self.proven = True
        return since

    def failed(
        self, began: float, now: float, failure: Failure, retry_after: float | None = None, *, at_once: bool = False
    ) -> float | None:
        """Record the failure of a request sent at `began`.

        Return for how many seconds the connection pauses, None if it goes on: then only the event waits. It pauses
        `at_once` (after status 429), with a `Retry-After`, after a probe, and after the last of many failures in a row.
        """
        self._recent.append(failure)
        if not (at_once or retry_after is not None or self.probing or self._all_fail()):
            return None
        new = began > self._failed_at
        if new:
            self._failures += 1
            self._failed_at = now
        if self.failing_since is None:
            self.failing_since = now
        self.proven = False
        if retry_after is not None:
            wait = min(retry_after, LONGEST_RETRY_AFTER)
        else:
            wait = self._retry.wait(self._failures, self._random())
        self.resume_at = max(self.resume_at, now + wait)
        longer = self.resume_at - self._reported_until > max(MUCH_LONGER, self._reported_until - now)
        self.worth_reporting = new or longer
        if self.worth_reporting:
            self._reported_until = self.resume_at
        return self.resume_at - now

    def _all_fail(self) -> bool:
        """Whether the vendor fails, and not a few events, however often those are tried again."""
        users = frozenset().union(*(failure.users for failure in self._recent))
        return (
            len(self._recent) == FAILURES_IN_A_ROW
            and len(users) >= USERS_WHO_FAIL
            and any(failure.fresh for failure in self._recent)
        )


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


class Brake:
    """Slows a connection down to one request a second after many refusals in a row of different events.

    That is more likely a wrong setting than bad data. A person has the time to notice before everything is rejected,
    and a single acceptance is the proof that the others were refused for their own data.
    """

    def __init__(self) -> None:
        self._refused: set[int] = set()
        self._next = -math.inf
        self.since: float | None = None
        """When the brake was put on, None while it is off."""

    def accepted(self) -> None:
        """Record that something was accepted."""
        if self._refused:
            self._refused.clear()
            self.since = None

    def refused(self, place: int, now: float) -> None:
        """Record that the event at this place was refused."""
        if self.since is None:
            self._refused.add(place)
            if len(self._refused) >= MANY_REFUSALS:
                self.since = now
                self._next = now + BRAKED

    def wait(self, now: float) -> float:
        """Return the seconds to wait before the next request, and count on its being sent then."""
        if self.since is None:
            return 0.0
        at = max(now, self._next)
        self._next = at + BRAKED
        return at - now


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
