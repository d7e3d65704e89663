"""The data of the emulated app: users, companies and their members, events, page views."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.state import Row, State, to_iso
from engine.sandbox.vendors.user_com import attributes

SCHEMA = (
    attributes.SCHEMA
    + """
    CREATE TABLE IF NOT EXISTS user_com_users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, custom_id TEXT UNIQUE, user_key TEXT UNIQUE, fields TEXT NOT NULL,
        attributes TEXT NOT NULL,
        page_views INTEGER NOT NULL DEFAULT 0, first_seen REAL NOT NULL, last_seen REAL, updated REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS user_com_companies (
        id INTEGER PRIMARY KEY AUTOINCREMENT, custom_id TEXT UNIQUE, fields TEXT NOT NULL, attributes TEXT NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS user_com_members (
        company INTEGER NOT NULL, user INTEGER NOT NULL, since REAL NOT NULL, PRIMARY KEY (company, user)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS user_com_members_of ON user_com_members (user);
    CREATE TABLE IF NOT EXISTS user_com_event_names (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
    CREATE TABLE IF NOT EXISTS user_com_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user INTEGER NOT NULL, name TEXT NOT NULL, timestamp REAL NOT NULL,
        data TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS user_com_views (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user INTEGER NOT NULL, domain TEXT NOT NULL, path TEXT NOT NULL,
        timestamp REAL NOT NULL
    );
"""
)
USER_BY = {
    "id": "SELECT id FROM user_com_users WHERE id = ?",
    "custom_id": "SELECT id FROM user_com_users WHERE custom_id = ?",
    "key": "SELECT id FROM user_com_users WHERE user_key = ?",
}
COMPANY_BY = {
    "id": "SELECT id FROM user_com_companies WHERE id = ?",
    "custom_id": "SELECT id FROM user_com_companies WHERE custom_id = ?",
}
ADD_USER = """
    INSERT INTO user_com_users (custom_id, fields, attributes, first_seen, updated) VALUES (?, '{}', '{}', ?, ?)
"""
ADD_COMPANY = (
    "INSERT INTO user_com_companies (custom_id, fields, attributes, created, updated) VALUES (?, '{}', '{}', ?, ?)"
)
ADD_EVENT = "INSERT INTO user_com_events (user, name, timestamp, data) VALUES (?, ?, ?, ?)"
ADD_VIEW = "INSERT INTO user_com_views (user, domain, path, timestamp) VALUES (?, ?, ?, ?)"
SEEN = """
    UPDATE user_com_users SET page_views = page_views + 1, last_seen = max(coalesce(last_seen, ?1), ?1) WHERE id = ?2
"""
COMPANIES_OF = """
    SELECT c.id, json_extract(c.fields, '$.name'), m.since FROM user_com_members m
    JOIN user_com_companies c ON c.id = m.company WHERE m.user = ? ORDER BY c.id
"""
MEMBERS = "SELECT user FROM user_com_members WHERE company = ? ORDER BY user"
USER = "SELECT * FROM user_com_users WHERE id = ?"
COMPANY = "SELECT * FROM user_com_companies WHERE id = ?"
SHORT_KEY = 12


class Model:
    """Users and companies by number; everything else belongs to them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def find_users(self, key: str, value: str | int) -> list[int]:
        """Return the users with this id, custom_id or key."""
        return [number for (number,) in self._state.all(USER_BY[key], (value,))]

    def find_company(self, key: str, value: str | int) -> int | None:
        """Return the company with this id or custom_id."""
        row = self._state.one(COMPANY_BY[key], (value,))
        return row[0] if row else None

    def add_user(self, custom_id: str | None, now: float) -> int:
        """Create a user; its key is derived from its number, so that a run can be repeated."""
        number = int(self._state.execute(ADD_USER, (custom_id, now, now)).lastrowid or 0)
        key = blake2b(str(number).encode(), digest_size=8, person=b"user_key").hexdigest()[:SHORT_KEY]
        self._state.execute("UPDATE user_com_users SET user_key = ? WHERE id = ?", (key, number))
        return number

    def add_company(self, custom_id: str | None, now: float) -> int:
        """Create a company."""
        return int(self._state.execute(ADD_COMPANY, (custom_id, now, now)).lastrowid or 0)

    def change(self, kind: str, number: int, fields: JsonObject, values: JsonObject, now: float) -> None:
        """Set fields and attributes of a user or a company; others keep their values."""
        table = {"user": "user_com_users", "company": "user_com_companies"}[kind]
        row: Any = self._state.one(f"SELECT fields, attributes FROM {table} WHERE id = ?", (number,))  # noqa: S608
        changed = (_patched(row[0], fields), _patched(row[1], values), now, number)
        self._state.execute(f"UPDATE {table} SET fields = ?, attributes = ?, updated = ? WHERE id = ?", changed)  # noqa: S608

    def set_company_custom_id(self, company: int, custom_id: str) -> None:
        """Change a company's custom ID."""
        self._state.execute("UPDATE user_com_companies SET custom_id = ? WHERE id = ?", (custom_id, company))

    def remove_user(self, user: int) -> None:
        """Remove a user and everything that belongs to it."""
        for sql in ("members WHERE user", "events WHERE user", "views WHERE user", "users WHERE id"):
            self._state.execute(f"DELETE FROM user_com_{sql} = ?", (user,))  # noqa: S608

    def add_member(self, company: int, user: int, now: float) -> None:
        """Add a member; `since` stays that of the first time."""
        self._state.execute("INSERT OR IGNORE INTO user_com_members VALUES (?, ?, ?)", (company, user, now))

    def add_event(self, user: int, name: str, timestamp: float, data: JsonObject) -> tuple[int, bool]:
        """Store an event; also return whether it is the first with its name."""
        first = self._state.execute("INSERT OR IGNORE INTO user_com_event_names (name) VALUES (?)", (name,)).rowcount
        row = (user, name, timestamp, orjson.dumps(data).decode())
        return int(self._state.execute(ADD_EVENT, row).lastrowid or 0), first == 1

    def add_view(self, user: int, domain: str, path: str, timestamp: float) -> int:
        """Store a page view: count it, and move `last_seen` forward only."""
        self._state.execute(SEEN, (timestamp, user))
        return int(self._state.execute(ADD_VIEW, (user, domain, path, timestamp)).lastrowid or 0)

    def user(self, number: int) -> JsonObject:
        """Return a user in the API's format."""
        row: Any = self._state.one(USER, (number,))
        return _user(row, self._state.all(COMPANIES_OF, (number,)))

    def company(self, number: int) -> JsonObject:
        """Return a company in the API's format."""
        row: Any = self._state.one(COMPANY, (number,))
        return _company(row, [user for (user,) in self._state.all(MEMBERS, (number,))])


def _patched(text: str, changes: JsonObject) -> str:
    return orjson.dumps({**orjson.loads(text), **changes}).decode()


def _user(row: Row, companies: list[Row]) -> JsonObject:
    number, custom_id, key, fields_text, attributes_text, views, first_seen, last_seen, updated = row
    fields: JsonObject = orjson.loads(fields_text)
    names = [str(name) for name in (fields.get("first_name"), fields.get("last_name")) if name]
    own: JsonObject = {
        "id": number,
        "custom_id": custom_id,
        "user_key": key,
        "email": None,
        "gender": "unknown",
        "status": "visitor",
        "browser": fields.get("browser_family"),
        "browser_language": fields.get("language"),
        "os_type": fields.get("os"),
        "last_ip": fields.get("ip_address"),
        "page_views": views,
        "first_seen": to_iso(first_seen),
        "last_seen": None if last_seen is None else to_iso(last_seen),
        "created_at": to_iso(first_seen),
        "updated_at": to_iso(updated),
        "tags": [],
        "lists": [],
        "companies": [{"id": of, "name": name, "member_since": to_iso(since)} for of, name, since in companies],
    }
    set_fields = {name: value for name, value in fields.items() if value is not None}
    name: JsonObject = {"name": fields.get("name") or " ".join(names) or None}
    return {**orjson.loads(attributes_text), **own, **set_fields, **name}


def _company(row: Row, members: list[Json]) -> JsonObject:
    number, custom_id, fields, attributes_text, created, updated = row
    empty = dict.fromkeys(("name", "address", "category", "city", "country", "description", "email"))
    empty |= dict.fromkeys(("phone_numbers", "postal_code", "region", "size"))
    own: JsonObject = {"id": number, "custom_id": custom_id, "employees": members, "tags": []}
    times: JsonObject = {"created_at": to_iso(created), "updated_at": to_iso(updated)}
    return {**orjson.loads(attributes_text), **empty, **orjson.loads(fields), **own, **times}
