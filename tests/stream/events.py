"""Events for tests of streams."""

from __future__ import annotations

import orjson

from engine.delivery.outbox.base import NewEvent
from engine.records import Json

RECEIVED_AT = "2026-01-02T03:04:05.000Z"


def event(number: int, source: str = "web", **fields: Json) -> NewEvent:
    """Return a track call with the messageId `m{number}`; `fields` are added to it."""
    raw = {"type": "track", "event": "Seen", "messageId": f"m{number}", "anonymousId": "a", **fields}
    return NewEvent(source, f"m{number}", RECEIVED_AT, orjson.dumps(raw))
