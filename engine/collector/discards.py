"""The events that Segment discards: its rules and its codes.

The request is still answered 200, as Segment does: a library that gets an error would drop the whole batch.  The
codes are those of https://segment.com/docs/connections/delivery-overview/ .  What Segment is known to repair (an empty
list for an object, a whole number for an id) is not discarded; `engine.events.normalizing` repairs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.events.ids import id_of_number, is_id_text
from engine.events.json_values import kind_of_any, quoted
from engine.events.spec import FIELDS, IDS, NEEDS_NO_ID, TITLES
from engine.records import Json, JsonObject


class Discard(NamedTuple):
    """Why an event is not stored: Segment's code, a reason for people, the event's messageId if it has one, and it.

    `event` is as it came.
    """

    code: str
    reason: str
    message_id: str = ""
    event: Json = None


def find_discard(event: JsonObject) -> Discard | None:
    """Return why Segment would discard an event, or None."""
    call = event.get("type")
    if type(call) is not str or call not in FIELDS:
        shown = "missing" if call is None else quoted(call) if type(call) is str else kind_of_any(call)
        return Discard("bad_request", f"type must be one of {', '.join(FIELDS)}; it is {shown}")
    return _ids(event, call) or _RULES.get(call, _no_rule)(event)


def _ids(event: JsonObject, call: str) -> Discard | None:
    for name in IDS:
        value = event.get(name)
        if name in FIELDS[call] and value is not None and type(value) is not str and id_of_number(value) is None:
            return Discard("id_not_string", f"{name} must be text; it is {kind_of_any(value)}")
    if call not in NEEDS_NO_ID and not _is_set(event.get("userId")) and not _is_set(event.get("anonymousId")):
        return Discard("no_user_anon_id", "userId or anonymousId is required")
    return None


def _is_set(value: Json) -> bool:
    return is_id_text(value) or id_of_number(value) is not None


def _required(name: str) -> Callable[[JsonObject], Discard | None]:
    def check(event: JsonObject) -> Discard | None:
        if _is_set(event.get(name)):
            return None
        return Discard("id_required", f"{event['type']} calls require {name}")

    return check


def _object(name: str) -> Callable[[JsonObject], Discard | None]:
    def check(event: JsonObject) -> Discard | None:
        value = event.get(name)
        if value is None or type(value) is dict or value == []:
            return None
        return Discard(f"{name}_not_object", f"{name} must be an object; it is {kind_of_any(value)}")

    return check


def _track(event: JsonObject) -> Discard | None:
    name = event.get("event")
    if name is None:
        return Discard("event_not_defined", "track calls require event")
    if type(name) is not str or not name.strip():
        return Discard("event_not_string", "event must be text and not blank")
    return _object("properties")(event)


def _page(event: JsonObject) -> Discard | None:
    for name in TITLES:
        value = event.get(name)
        if value is not None and type(value) is not str:
            return Discard(f"{name}_not_string", f"{name} must be text; it is {kind_of_any(value)}")
    return _object("properties")(event)


def _group(event: JsonObject) -> Discard | None:
    return _required("groupId")(event) or _object("traits")(event)


def _no_rule(_event: JsonObject) -> Discard | None:
    return None


_RULES: dict[str, Callable[[JsonObject], Discard | None]] = {
    "identify": _object("traits"),
    "track": _track,
    "page": _page,
    "screen": _page,
    "group": _group,
    "alias": _required("userId"),
    "delete": _required("userId"),
}
