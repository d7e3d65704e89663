"""Segment's calls in: any JSON value becomes an event as mappings see it, or the reason why it is none.

The rules are those of Segment's spec (https://segment.com/docs/connections/spec/common/) with the liberties its
libraries take: PHP's `[]` for an empty object, numbers for ids, traits only in the context.  Nothing raises, and
nothing is bent in silence: what changes an event is reported with it.

An event of an official library needs none of that.  So the rules are here twice: `_is_clean` asks in well under
a microsecond whether all of them would leave the event alone, and only where they might not, `mend` goes through
them one by one.  A property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import orjson

from engine.language.times import read_time
from engine.records import Json, JsonObject, Report
from engine.sources.calls import FIELDS, NEEDS_NO_ID
from engine.sources.integrations import Switch, switch
from engine.sources.jsonvalue import MAX_DEPTH, crowding, flaw, is_object, kind
from engine.sources.mending import is_iso, mend

__all__ = ["FIELDS", "Normalised", "Switch", "normalise", "normalise_json", "normalise_parsed", "switch"]

_ALL_BUT_OPENINGS = bytes(byte for byte in range(256) if byte not in b"{[")
_make = tuple.__new__  # a named tuple at half the price


class Normalised(NamedTuple):
    """An event as mappings see it.

    `call` is its type, None if that is not known. `invalid` is the reason why it cannot be mapped; `event` is
    then as far as it could be mended, and `{}` where the input was no JSON object at all.
    """

    event: JsonObject
    call: str | None
    reports: tuple[Report, ...]
    invalid: str | None


def normalise(event: object, *, received_at: str | None = None) -> Normalised:
    """Normalise any Python value. Looks at every value in it: what is not JSON is invalid, and where is said."""
    if not is_object(event):
        return _no_object(event)
    reason = flaw(event)
    return Normalised({}, None, (), reason) if reason else _normalised(event, received_at)


def normalise_json(raw: bytes, *, received_at: str | None = None) -> Normalised:
    """Normalise an event as it came over the wire or out of a file: the fast way in."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Normalised({}, None, (), f"this is not JSON: {error}")
    return normalise_parsed(value, raw, received_at=received_at)


def normalise_parsed(value: Json, raw: bytes, *, received_at: str | None = None) -> Normalised:
    """Normalise what `orjson.loads(raw)` gave. It is JSON for certain; only how deep it is must be looked at."""
    if not is_object(value):
        return _no_object(value)
    # With a hundred opening brackets or fewer, those in texts included, nothing can be deeper than that.
    if len(raw.translate(None, _ALL_BUT_OPENINGS)) > MAX_DEPTH:
        reason = crowding(value)
        if reason:
            return Normalised({}, None, (), reason)
    return _normalised(value, received_at)


def _no_object(value: object) -> Normalised:
    return Normalised({}, None, (), f"an event is a JSON object; this is {kind(value)}")


def _normalised(event: JsonObject, received_at: str | None) -> Normalised:
    if received_at is not None and event.get("receivedAt") is None:
        event = {**event, "receivedAt": received_at}
    if _is_clean(event):
        return _make(Normalised, (event, event["type"], (), None))
    return Normalised(*mend(event))


def _is_clean(event: JsonObject) -> bool:
    """Whether `mend` would find nothing to do and nothing to say; when in doubt, no."""
    get = event.get
    call = get("type")
    if type(call) is not str or call not in _OWN_FIELDS_ARE_CLEAN:
        return False
    user, anonymous = get("userId"), get("anonymousId")
    if user is None:
        if anonymous is None and call not in NEEDS_NO_ID:
            return False
    elif type(user) is not str or not user.strip():
        return False
    return (
        (anonymous is None or (type(anonymous) is str and anonymous.strip() != ""))
        and (type(get("context")) is dict or "context" not in event)
        and (type(get("integrations")) is dict or "integrations" not in event)
        and _is_clean_time(get("timestamp"))
        and _OWN_FIELDS_ARE_CLEAN[call](event)
    )


def _is_clean_time(value: Json) -> bool:
    if type(value) is not str:
        return False
    if len(value) == 24 and value[7] == "-" and value[10] == "T" and value[19] == "." and value[23] == "Z":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return is_iso(value) and read_time(value) is not None


def _is_clean_id(value: Json) -> bool:
    return value is None or (type(value) is str and value.strip() != "")


def _identify_is_clean(event: JsonObject) -> bool:
    traits = event.get("traits")
    return type(traits) is dict and bool(traits)  # an empty one may be filled from the context


def _track_is_clean(event: JsonObject) -> bool:
    name = event.get("event")
    return (
        type(name) is str
        and name.strip() != ""
        and (type(event.get("properties")) is dict or "properties" not in event)
    )


def _page_is_clean(event: JsonObject) -> bool:
    name, category = event.get("name"), event.get("category")
    return (
        (name is None or type(name) is str)
        and (category is None or type(category) is str)
        and _is_clean_object(event, "properties")
    )


def _group_is_clean(event: JsonObject) -> bool:
    return _is_clean_id(event.get("groupId")) and _is_clean_object(event, "traits")


def _alias_is_clean(event: JsonObject) -> bool:
    return _is_clean_id(event.get("previousId"))


def _delete_is_clean(_event: JsonObject) -> bool:
    return True


def _is_clean_object(event: JsonObject, name: str) -> bool:
    return type(event.get(name)) is dict or name not in event


_OWN_FIELDS_ARE_CLEAN: dict[str, Callable[[JsonObject], bool]] = {
    "identify": _identify_is_clean,
    "track": _track_is_clean,
    "page": _page_is_clean,
    "screen": _page_is_clean,
    "group": _group_is_clean,
    "alias": _alias_is_clean,
    "delete": _delete_is_clean,
}
