"""An outbox with an hour behind it: connections in every state, whose names and words are hostile where they can be."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.keys import keys_of
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

NOW = 1_800_000_000.0
HOSTILE = "</script><script>alert(1)</script>\u202e\x1b[31m"
BUSY, HELD, PAUSED, STOPPED, IDLE = "shop", "crm", "mail", "ads", "archive"


def seeded(path: Path, now: float = NOW, minutes: int = 60) -> Path:
    """Write the outbox and return its path."""
    outbox = SqliteOutbox(path)
    names = [BUSY, HELD, PAUSED, STOPPED]
    for minute in range(minutes):
        at = now - (minutes - minute) * 60 + 5
        count = 4 + (minute * 7) % 9
        events = [_event(minute * 100 + index, at) for index in range(count)]
        outbox.take_in(events, names if minute > minutes - 4 else names[:1], at)
        _finish(outbox, BUSY, at, minute)
    outbox.take_in([_event(999_999, now - 7)], [BUSY, IDLE], now - 7)
    _finish(outbox, IDLE, now - 6, 1)
    outbox.lease(BUSY, "worker", now, 60.0)
    outbox.hold(HELD, f"the vendor answered 401: {HOSTILE}", "Check the API key", now - 840)
    outbox.pause(PAUSED, now + 75, "the vendor asked for a pause: 429 with Retry-After")
    outbox.set_alarm(BUSY, "40 % of the last 50 requests were refused")
    outbox.close()
    return path


def _event(number: int, at: float) -> NewEvent:
    event = {"type": "track", "event": f"Order {HOSTILE}", "userId": f"u{number % 7}", "messageId": f"m{number}"}
    source = "web" if number % 3 else "ios"
    return NewEvent(source, f"m{number}", "2027-01-15T08:00:00.000Z", orjson.dumps(event), keys=keys_of(event))


def _finish(outbox: SqliteOutbox, name: str, at: float, minute: int) -> None:
    fence = outbox.lease(name, "worker", at, 5.0)
    assert fence is not None
    kinds = [Outcome.DELIVERED] * 8 + [Outcome.IGNORED, Outcome.INVALID if minute % 4 else Outcome.REJECTED]
    waiting = outbox.waiting(name, -1, 100)
    changes = [
        Change(each.place, kinds[(index + minute) % 10], "200 OK", digest="0123456789abcdef")
        for index, each in enumerate(waiting)
    ]
    outbox.write(name, fence, changes, at)
    outbox.release(name, "worker")
