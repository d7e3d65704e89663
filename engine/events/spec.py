"""Segment's calls as tables: which there are, and which fields each of them has.

https://segment.com/docs/connections/spec/ tells them; `delete` is what Segment sends to destinations for a
person who wants to be forgotten (https://segment.com/docs/partners/).  A field that is not a call's own is no
part of what mappings see of it, and is left as it came.
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
"""Calls that may come without userId and anonymousId: what to do with such a one is the mapping's choice."""
