"""Segment's calls as tables: the calls, and the fields of each.

They follow https://segment.com/docs/connections/spec/; `delete` is what Segment sends to destinations for a person
who asked to be forgotten (https://segment.com/docs/partners/).  Mappings do not see any other field of an event;
it is left as it came.
"""

from __future__ import annotations

COMMON = (
    "type",
    "messageId",
    "userId",
    "anonymousId",
    "timestamp",
    "sentAt",
    "receivedAt",
    "originalTimestamp",
    "context",
    "integrations",
)

FIELDS: dict[str, tuple[str, ...]] = {
    "identify": (*COMMON, "traits"),
    "track": (*COMMON, "event", "properties"),
    "page": (*COMMON, "name", "category", "properties"),
    "screen": (*COMMON, "name", "category", "properties"),
    "group": (*COMMON, "groupId", "traits"),
    "alias": (*COMMON, "previousId"),
    "delete": COMMON,
}
"""The fields of a call that are in a mapping's scope, by call."""

IDS = ("userId", "anonymousId", "groupId", "previousId")
OWN_OBJECTS = ("properties", "traits")
TITLES = ("name", "category")

NEEDS_NO_ID = frozenset({"alias", "delete"})
"""Calls that may come without userId and anonymousId; the mapping decides what to do with them."""

CONTEXT: dict[str, tuple[str, ...]] = {
    "active": (),
    "amp": (),
    "app": ("name", "version", "build", "namespace"),
    "campaign": ("name", "source", "medium", "term", "content", "id"),
    "channel": (),
    "client": (),
    "consent": ("categoryPreferences",),
    "device": (
        *("id", "advertisingId", "adTrackingEnabled", "manufacturer", "model", "name", "type", "version", "token"),
        "trackingStatus",
    ),
    "direct": (),
    "externalId": (),
    "externalIds": (),
    "groupId": (),
    "instanceId": (),
    "ip": (),
    "library": ("name", "version"),
    "locale": (),
    "location": ("city", "country", "latitude", "longitude", "region", "speed"),
    "network": ("bluetooth", "carrier", "cellular", "wifi"),
    "os": ("name", "version"),
    "page": ("path", "referrer", "search", "title", "url"),
    "personas": (),
    "protocols": (),
    "referrer": ("id", "type", "name", "url", "link"),
    "screen": ("width", "height", "density"),
    "sessionId": (),
    "sessionStart": (),
    "timezone": (),
    "traits": (),
    "userAgent": (),
    "userAgentData": ("brands", "mobile", "platform"),
}
"""What the spec and Segment's libraries have in `context`, and inside it where they name that too; anything else may
come as well (https://segment.com/docs/connections/spec/common/#context)."""

NEVER_BLANK = frozenset({"type", "userId", "anonymousId", "groupId", "previousId", "event", "timestamp"})
"""Fields that are absent, or texts that are not blank, once an event is normalized."""
