"""What one command may hold: sizes, counts and names.

Documented: a message below 800 KB, a value below 16 KB, 255 attributes an event, ASCII names.  How the API
refuses what is beyond them is not: [I] the command fails, with words of ours.
"""

from __future__ import annotations

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.times import from_iso, number
from engine.sandbox.vendors.exponea.errors import CommandRefused

MAX_COMMANDS = 50
MAX_MESSAGE = 800 * 1024
MAX_VALUE = 16 * 1024
MAX_EVENT_ATTRIBUTES = 255


def checked(properties: Json) -> tuple[JsonObject, bytes]:
    """Give the properties and their JSON (keys sorted: it is also the key of de-duplication)."""
    if properties is None:
        # [I] The vendor's own Python SDK sends null for "no properties".
        return {}, b"{}"
    if not isinstance(properties, dict):
        raise CommandRefused("properties must be an object")
    if not "".join(properties).isascii():
        name = next(name for name in properties if not name.isascii())
        raise CommandRefused(f"attribute names must be ASCII: {name}")
    text = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS)
    if len(text) >= MAX_VALUE:
        _check_sizes(properties, text)
    return properties, text


def _check_sizes(properties: JsonObject, text: bytes) -> None:
    if len(text) >= MAX_MESSAGE:
        raise CommandRefused("message must be smaller than 800 KB")
    for name, value in properties.items():
        size = len(value.encode()) if isinstance(value, str) else len(orjson.dumps(value))
        if size >= MAX_VALUE:
            raise CommandRefused(f"value of property {name} must be smaller than 16 KB")


def seconds(value: Json, name: str, now: float) -> float:
    """Read a timestamp: UNIX seconds as number or text, or ISO-8601 in UTC; now if there is none.

    Milliseconds are not recognised, as documented: they become a date far in the future.
    """
    if value is None:
        return now
    found = number(value)
    if found is not None:
        return found
    moment = from_iso(value)
    offset = moment.utcoffset() if moment else None
    if moment is None or offset:
        # [I] An offset other than Z is documented as "not supported"; that it fails the command is ours.
        raise CommandRefused(f"{name} must be UNIX seconds or an ISO-8601 time in UTC")
    return moment.timestamp()
