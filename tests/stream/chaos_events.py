"""The events of the chaos tests, of the demo and of the benchmark: senders of several kinds, each with its sequence.

A sender is what a partition keeps in order: a device by its anonymousId, also while its user signs in and is aliased,
or a server by a userId. The messageId of a sender's n-th event is `SENDER:N`, from 0, and that is what arrives at the
vendor. Pure: the same numbers give the same events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.records import JsonObject

AT = "2026-01-01T00:00:00.000Z"
WINDOW = 50
"""Senders whose events come mixed: they send at the same time."""
SERVERS = 5
"""Every fifth sender is a server; the others are devices."""


def message_id(sender: int, number: int) -> str:
    """Return the messageId of a sender's event."""
    return f"{sender}:{number}"


def place_of(message: str) -> tuple[int, int]:
    """Return the sender and the number of an event by its messageId."""
    sender, _, number = message.partition(":")
    return int(sender), int(number)


def event(sender: int, number: int, of: int) -> JsonObject:
    """Return a sender's event; of a device's events the middle one says who it is, and the one after aliases."""
    head: JsonObject = {"messageId": message_id(sender, number), "timestamp": AT}
    user = f"user-{sender}"
    if sender % SERVERS == 0:
        return {**head, "type": "track", "event": "Invoice Paid", "userId": user, "properties": {"total": number}}
    device = f"507f191e-810c-4972-9de8-{sender:012d}"
    if number == of // 2:
        traits: JsonObject = {"plan": "pro", "email": f"{user}@example.com"}
        return {**head, "type": "identify", "anonymousId": device, "userId": user, "traits": traits}
    if number == of // 2 + 1:
        return {**head, "type": "alias", "previousId": device, "userId": user}
    who: JsonObject = {"anonymousId": device} if number < of // 2 else {"anonymousId": device, "userId": user}
    page: JsonObject = {"path": f"/lamps/{number}", "title": "Lamps", "referrer": "https://search.example.com/"}
    if number % 3 == 0:
        return {**head, "type": "page", **who, "name": "Lamp", "properties": page}
    return {**head, "type": "track", "event": "Lamp Viewed", **who, "properties": {"n": number, **page}}


def events(senders: range, each: int, seed: int = 1) -> Iterator[JsonObject]:
    """Yield `each` events of every sender: a sender's in order, those of WINDOW neighbors mixed."""
    chance = random.Random(f"{seed}/{senders.start}")
    for start in range(senders.start, senders.stop, WINDOW):
        turns = [sender for sender in senders[start - senders.start :][:WINDOW] for _ in range(each)]
        chance.shuffle(turns)
        sent = dict.fromkeys(turns, 0)
        for sender in turns:
            yield event(sender, sent[sender], each)
            sent[sender] += 1
