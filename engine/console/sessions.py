"""Who is signed in: sessions, the one-time codes of printed links, and how often a login may fail.

All of it is in memory: a restart signs everyone out, and no file has anything worth stealing. What a browser holds is a
random ID; the store keeps only its digest. Time and randomness are arguments.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest

MOST_SESSIONS = 100
"""Sessions at once; one more ends the session that was used longest ago."""
SESSION_SECONDS = 12 * 3600.0
"""How long a session lasts after its last request."""
CODE_SECONDS = 600.0
"""How long the code of a printed link works."""
FAILURE_SECONDS = 60.0
MOST_FAILURES = 5
"""Failed logins of one address within `FAILURE_SECONDS`."""
MOST_FAILURES_IN_ALL = 50
"""Failed logins of all addresses within `FAILURE_SECONDS`."""


def random_text() -> str:
    """Return 256 random bits as text for URLs and cookies."""
    return secrets.token_urlsafe(32)


@dataclass(slots=True, eq=False)
class Session:
    """A browser that is signed in. `number` is for the log; `ended` is set at sign-out, and ends its streams."""

    number: int
    csrf: str
    expires: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """The sessions of one console, by the digest of their ID."""

    def __init__(self, clock: Callable[[], float], new_id: Callable[[], str] = random_text) -> None:
        self._clock, self._new_id = clock, new_id
        self._sessions: dict[bytes, Session] = {}  # the one used longest ago first
        self._made = 0

    def start(self) -> tuple[str, Session]:
        """Return the ID of a new session, which only the browser keeps, and the session."""
        self._drop_expired()
        while len(self._sessions) >= MOST_SESSIONS:
            self._drop(next(iter(self._sessions)))
        self._made += 1
        identifier = self._new_id()
        session = Session(self._made, self._new_id(), self._clock() + SESSION_SECONDS)
        self._sessions[_digest(identifier)] = session
        return identifier, session

    def find(self, identifier: str) -> Session | None:
        """Return the session of an ID and prolong it; None if there is none, or no longer."""
        self._drop_expired()
        key = _digest(identifier)
        session = self._sessions.pop(key, None)
        if session is not None:
            session.expires = self._clock() + SESSION_SECONDS
            self._sessions[key] = session
        return session

    def end(self, identifier: str) -> None:
        """End the session of an ID, and its streams."""
        self._drop(_digest(identifier))

    def end_all(self) -> None:
        """End all sessions and their streams."""
        for key in list(self._sessions):
            self._drop(key)

    def _drop_expired(self) -> None:
        now = self._clock()
        for key in [key for key, session in self._sessions.items() if session.expires <= now]:
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        session = self._sessions.pop(key, None)
        if session is not None:
            session.ended.set()


class OneTimeCode:
    """The code of the link that is printed at the start: it works once, within `CODE_SECONDS`."""

    def __init__(self, clock: Callable[[], float], new_code: Callable[[], str] = random_text) -> None:
        self._clock = clock
        self.text = new_code()
        self._digest: bytes | None = _digest(self.text)
        self._expires = clock() + CODE_SECONDS

    def use(self, text: str) -> bool:
        """Whether this is the code, unused and in time; from then on it is used."""
        if self._digest is None or self._clock() >= self._expires:
            return False
        if not compare_digest(self._digest, _digest(text)):
            return False
        self._digest = None
        return True


class FailedLogins:
    """Counts failed logins of the last minute; it keeps at most `MOST_FAILURES_IN_ALL` of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: deque[tuple[float, str]] = deque(maxlen=MOST_FAILURES_IN_ALL)

    def another(self) -> FailedLogins:
        """Return one that counts by the same clock, for another way to sign in."""
        return FailedLogins(self._clock)

    def add(self, address: str) -> None:
        """Count a failure."""
        self._failures.append((self._clock(), address))

    def wait(self, address: str) -> float:
        """Return how many seconds an address has to wait before its next try, 0 if it need not."""
        now = self._clock()
        while self._failures and self._failures[0][0] <= now - FAILURE_SECONDS:
            self._failures.popleft()
        own = [when for when, failed in self._failures if failed == address]
        oldest = own[-MOST_FAILURES] if len(own) >= MOST_FAILURES else None
        if oldest is None and len(self._failures) == MOST_FAILURES_IN_ALL:
            oldest = self._failures[0][0]
        return 0.0 if oldest is None else max(0.0, oldest + FAILURE_SECONDS - now)


def same(given: str, expected: str) -> bool:
    """Compare two texts in a time that says nothing about how much of them is equal."""
    return compare_digest(_digest(given), _digest(expected))


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()
