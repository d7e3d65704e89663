"""The events that carry audiences and computed traits: an identify for each user who changed, as Engage makes them.

Pure: the same run gives the same bytes and the same messageIds, so a run that was interrupted doubles nothing.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

import orjson

from engine.delivery.intake import iso
from engine.delivery.outbox.base import AUDIENCES, NewEvent
from engine.delivery.outbox.keys import keys_of
from engine.records import Json, JsonObject

SOURCE = AUDIENCES
"""The source of these events in the outbox."""

AUDIENCE = "audience"
"""The kind of a definition that has members; the other has values."""

ALL, KEPT, ADDED = "all", "kept", "added"
"""Which connections a change is for: all, those that had the run before, those that a first sync brings up."""


class EventSeries(NamedTuple):
    """What the events of one run have in common; `identity` is of the archive's state, `moment` in Unix seconds."""

    key: str
    kind: str
    run: int
    moment: float
    identity: bytes


class MemberChange(NamedTuple):
    """One user who changed; `email` is set where that is the ID.

    `value` is JSON text: true or false for an audience, else the value of the computed trait, null if it is gone.
    """

    ordinal: int
    scope: str
    person_id: str
    user_id: str | None
    anonymous_id: str | None
    email: str | None
    value: str


def message_id(series: EventSeries, ordinal: int) -> str:
    """Return the messageId of a run's change: always the same one, and of no other change of any archive.

    The moment is in it because an archive that is restored from a backup numbers its next runs as before.
    """
    text = f"audience-{series.key}-{series.run}-{series.moment!r}-{ordinal}".encode()
    digest = blake2b(text, digest_size=16, key=series.identity).digest()
    return f"personas_{UUID(bytes=digest, version=5)}"


def new_event(series: EventSeries, change: MemberChange, integrations: JsonObject) -> NewEvent:
    """Return the event of a change, as it goes into the outbox."""
    identity = message_id(series, change.ordinal)
    event = event_of(series, change, integrations, identity)
    return NewEvent(SOURCE, identity, _iso(series.moment), orjson.dumps(event), (), keys_of(event))


def event_of(series: EventSeries, change: MemberChange, integrations: JsonObject, identity: str) -> JsonObject:
    """Return the identify call of a change; its time is that for which members were computed."""
    traits: JsonObject = {series.key: orjson.loads(change.value)}
    if change.email is not None:
        traits["email"] = change.email
    ids: dict[str, Json] = {"userId": change.user_id, "anonymousId": change.anonymous_id}
    return {
        "type": "identify",
        "messageId": identity,
        **{name: value for name, value in ids.items() if value is not None},
        "channel": "server",
        "traits": traits,
        "context": {"personas": personas(series)},
        "integrations": {"All": False, **integrations},
        "timestamp": _iso(series.moment),
    }


_iso = lru_cache(maxsize=16)(iso)


@lru_cache(maxsize=16)
def personas(series: EventSeries) -> JsonObject:
    """Return what says which definition an event is of, as Segment's own events do: the same for all its versions.

    All events of a series share it; nobody may change it.
    """
    is_audience = series.kind == AUDIENCE
    definition = blake2b(series.key.encode(), digest_size=14, key=series.identity).hexdigest()[:27]
    space = f"spa_{blake2b(series.identity, digest_size=8).hexdigest()}"
    return {
        "computation_class": "audience" if is_audience else "trait",
        "computation_id": f"{'aud' if is_audience else 'tra'}_{definition}",
        "computation_key": series.key,
        "namespace": space,
        "space_id": space,
    }
