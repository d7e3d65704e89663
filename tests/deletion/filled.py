"""An outbox with a person's events in every state, beside others', and what is found of the person in its files."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, Discarded, NewEvent
from engine.delivery.outbox.keys import keys_of
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.persons import PersonIds
from engine.records import JsonObject, Outcome

NOW = 1_767_300_000.0
USER, DEVICE, EMAIL = "user-7|x", "device-7-zzzz", "ann.secret@example.com"
FORMS = (USER, "user-7%7Cx", DEVICE, EMAIL, "ann.secret%40example.com", "Ann.Secret@Example.com")
IDS = PersonIds(frozenset({USER}), frozenset({DEVICE, USER}), frozenset({EMAIL}))
ANSWER = orjson.dumps({"errors": [{"id": USER, "email": EMAIL}, {"id": "bob-1"}]}).decode()


def new(number: int, event: JsonObject) -> NewEvent:
    event = {"type": "track", "event": "E", "messageId": f"m{number}", "timestamp": "2026-01-01T00:00:00Z", **event}
    return NewEvent("web", str(event["messageId"]), "2026-01-01T00:00:00Z", orjson.dumps(event), (), keys_of(event))


PERSONS: list[JsonObject] = [
    {"type": "identify", "userId": USER, "anonymousId": DEVICE, "traits": {"email": "Ann.Secret@Example.com"}},
    {"userId": USER, "messageId": f"{USER}-2"},
    {"anonymousId": DEVICE},
    {"type": "alias", "previousId": DEVICE, "userId": USER},
    {"userId": USER, "properties": {"text": "x" * 9000}},
]
OTHERS: list[JsonObject] = [
    {"userId": "user-7", "properties": {"n": 1}},
    {"userId": "user-7|xy"},
    {"userId": "bob-1", "properties": {"friend": EMAIL, "text": f"not {EMAIL.upper()} alone"[:4]}},
    {"userId": "bob-1", "anonymousId": DEVICE},
]


def filled(path: Path) -> SqliteOutbox:
    """Each of the persons' events is delivered, rejected, and waits after a try, at three connections; others' ended."""
    outbox = SqliteOutbox(path)
    events = [new(number, event) for number, event in enumerate([*PERSONS, *OTHERS])]
    outbox.take_in(events, ["a", "b", "c"], NOW)
    for name, outcome in (("a", Outcome.DELIVERED), ("b", Outcome.REJECTED), ("c", Outcome.WAITING)):
        fence = outbox.lease(name, "w", NOW, 10)
        assert fence is not None
        changes, attempts = [], []
        for number, row in enumerate(outbox.waiting(name, 0, 100), 1):
            mine = number <= len(PERSONS)
            end = outcome if mine else Outcome.REJECTED
            words = f'no "{USER}" (ann.secret@example.com)' if mine else "no"
            reason = f'userId is "{USER}"' if mine else "the vendor answered 422"
            changes.append(Change(row.place, end, reason, words, attempts=f"{number} 100"))
            attempts.append(
                Attempt(number, 5, "r", "POST", "https://v/user-7%7Cx", 1, 422, refused=True, answer=ANSWER)
            )
        attempts.append(Attempt(100, 5, "batch", "POST", "https://v/b", 9, 422, refused=True, answer=ANSWER))
        outbox.write(name, fence, changes, NOW, attempts)
    raw = orjson.dumps({"type": "x", "email": EMAIL})
    outbox.keep_discards([Discarded("web", NOW, "bad_request", "type", "d1", raw)], {"web": 1}, NOW)
    outbox.keep_discards([Discarded("web", NOW, "bad_request", "type", "d2", b'{"type":"y"}')], {"web": 1}, NOW)
    return outbox


def traces(path: Path) -> dict[str, list[str]]:
    """Return which files of an outbox have which forms of the person."""
    found = {}
    for file in path.parent.glob(f"{path.name}*"):
        content = file.read_bytes().replace(b"user-7|xy", b"")  # another user
        found[file.name] = [form for form in FORMS if form.encode() in content]
    return {name: forms for name, forms in found.items() if forms}
