"""Which partition an event belongs to: a hash of one of its ids, so that the order of that id's events holds. Pure.

| call | key |
|---|---|
| alias | previousId: what the old id did comes before |
| delete | userId |
| any other | anonymousId, else userId, else groupId (group), else the messageId |

A device's way from anonymous to identified stays in one partition, because its anonymousId does. A source whose
events have better userIds than anonymousIds, such as a server, has `partition_by: userId`: that one is then the first.
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

from engine.events.ids import id_of_number, is_id_text
from engine.records import Json, JsonObject

ANONYMOUS, USER, PREVIOUS, GROUP = "anonymousId", "userId", "previousId", "groupId"
FIRST = {"alias": PREVIOUS, "delete": USER}
CHOICES = (ANONYMOUS, USER)
"""What `partition_by` of a source may say; the first is the default."""


def partition_of(event: JsonObject | bytes, count: int, by: str | None = None, message_id: str | None = None) -> int:
    """Return the partition, from 0 to `count` - 1, of an event or of its JSON; `by` is the source's `partition_by`.

    `message_id` is for events that have none of their own. Bytes that are no JSON object belong to some partition too.
    """
    key = partition_key(_object(event) if isinstance(event, bytes) else event, by) or message_id or ""
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def partition_key(event: JsonObject, by: str | None = None) -> str:
    """Return the text whose hash is an event's partition, '' if the event has no id at all."""
    call = event.get("type")
    names = [FIRST.get(call) if type(call) is str else None, by, *CHOICES, *[GROUP] * (call == "group")]
    for name in names:
        if name and (key := _id(event.get(name))):
            return key
    own = event.get("messageId")
    return own if type(own) is str else ""


def _id(value: Json) -> str:
    """Return what normalizing makes of an id, '' for what it leaves out: an id has one partition however it came."""
    return value if is_id_text(value) else id_of_number(value) or ""


def _object(raw: bytes) -> JsonObject:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
