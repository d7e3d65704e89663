"""Any JSON value becomes an event as mappings see it, or the reason why it is invalid.

A clean event, by far the most common, is recognized by a few type checks and used as it is. Any other event goes
through the rules one by one: a repair is reported, and what cannot be repaired makes the event invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import NamedTuple

import orjson

from engine.events.json_values import MAX_DEPTH, event_place, is_object, json_problem, kind_of_any, quoted, size_problem
from engine.events.spec import FIELDS, IDS, NEEDS_NO_ID, OWN_OBJECTS, TITLES
from engine.language.suggest import closest
from engine.language.times import moment_at, read_moment, read_time
from engine.records import Json, JsonObject, Report

_ALL_BUT_OPENINGS = bytes(byte for byte in range(256) if byte not in b"{[")
_make = tuple.__new__  # makes a named tuple in half the time of its own `__new__`

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


class Normalized(NamedTuple):
    """An event as mappings see it.

    `call` is its type, or None where that is unknown. `invalid` is the reason why it cannot be mapped; `event` is
    then repaired as far as possible, and `{}` where the input was not a JSON object. `size` is how many bytes it has as
    JSON at most, where that is known.
    """

    event: JsonObject
    call: str | None
    reports: tuple[Report, ...]
    invalid: str | None
    size: float = inf


def normalize(event: object, *, received_at: str | None = None) -> Normalized:
    """Normalize any Python value. Every value in it is checked: an event that is not JSON is invalid."""
    if not is_object(event):
        return _not_an_object(event)
    reason = json_problem(event)
    return Normalized({}, None, (), reason) if reason else _normalized(event, received_at, inf)


def normalize_json(raw: bytes, *, received_at: str | None = None) -> Normalized:
    """Normalize an event in bytes, as it came over the wire or out of a file: the fast way."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Normalized({}, None, (), f"not valid JSON: {error}")
    return normalize_parsed(value, raw, received_at=received_at)


def normalize_parsed(value: Json, raw: bytes, *, received_at: str | None = None) -> Normalized:
    """Normalize the result of `orjson.loads(raw)`, which is certainly JSON; only its depth has to be checked."""
    if not is_object(value):
        return _not_an_object(value)
    # With at most a hundred opening brackets, counting those in texts, nothing can be nested deeper than that.
    if len(raw.translate(None, _ALL_BUT_OPENINGS)) > MAX_DEPTH:
        reason = size_problem(value)
        if reason:
            return Normalized({}, None, (), reason)
    return _normalized(value, received_at, len(raw))


def repair(event: JsonObject) -> tuple[JsonObject, str | None, tuple[Report, ...], str | None]:
    """Return the event as mappings see it, its call, what was changed, and why it is invalid (or None)."""
    call = event.get("type")
    if type(call) is not str or call not in FIELDS:
        return event, None, (), _unknown_type(call)
    draft = _Draft(event)
    _repair_shared_objects(draft)
    reasons = [_repair_ids(draft, call), *_repair_own_fields(draft, call)]
    _repair_timestamp(draft)
    return draft.event, call, tuple(draft.reports), next(filter(None, reasons), None)


def _not_an_object(value: object) -> Normalized:
    return Normalized({}, None, (), f"an event must be a JSON object; this is {kind_of_any(value)}")


def _normalized(event: JsonObject, received_at: str | None, size: float) -> Normalized:
    if received_at is not None and event.get("receivedAt") is None:
        event = {**event, "receivedAt": received_at}
    if _is_clean(event):
        return _make(Normalized, (event, event["type"], (), None, size))
    return Normalized(*repair(event), size * 2)  # traits may be there twice


def _is_clean(event: JsonObject) -> bool:
    """Whether `repair` would change and report nothing; False when in doubt."""
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
    return _is_iso(value) and read_time(value) is not None


def _is_clean_id(value: Json) -> bool:
    return value is None or (type(value) is str and value.strip() != "")


def _identify_is_clean(event: JsonObject) -> bool:
    traits = event.get("traits")
    return type(traits) is dict and bool(traits)  # empty traits may be filled from the context


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


class _Draft:
    """An event under repair: copied at the first change, and only its top level."""

    def __init__(self, event: JsonObject) -> None:
        self.event = event
        self.reports: list[Report] = []
        self._given = event

    def get(self, name: str) -> Json:
        return self.event.get(name)

    def put(self, name: str, value: Json) -> None:
        self._copy()
        self.event[name] = value

    def drop(self, name: str) -> None:
        self._copy()
        del self.event[name]

    def report(self, code: str, place: str, message: str) -> None:
        self.reports.append(Report(code, place, message))

    def _copy(self) -> None:
        if self.event is self._given:
            self.event = dict(self._given)


def _unknown_type(call: Json) -> str:
    calls = ", ".join(FIELDS)
    if call is None:
        return f"no type; it must be one of {calls}"
    if type(call) is not str:
        return f"type must be one of {calls}; it is {kind_of_any(call)}"
    guess = closest(call, FIELDS)
    advice = f'did you mean "{guess}"?' if guess else f"it must be one of {calls}"
    return f"unknown type {quoted(call)}; {advice}"


def _repair_shared_objects(draft: _Draft) -> None:
    for name in ("context", "integrations"):
        value = draft.get(name)
        if is_object(value) or name not in draft.event:
            continue
        draft.put(name, {})
        if not _is_empty(value):
            message = f"{name} must be an object; it is {kind_of_any(value)} and was treated as empty"
            draft.report("not-an-object", name, message)


def _is_empty(value: Json) -> bool:
    """Whether a value stands for an empty object: null, and `[]`, which PHP writes for one."""
    return value is None or value == []


def _repair_ids(draft: _Draft, call: str) -> str | None:
    for name in IDS:
        if name in FIELDS[call]:
            _repair_id(draft, name)
    if draft.get("userId") is None and draft.get("anonymousId") is None and call not in NEEDS_NO_ID:
        return "neither userId nor anonymousId (no_user_anon_id)"
    return None


def _repair_id(draft: _Draft, name: str) -> None:
    value = draft.get(name)
    if type(value) is int:
        draft.put(name, str(value))
        draft.report("id-converted", name, f"{name} is the number {value}; it was converted to text")
    elif type(value) is str:
        if not value.strip():
            draft.drop(name)
    elif value is not None:
        draft.drop(name)
        shown = f"{value}, not an integer within 64 bits," if type(value) is float else kind_of_any(value)
        draft.report("id-dropped", name, f"{name} must be text or an integer; it is {shown} and was left out")


def _repair_own_fields(draft: _Draft, call: str) -> list[str | None]:
    fields = FIELDS[call]
    reasons = [_event_name_problem(draft)] if "event" in fields else []
    reasons += [_repair_object(draft, name) for name in OWN_OBJECTS if name in fields]
    for name in TITLES:
        if name in fields:
            _repair_title(draft, name)
    if call == "identify":
        _use_traits_of_context(draft)
    return reasons


def _event_name_problem(draft: _Draft) -> str | None:
    name = draft.get("event")
    if name is None:
        return "no event: a track call must name what happened (event_not_defined)"
    if type(name) is not str or not name.strip():
        return "event of a track call must be non-blank text (event_not_string)"
    return None


def _repair_object(draft: _Draft, name: str) -> str | None:
    value = draft.get(name)
    if is_object(value) or name not in draft.event:
        return None
    if not _is_empty(value):
        return f"{name} must be an object; it is {kind_of_any(value)} ({name}_not_object)"
    draft.put(name, {})
    return None


def _repair_title(draft: _Draft, name: str) -> None:
    value = draft.get(name)
    if value is not None and type(value) is not str:
        draft.drop(name)
        draft.report(f"{name}-not-text", name, f"{name} must be text; it is {kind_of_any(value)} and was left out")


def _use_traits_of_context(draft: _Draft) -> None:
    """Fill in missing traits: some libraries send those of an identify call only in its context."""
    context = draft.get("context")
    traits = context.get("traits") if is_object(context) else None
    if traits and is_object(traits) and draft.get("traits") in (None, {}):
        draft.put("traits", traits)


def _repair_timestamp(draft: _Draft) -> None:
    given = draft.get("timestamp")
    if _read_time_of(draft, "timestamp") is not None:
        text = _as_iso(given)
        if text != given:
            shown = quoted(given) if type(given) is str else given
            draft.put("timestamp", text)
            draft.report("timestamp-converted", "timestamp", f"timestamp is not ISO 8601: {shown} was read as {text}")
        return
    text = _timestamp_from_others(draft, unreadable=given is not None)
    if text is not None:
        draft.put("timestamp", text)
        return
    if given is not None:
        draft.drop("timestamp")
    draft.report("no-timestamp", "timestamp", "no timestamp, and no receivedAt to use instead")


def _timestamp_from_others(draft: _Draft, *, unreadable: bool) -> str | None:
    """Work out the time by Segment's formula, which corrects the client's clock; receivedAt where that fails."""
    received = _read_time_of(draft, "receivedAt")
    if received is not None and unreadable:
        return _as_iso(draft.get("receivedAt"))
    original = _read_time_of(draft, "originalTimestamp")
    if original is None:
        return None if received is None else _as_iso(draft.get("receivedAt"))
    sent = None if received is None else _read_time_of(draft, "sentAt")
    if received is None or sent is None:
        return _as_iso(draft.get("originalTimestamp"))
    return _utc_text(moment_at(received - (sent - original))) or _as_iso(draft.get("receivedAt"))


def _as_iso(time: Json) -> str | None:
    return time if type(time) is str and _is_iso(time) else _utc_text(read_moment(time))


def _utc_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _read_time_of(draft: _Draft, name: str) -> float | None:
    value = draft.get(name)
    seconds = read_time(value)
    if seconds is None and value is not None:
        shown = quoted(value) if type(value) is str else kind_of_any(value)
        draft.report("timestamp-unreadable", name, f"{name} cannot be read as a time: {shown}")
    return seconds


def _is_iso(text: str) -> bool:
    """Whether a time is written as ISO 8601, and so can be passed on as it is."""
    is_common = len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z"
    return is_common or _ISO.fullmatch(text) is not None


class Switch(NamedTuple):
    """Whether a destination gets an event, its options in the event, and the reason where it does not."""

    on: bool
    options: JsonObject
    reason: str | None
    reports: tuple[Report, ...]


_ON = Switch(on=True, options={}, reason=None, reports=())
"""The result for nearly every event, made once: its options must not be written to."""


def switch(integrations: JsonObject, names: Sequence[str]) -> Switch:
    """Read an event's `integrations` for the destination that goes by `names`."""
    if not integrations or (len(integrations) == 1 and integrations.get("All") is True):
        return _ON
    reports: list[Report] = []
    for name in names:
        if name not in integrations:
            continue
        value = integrations[name]
        if value is False:
            return _off(name, reports)
        if value is True or is_object(value):
            return Switch(on=True, options=value if is_object(value) else {}, reason=None, reports=tuple(reports))
        reports.append(_unknown(name, value, "was ignored"))
    return _switch_of_all(integrations, reports)


def _switch_of_all(integrations: JsonObject, reports: list[Report]) -> Switch:
    everything = integrations.get("All", True)
    if everything is False:
        return _off("All", reports)
    if everything is not True:
        reports.append(_unknown("All", everything, "was treated as true"))
    return Switch(on=True, options={}, reason=None, reports=tuple(reports)) if reports else _ON


def _off(name: str, reports: list[Report]) -> Switch:
    reason = f"switched off by integrations: {{{quoted(name)}: false}}"
    return Switch(on=False, options={}, reason=reason, reports=tuple(reports))


def _unknown(name: str, value: Json, effect: str) -> Report:
    where = event_place(["integrations", name])
    allowed = "true or false" if name == "All" else "true, false or an object of options"
    return Report(
        "integration-unknown-value", where, f"{where} must be {allowed}; it is {kind_of_any(value)} and {effect}"
    )
