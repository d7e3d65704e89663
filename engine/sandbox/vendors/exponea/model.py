"""The data of the emulated project: customers, their IDs, their events.

Each property has its own timestamp: "overwritten only if the stored value is older" applies to single properties
(reference/update-customer-properties-2). Two events are duplicates if customer, type, timestamp and properties are
equal; deduplication is documented, the key is [I].
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.state import State

SCHEMA = """
    CREATE TABLE IF NOT EXISTS exponea_customers (
        id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, properties BLOB NOT NULL, stamps BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS exponea_ids (
        name TEXT NOT NULL, value TEXT NOT NULL, customer INTEGER NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (name, value)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS exponea_ids_of ON exponea_ids (customer, name);
    CREATE TABLE IF NOT EXISTS exponea_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, customer INTEGER NOT NULL, type TEXT NOT NULL, timestamp REAL NOT NULL,
        properties BLOB NOT NULL, digest BLOB NOT NULL, UNIQUE (customer, digest)
    );
"""
PROPERTIES = "SELECT properties, stamps FROM exponea_customers WHERE id = ?"
SET_PROPERTIES = "UPDATE exponea_customers SET properties = ?, stamps = ? WHERE id = ?"
ADD_EVENT = """
    INSERT OR IGNORE INTO exponea_events (customer, type, timestamp, properties, digest) VALUES (?, ?, ?, ?, ?)
"""
MOVE_EVENTS = "UPDATE OR IGNORE exponea_events SET customer = ? WHERE customer = ?"
REMOVE_EVENTS = "DELETE FROM exponea_events WHERE customer = ?"
REMOVE_CUSTOMER = "DELETE FROM exponea_customers WHERE id = ?"
EVENTS_OF = "SELECT type, timestamp, properties FROM exponea_events WHERE customer = ? ORDER BY timestamp, id"
CUSTOMERS = "SELECT id, properties FROM exponea_customers ORDER BY id DESC LIMIT ?"
EVENTS = "SELECT customer, type, timestamp, properties FROM exponea_events ORDER BY id DESC LIMIT ?"
EVENT_PROPERTIES = "SELECT id, properties FROM exponea_events WHERE customer = ?"
SET_EVENT_PROPERTIES = "UPDATE exponea_events SET properties = ?, digest = ? WHERE id = ?"
EVENTS_PER = "SELECT count(*) FROM exponea_events WHERE customer = ?"

Stamped = dict[str, float]


class Customers:
    """The customers' properties and events; `CustomerIdentity` has their IDs."""

    def __init__(self, state: State, attributes: int) -> None:
        self._state = state
        self._attributes = attributes

    def update(self, customer: int, properties: JsonObject, stamp: float | None, now: float) -> None:
        """Set the properties whose stored value is older than `stamp`; without a stamp, set all."""
        current, stamps = self._load(customer)
        for name, value in properties.items():
            if name in current:
                if stamp is not None and stamps[name] >= stamp:
                    continue
            elif len(current) >= self._attributes:
                # Documented: beyond the limit, new attributes are discarded.
                self._state.count("exponea", "attributes_discarded")
                continue
            current[name] = value
            stamps[name] = now if stamp is None else stamp
        self._save(customer, current, stamps)

    def add_event(self, customer: int, kind: str, timestamp: float, properties: bytes) -> bool:
        """Store an event; return false for a duplicate."""
        digest = blake2b(f"{timestamp!r} {kind} ".encode() + properties, digest_size=16).digest()
        row = (customer, kind, timestamp, properties, digest)
        return self._state.execute(ADD_EVENT, row).rowcount == 1

    def merge(self, source: int, target: int, now: float) -> None:
        """Move events to the older customer, add properties (the newer value wins), track a `merge` event."""
        current, stamps = self._load(target)
        other, other_stamps = self._load(source)
        for name, value in other.items():
            if name not in current or other_stamps[name] > stamps[name]:
                current[name], stamps[name] = value, other_stamps[name]
        self._save(target, current, stamps)
        self._state.execute(MOVE_EVENTS, (target, source))
        self._state.execute(REMOVE_EVENTS, (source,))
        self._state.execute(REMOVE_CUSTOMER, (source,))
        # [I] The properties of a merge event are not documented; the number distinguishes merges at the same time.
        self.add_event(target, "merge", now, orjson.dumps({"merged_customer": source}))

    def remove_properties(self, customer: int, names: tuple[str, ...]) -> None:
        """Remove these properties of a customer and of its events; without names, all."""
        current, stamps = self._load(customer)
        kept = _without(current, names)
        self._save(customer, kept, {name: stamps[name] for name in kept})
        for number, properties in self._state.all(EVENT_PROPERTIES, (customer,)):
            left = orjson.dumps(_without(orjson.loads(properties), names))
            # The digest would tell whoever guesses them what the properties were.
            self._state.execute(SET_EVENT_PROPERTIES, (left, b"%d" % number, number))

    def properties(self, customer: int) -> JsonObject:
        """Return a customer's properties."""
        return self._load(customer)[0]

    def events(self, customer: int, kinds: list[str] | None = None) -> list[Json]:
        """Return a customer's events by time, optionally of some types only."""
        rows = self._state.all(EVENTS_OF, (customer,))
        return [_event(*row) for row in rows if kinds is None or row[0] in kinds]

    def newest(self, limit: int) -> list[tuple[int, JsonObject]]:
        """Return the newest customers, oldest first."""
        rows = self._state.all(CUSTOMERS, (limit,))
        return [(number, orjson.loads(properties)) for number, properties in reversed(rows)]

    def newest_events(self, limit: int) -> list[tuple[int, JsonObject]]:
        """Return the newest events, oldest first."""
        return [(row[0], _event(*row[1:])) for row in reversed(self._state.all(EVENTS, (limit,)))]

    def event_count(self, customer: int) -> int:
        """Count a customer's events."""
        return self._state.number(EVENTS_PER, (customer,))

    def _load(self, customer: int) -> tuple[JsonObject, Stamped]:
        row: Any = self._state.one(PROPERTIES, (customer,))
        return orjson.loads(row[0]), orjson.loads(row[1])

    def _save(self, customer: int, properties: JsonObject, stamps: Stamped) -> None:
        self._state.execute(SET_PROPERTIES, (orjson.dumps(properties), orjson.dumps(stamps), customer))


def _without(properties: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: value for name, value in properties.items() if names and name not in names}


def _event(kind: str, timestamp: float, properties: bytes) -> JsonObject:
    return {"type": kind, "timestamp": timestamp, "properties": orjson.loads(properties)}
