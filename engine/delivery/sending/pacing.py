"""When the next request may go: rate limit, pause after failures, safety valve.  Pure; the clock comes in.

Failures of the vendor as a whole pause the connection, not the event.  While a connection has failed and not
succeeded since, one request at a time goes out and probes: that is the circuit breaker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

RATE = re.compile(r"([1-9][0-9]*)/([smh])")
PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_RETRY_AFTER = 3600.0
MANY_REJECTIONS = 20
MUCH_LONGER = 1.0
"""Seconds by which a pause must at least grow, besides doubling, to be told again."""


def seconds(duration: str) -> float:
    """Read `30s`, `500ms`, `24h`; raises ValueError."""
    found = DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f'"{duration}" is no duration; write a whole number and ms, s, m, h or d: 30s')
    return int(found[1]) * UNITS[found[2]]


class Bucket:
    """A rate limit such as `100/s`: a bucket of that size, refilled evenly; '' is no limit."""

    def __init__(self, rate: str, now: float) -> None:
        """Raise ValueError where `rate` is none."""
        self._size, self._speed = 0.0, 0.0
        if rate:
            found = RATE.fullmatch(rate)
            if found is None:
                raise ValueError(f'"{rate}" is no rate; write 100/s, 100/m or 100/h')
            self._size = float(found[1])
            self._speed = self._size / PERIODS[found[2]]
        self._left = self._size
        self._at = now

    def wait(self, now: float) -> float:
        """Take one; gives the seconds to wait before it may be used."""
        if not self._size:
            return 0.0
        self._left = min(self._size, self._left + max(0.0, now - self._at) * self._speed)
        self._at = now
        self._left -= 1
        return 0.0 if self._left >= 0 else -self._left / self._speed


class Retry(NamedTuple):
    """A mapping's `retry`, in seconds."""

    give_up_after: float = 86400.0
    first_wait: float = 1.0
    max_wait: float = 300.0


class Pace:
    """How a connection fares: whether it pauses, and how many requests may be on their way at once."""

    def __init__(self, retry: Retry, slots: int, random: Callable[[], float]) -> None:
        self._retry = retry
        self._slots = slots
        self._random = random
        self._failures = 0
        self._failed_at = -math.inf
        self._told_until = -math.inf
        self.resume_at = -math.inf
        self.failing_since: float | None = None
        self.worth_telling = False
        """Whether the last failure began a pause, or made it much longer."""

    def slots(self, now: float) -> int:
        """Return how many requests may be in flight: none while pausing, one that probes after failures, else all."""
        if now < self.resume_at:
            return 0
        return 1 if self._failures else self._slots

    def succeeded(self, began: float) -> float | None:
        """Note an answer to a request sent at `began`; one sent before the last failure proves nothing.

        Gives since when the connection failed, where this answer ends that.
        """
        if began < self._failed_at:
            return None
        since, self.failing_since = self.failing_since, None
        self._failures = 0
        return since

    def failed(self, began: float, now: float, retry_after: float | None) -> float:
        """Note a failure; gives the seconds to wait. Requests that were out together count once."""
        new = began > self._failed_at
        if new:
            self._failures += 1
            self._failed_at = now
        if self.failing_since is None:
            self.failing_since = now
        if retry_after is not None:
            wait = min(retry_after, LONGEST_RETRY_AFTER)
        else:
            most = min(self._retry.max_wait, self._retry.first_wait * 2.0 ** min(self._failures - 1, 40))
            wait = most * self._random()
        self.resume_at = max(self.resume_at, now + wait)
        longer = self.resume_at - self._told_until > max(MUCH_LONGER, self._told_until - now)
        self.worth_telling = new or longer
        if self.worth_telling:
            self._told_until = self.resume_at
        return self.resume_at - now


class Restarts:
    """How long to wait before what failed is started again; what had worked longer than `most` begins anew."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most
        self._wait = 0.0

    def failed(self, worked: float) -> float:
        """Note a failure after so many seconds; gives the seconds to wait."""
        again = self._wait and worked <= self._most
        self._wait = min(self._most, self._wait * 2 if again else self._first)
        return self._wait


class Valve:
    """Many refusals in a row with one status and no acceptance between them: rather a wrong setting than bad data."""

    def __init__(self, many: int = MANY_REJECTIONS) -> None:
        self._many = many
        self._status = 0
        self._count = 0

    def accepted(self) -> None:
        """Note that something was accepted."""
        self._count = 0

    def rejected(self, status: int) -> bool:
        """Note a refusal; true where the connection must be held, and what was refused must wait with the rest."""
        self._count = self._count + 1 if status == self._status else 1
        self._status = status
        return self._count >= self._many

    def words(self) -> str:
        """Say why the connection is held."""
        return (
            f"{self._count} refusals in a row with status {self._status} and nothing accepted between them; what was "
            "refused last was not rejected, it waits"
        )


def retry_after(value: str | None, now: float) -> float | None:
    """Read a `Retry-After` header (RFC 9110, 10.2.3): seconds or a date; None where there is none that can be read."""
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
