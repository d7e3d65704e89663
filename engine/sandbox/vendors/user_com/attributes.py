"""Custom attributes and their types, of users, companies and events (the Segment page of User.com).

An undefined name becomes an attribute of type `string`. A defined attribute converts what it can and skips what it
cannot. `[I]` The REST pages say that attributes "have to be created in the app before"; `new_attributes: ignore` does
that. How each type converts a value is [I], except for the page's own example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.state import State, from_iso, number
from engine.sandbox.vendors.user_com.access import UserComSettings, invalid, too_long

MAX_NAME = 255
USER, COMPANY = "user", "company"
SCHEMA = """
    CREATE TABLE IF NOT EXISTS user_com_attributes (
        scope TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (scope, name)
    ) WITHOUT ROWID;
"""
TYPE_OF = "SELECT type FROM user_com_attributes WHERE scope = ? AND name = ?"
DEFINE = "INSERT INTO user_com_attributes VALUES (?, ?, 'string')"
DEFINED = "SELECT name, type FROM user_com_attributes WHERE scope = ? ORDER BY name"

SKIP = object()
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def event_scope(name: str) -> str:
    """Return the scope of an event's attributes."""
    return f"event {name}"


class Attributes:
    """The definitions: those of the settings, and those created by requests."""

    def __init__(self, state: State, settings: UserComSettings) -> None:
        self._state = state
        self._create = settings.new_attributes == "create"
        self._given: dict[str, Mapping[str, Json]] = {USER: settings.attributes, COMPANY: settings.company_attributes}
        for event, table in settings.event_attributes.items():
            assert isinstance(table, Mapping)
            self._given[event_scope(event)] = table

    def convert(self, scope: str, values: JsonObject) -> JsonObject:
        """Return the values as they are stored, without those that cannot be converted."""
        kept: JsonObject = {}
        for name, value in values.items():
            converted = self._convert(scope, name, value)
            if converted is SKIP:
                self._state.count("user_com", "attributes_skipped")
            else:
                kept[name] = converted  # type: ignore[assignment]
        return kept

    def _convert(self, scope: str, name: str, value: Json) -> object:
        if not 0 < len(name) <= MAX_NAME:
            raise invalid(name[:40], too_long(MAX_NAME))  # [I] the length is documented for one endpoint
        defined = self._type(scope, name)
        if defined is None:
            if not self._create:
                return SKIP
            self._state.execute(DEFINE, (scope, name))
            self._state.count("user_com", "attributes_created")
            defined = "string"
        if value is None:
            return None  # [I] null empties an attribute
        if isinstance(defined, Mapping):
            choices = defined.get("choices")
            return value if isinstance(choices, list) and value in choices else SKIP
        return CONVERSIONS[str(defined)](value)

    def _type(self, scope: str, name: str) -> Json | Mapping[str, Json]:
        given = self._given.get(scope, {}).get(name)
        if given is not None:
            return given
        row = self._state.one(TYPE_OF, (scope, name))
        return row[0] if row else None

    def definitions(self, scope: str) -> list[JsonObject]:
        """Return the definitions, by name."""
        types: dict[str, Json] = {
            name: given.get("type") if isinstance(given, Mapping) else given
            for name, given in self._given.get(scope, {}).items()
        }
        types |= dict(self._state.all(DEFINED, (scope,)))
        return [{"name": name, "type": kind} for name, kind in sorted(types.items())]


def text(value: Json) -> str:
    """Return the text of a value: `999` for 999, `true` for true, JSON for lists and objects."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _integer(value: Json) -> object:
    found = number(value)
    return int(found) if found is not None and found.is_integer() else SKIP


def _float(value: Json) -> object:
    found = number(value)
    return SKIP if found is None else found


def _number(value: Json) -> object:
    whole = _integer(value)
    return _float(value) if whole is SKIP else whole


def _boolean(value: Json) -> object:
    if isinstance(value, bool):
        return value
    return BOOLEANS.get(text(value).strip().lower(), SKIP)


def _date(value: Json) -> object:
    moment = from_iso(value)
    return moment.date().isoformat() if moment else SKIP


def _datetime(value: Json) -> object:
    moment = from_iso(value)
    return moment.isoformat() if moment else SKIP


CONVERSIONS: dict[str, Callable[[Json], object]] = {
    "string": text,
    "integer": _integer,
    "float": _float,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "json": lambda value: value,
    "fixed": lambda _: SKIP,
}
