"""Made outbox-version-3.db.xz, with the code before version 4 of the file: `python make_old_outbox.py FILE`.

Events of all outcomes, of three connections, one of them held and one that pauses; half-done ones, replayed ones,
duplicates, reports, hostile texts, and what a purge leaves.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from random import Random

import orjson

from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.reports import EventReports
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome, Report

NOW = 1_767_225_600.0
NAMES = ("Order Completed", "Cart Viewed", "\x1b[2J<b>\u202e", "é" * 40)
REPORT = Report("id-converted", "userId", "userId is the number 7; it was converted to text")
DONE = (Outcome.DELIVERED, Outcome.DELIVERED, Outcome.IGNORED, Outcome.REJECTED, Outcome.INVALID, Outcome.WAITING)
REASONS = ("1 request accepted", "the vendor answered 422", "field email is required but missing")


def event(random: Random, number: int) -> NewEvent:
    value = {
        "type": random.choice(["track", "page", "identify", "group"]),
        "messageId": f"m{number}",
        "userId": random.choice([f"u{random.randrange(50)}", random.randrange(50), None]),
        "anonymousId": f"a{random.randrange(200)}",
        "event": random.choice(NAMES),
        "context": {"traits": {"email": f"Person{random.randrange(30)}@example.com"}},
    }
    raw = b"not JSON" if number % 500 == 0 else b"[1]" if number % 501 == 0 else orjson.dumps(value)
    return NewEvent(
        random.choice(["web", "app"]), f"m{number}", "2026-01-01T00:00:00.000Z", raw, (REPORT,) * (number % 7 == 0)
    )


def finish(outbox: SqliteOutbox, random: Random, name: str, now: float) -> None:
    fence = outbox.lease(name, "worker", now, 10)
    changes = []
    for row in outbox.waiting(name, 0, 300):
        outcome = random.choice(DONE)
        progress = '{"done":1}' if outcome is Outcome.WAITING else None
        reports = EventReports(row.reports, (REPORT,) * (row.place % 11 == 0))
        reason = random.choice(REASONS)
        changes.append(Change(row.place, outcome, reason, "Bad Email" * (row.place % 3), "d1", progress, now, reports))
    assert fence is not None
    outbox.write(name, fence, changes, now)
    outbox.release(name, "worker")


def main(path: Path) -> None:
    random, now = Random(3), NOW
    outbox = SqliteOutbox(path)
    for start in range(0, 3000, 100):
        now += 60
        events = [event(random, number) for number in range(start, start + 100)]
        outbox.take_in([*events, *events[:3]], ["shop", "crm"] if start % 300 else ["shop", "crm", "mail"], now)
        for name in ("shop", "crm"):
            finish(outbox, random, name, now + 1)
    outbox.replay([row.place for row in outbox.waiting("shop", 0, 5)] + [30, 40], "replayed", now)
    outbox.purge(NOW + 180)
    outbox.hold("mail", "the vendor answered 401", "Check the token.", now)
    outbox.pause("crm", now + 600, "the vendor answered 503")
    outbox.set_alarm("shop", "half are refused")
    outbox.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM")
    db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
