"""What a connection does for a deletion: whether its mapping has a delete call, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.delivery.configured_connection import DELETE, ConfiguredConnection
from engine.records import JsonObject, Outcome

QUEUE = "queue"
"""A connection that gets a delete event."""

QUEUED = "queued"
BY_HAND = "by hand"
LOOK = "look"
"""A person has to look at something else than a connection."""
LEAVES_OUT = "`calls` of the connection leaves out delete"


class VendorPart(NamedTuple):
    """The part of one connection: `state` is `QUEUE`, `QUEUED`, `BY_HAND`, `LOOK` or an outcome; `reason` says more."""

    state: str
    reason: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a person has to do it."""
        return self.state in (BY_HAND, LOOK, Outcome.REJECTED, Outcome.INVALID, Outcome.IGNORED)

    @property
    def finished(self) -> bool:
        """Whether nothing more is going to happen."""
        return self.state not in (QUEUE, QUEUED)


def part_of(configured: ConfiguredConnection) -> VendorPart:
    """Return what a connection does for deletions."""
    mapping = configured.mapping
    if DELETE not in {*mapping.calls, *mapping.shared}:
        return VendorPart(BY_HAND, f"the mapping {mapping.name} has no delete call")
    if configured.calls is not None and DELETE not in configured.calls:
        return VendorPart(BY_HAND, LEAVES_OUT)
    return VendorPart(QUEUE)


def parts_of(connections: Iterable[ConfiguredConnection]) -> JsonObject:
    """Return the parts of connections as a deletion keeps them."""
    return as_json({each.name: part_of(each) for each in connections})


def as_json(parts: Mapping[str, VendorPart]) -> JsonObject:
    """Return parts as a deletion keeps them."""
    return {name: [*part] for name, part in parts.items()}


def from_json(vendors: JsonObject) -> dict[str, VendorPart]:
    """Return the parts that a deletion keeps."""
    return {name: VendorPart(*map(str, part)) for name, part in vendors.items() if isinstance(part, list)}
