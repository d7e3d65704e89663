"""An event as it came, and normalized: a field is named, shown and changed where its author wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.events.normalizing import Normalized, fields_of
from engine.explaining.influence import leaves
from engine.explaining.outputs import Route
from engine.plan import Connection
from engine.records import Json, JsonObject, Plan


class OriginalEvent(NamedTuple):
    """An event as it came (`value`), and normalized with `received_at` and the clock `now`, in Unix seconds."""

    value: Json
    normalized: Normalized
    received_at: str | None
    now: float

    @property
    def event(self) -> JsonObject:
        """Return the event as it came; `{}` where it is none that could be mapped."""
        return self.value if isinstance(self.value, dict) and self.normalized.invalid is None else {}

    def fields(self) -> Iterator[tuple[Route, Json]]:
        """Return the fields that mappings may be about, as they came."""
        return leaves(self.event)

    def replanned(self, connection: Connection, event: JsonObject) -> Plan:
        """Plan this event with other fields; what is asked is the mapping, so the rules of all events do not count."""
        normalized = Normalized(*fields_of(event, self.received_at, self.now, self.normalized.size))
        return connection.plan_normalized(normalized._replace(invalid=None), now=self.now)
