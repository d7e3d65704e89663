"""The data of the emulated Extole: persons, their parameters, their events.

Identity, as far as it is published: the email is the primary key and the only key that merges persons; the
partner_user_id finds a person but is not unique; a person_id identifies one. Two emails never merge. The rest is [I]:
an event without any of these keys creates an anonymous person.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.state import Row, State
from engine.sandbox.vendors.extole.access import ExtoleError

SCHEMA = """
    CREATE TABLE IF NOT EXISTS extole_persons (
        id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE, partner_user_id TEXT, first_name TEXT,
        last_name TEXT, erased INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS extole_persons_by_user ON extole_persons (partner_user_id);
    CREATE TABLE IF NOT EXISTS extole_parameters (
        person INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, scope TEXT NOT NULL,
        PRIMARY KEY (person, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS extole_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL, name TEXT NOT NULL, time TEXT NOT NULL,
        data TEXT NOT NULL, container TEXT NOT NULL, unique_key TEXT, duplicate_of INTEGER
    );
    CREATE INDEX IF NOT EXISTS extole_events_of ON extole_events (person);
    CREATE INDEX IF NOT EXISTS extole_events_by_key ON extole_events (name, unique_key);
    CREATE INDEX IF NOT EXISTS extole_events_by_conversion
        ON extole_events (json_extract(data, '$.partner_conversion_id'));
"""
COLUMNS = "id, email, partner_user_id, first_name, last_name, erased"
BY_ID = f"SELECT {COLUMNS} FROM extole_persons WHERE id = ?"  # noqa: S608  our own column names
BY_EMAIL = "SELECT id FROM extole_persons WHERE email = ?"
BY_USER = "SELECT id FROM extole_persons WHERE partner_user_id = ? ORDER BY id"
BY_USER_WITHOUT_EMAIL = "SELECT id FROM extole_persons WHERE partner_user_id = ? AND email IS NULL ORDER BY id LIMIT 1"
BY_CONVERSION = "SELECT DISTINCT person FROM extole_events WHERE json_extract(data, '$.partner_conversion_id') = ?"
CREATE = "INSERT INTO extole_persons DEFAULT VALUES"
SET_FIELDS = """
    UPDATE extole_persons SET email = coalesce(?, email), partner_user_id = coalesce(?, partner_user_id),
        first_name = coalesce(?, first_name), last_name = coalesce(?, last_name) WHERE id = ?
"""
ERASE = """
    UPDATE extole_persons SET email = NULL, partner_user_id = NULL, first_name = NULL, last_name = NULL, erased = 1
    WHERE id = ?
"""
SET_PARAMETER = "INSERT OR REPLACE INTO extole_parameters VALUES (?, ?, ?, ?)"
ADD_PARAMETER = (
    "INSERT OR IGNORE INTO extole_parameters SELECT ?, name, value, scope FROM extole_parameters WHERE person = ?"
)
PARAMETERS = "SELECT name, value, scope FROM extole_parameters WHERE person = ? ORDER BY name"
REMOVE_PARAMETERS = "DELETE FROM extole_parameters WHERE person = ?"
REMOVE_PERSON = "DELETE FROM extole_persons WHERE id = ?"
FIRST_WITH_KEY = """
    SELECT id FROM extole_events WHERE name = ? AND unique_key = ? AND duplicate_of IS NULL ORDER BY id LIMIT 1
"""
ADD_EVENT = """
    INSERT INTO extole_events (person, name, time, data, container, unique_key, duplicate_of)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
EVENT = "id, person, name, time, data, container, duplicate_of"
EVENTS_OF = f"SELECT {EVENT} FROM extole_events WHERE person = ? ORDER BY id"  # noqa: S608
NEWEST_EVENTS = f"SELECT {EVENT} FROM extole_events ORDER BY id DESC LIMIT ?"  # noqa: S608
NEWEST = "SELECT id FROM extole_persons ORDER BY id DESC LIMIT ?"

# Ids of the real API are long numbers written as text.
FIRST_ID = 7_000_000_000_000_000_000
ID_DIGITS = len(str(FIRST_ID))


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKeys:
    """The keys of a person in an event."""

    email: str | None = None
    partner_user_id: str | None = None
    person_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class Persons:
    """Persons, parameters and events, by their short numbers; the API uses `long_id`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def resolve(self, keys: PersonKeys) -> int:
        """Return the person of an event; creates, updates or merges persons as needed."""
        person = self._find(keys)
        fields = (self._free_email(keys, person), keys.partner_user_id, keys.first_name, keys.last_name)
        self._state.execute(SET_FIELDS, (*fields, person))
        return person

    def _find(self, keys: PersonKeys) -> int:
        if keys.person_id is not None:
            return self.by_id(keys.person_id)
        with_email = self._first(BY_EMAIL, keys.email)
        if keys.email is None:
            # Not guaranteed unique: [I] the first one created.
            found = self._first(BY_USER, keys.partner_user_id)
        else:
            found = self._first(BY_USER_WITHOUT_EMAIL, keys.partner_user_id)
        if with_email and found and with_email != found:
            self._merge(found, with_email)
        return with_email or found or int(self._state.execute(CREATE).lastrowid or 0)

    def _free_email(self, keys: PersonKeys, person: int) -> str | None:
        """Return the email to set: only if the person has none and no other person has it."""
        owner = self._first(BY_EMAIL, keys.email)
        current = self.row(person)[1]
        return keys.email if owner is None and current is None else None

    def _merge(self, source: int, target: int) -> None:
        self._state.execute("UPDATE extole_events SET person = ? WHERE person = ?", (target, source))
        self._state.execute(ADD_PARAMETER, (target, source))
        self._state.execute(REMOVE_PARAMETERS, (source,))
        self._state.execute(REMOVE_PERSON, (source,))
        self._state.count("extole", "merges")

    def by_id(self, person_id: str) -> int:
        """Return the person with a long ID; raises `ExtoleError`."""
        number = int(person_id) - FIRST_ID if person_id.isdecimal() and len(person_id) == ID_DIGITS else 0
        if number <= 0 or self._state.one(BY_ID, (number,)) is None:
            raise ExtoleError("person_not_found", person_id=person_id)
        return number

    def find(self, key: str, value: str) -> list[int]:
        """Return the persons with an email, a partner_user_id or a partner_conversion_id."""
        sql = {"email": BY_EMAIL, "partner_user_id": BY_USER, "partner_conversion_id": BY_CONVERSION}.get(key)
        return [number for (number,) in self._state.all(sql, (value,))] if sql else []

    def row(self, person: int) -> Row:
        """Return a person's columns."""
        row = self._state.one(BY_ID, (person,))
        assert row is not None
        return row

    def add_event(self, event: tuple[int, str, str, str, str], unique: str | None) -> tuple[int, bool]:
        """Store (person, name, time, data, container); another event with its unique key is stored as a duplicate."""
        first = self._state.one(FIRST_WITH_KEY, (event[1], unique)) if unique else None
        duplicate_of = first[0] if first else None
        number = self._state.execute(ADD_EVENT, (*event, unique, duplicate_of)).lastrowid or 0
        return number, duplicate_of is not None

    def set_parameter(self, person: int, name: str, value: Json, scope: str) -> None:
        """Set one parameter of the profile."""
        self._state.execute(SET_PARAMETER, (person, name, orjson.dumps(value).decode(), scope))

    def parameters(self, person: int) -> list[JsonObject]:
        """Return a person's parameters."""
        rows = self._state.all(PARAMETERS, (person,))
        return [{"name": name, "value": orjson.loads(value), "scope": scope} for name, value, scope in rows]

    def events(self, person: int) -> list[JsonObject]:
        """Return a person's events in the order of arrival."""
        return [_event(row) for row in self._state.all(EVENTS_OF, (person,))]

    def newest_events(self, limit: int) -> list[JsonObject]:
        """Return the newest events, oldest first."""
        return [_event(row) for row in reversed(self._state.all(NEWEST_EVENTS, (limit,)))]

    def newest(self, limit: int) -> list[int]:
        """Return the newest persons, oldest first."""
        return [number for (number,) in reversed(self._state.all(NEWEST, (limit,)))]

    def erase(self, person: int) -> None:
        """Pseudonymize a person: personal data is removed; the events stay, without their data."""
        self._state.execute(ERASE, (person,))
        self._state.execute(REMOVE_PARAMETERS, (person,))
        self._state.execute("UPDATE extole_events SET data = '{}', unique_key = NULL WHERE person = ?", (person,))

    def _first(self, sql: str, value: str | None) -> int | None:
        row = self._state.one(sql, (value,)) if value else None
        return row[0] if row else None


def long_id(number: int) -> str:
    """Return the API's form of a short number."""
    return str(FIRST_ID + number)


def _event(row: Row) -> JsonObject:
    number, person, name, time, data, container, duplicate_of = row
    return {
        "event_id": long_id(number),
        "person_id": long_id(person),
        "event_name": name,
        "event_time": time,
        "data": orjson.loads(data),
        "container": container,
        "duplicate_of": long_id(duplicate_of) if duplicate_of else None,
    }
