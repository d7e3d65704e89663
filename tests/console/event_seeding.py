"""Events for the pages of events: what was really delivered to the sandbox, and what only a hostile sender would send."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from engine.collector.sources import load
from engine.console.site import Site
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.keeping import Discarded
from engine.delivery.outbox.keys import keys_of
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome, Report

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>\u202e\x1b[31m\x00'\"{{7*7}}&amp;"
SHOWN = "\\u202e\\u001b[31m\\u0000"
"""What pages show of the characters that nobody sees."""
NOW = 1_800_000_000.0


def site_of(folder: Path, **more: Any) -> Site:
    """Return a site that knows an outbox and the connections beside it."""
    found = load(folder / "connections.yaml", os.environ, (), required=False)
    return Site(outbox_file=folder / "outbox.db", connections=lambda: found.file.connections, **more)


def new_event(value: dict[str, Any], number: object, source: str = "web") -> NewEvent:
    """Return an event at intake."""
    raw = orjson.dumps(value)
    return NewEvent(source, str(number), "2027-01-15T08:00:00.000Z", raw, keys=keys_of(value))


def hostile_outbox(path: Path) -> Path:
    """Write an outbox in which every text is hostile or too large, and return its path."""
    nested: Any = HOSTILE
    for _ in range(90):
        nested = {HOSTILE: [nested]}
    events = [
        {"type": HOSTILE, "event": HOSTILE, "userId": HOSTILE, "messageId": HOSTILE, "properties": {HOSTILE: HOSTILE}},
        {"type": "track", "event": "Large", "userId": "u", "properties": {"text": "x" * 1_000_000}},
        {"type": "track", "event": "Wide", "userId": "u", "properties": {f"key {n}": n for n in range(10_000)}},
        {"type": "track", "event": "Deep", "userId": "u", "properties": nested},
    ]
    outbox = SqliteOutbox(path)
    news = [new_event(each, HOSTILE if number == 0 else f"m{number}", HOSTILE) for number, each in enumerate(events)]
    news.append(NewEvent(HOSTILE, "broken", HOSTILE, b"{" + HOSTILE.encode(), (Report(HOSTILE, HOSTILE, HOSTILE),), ()))
    outbox.take_in(news, [HOSTILE], NOW - 60)
    fence = outbox.lease(HOSTILE, HOSTILE, NOW, 60.0)
    assert fence is not None
    number = round((NOW - 30) * 1e6)
    attempt = Attempt(
        number, 12, HOSTILE, HOSTILE, HOSTILE, 1, 400, HOSTILE, True, HOSTILE, HOSTILE, f"<b>{HOSTILE}", 7
    )
    changes = [
        Change(each.place, Outcome.REJECTED, f'"{HOSTILE}" is bad', HOSTILE, HOSTILE, attempts=str(number))
        for each in outbox.waiting(HOSTILE, -1, 10)
    ]
    outbox.write(HOSTILE, fence, changes, NOW - 20, [attempt])
    outbox.keep_discards([Discarded(HOSTILE, NOW, HOSTILE, HOSTILE, HOSTILE, HOSTILE.encode())], {HOSTILE: 1}, NOW)
    outbox.close()
    return path
