"""Any JSON value becomes an event as mappings see it, or the reason why it is invalid.

A clean event, by far the most common, is recognized by a few type checks and used as it is. Any other event goes
through the rules one by one: a repair is reported, and what cannot be repaired makes the event invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple, TypeAlias, TypeGuard

import orjson

from engine.events.draft import Draft
from engine.events.ids import DOUBTFUL, id_of_number, is_id_text
from engine.events.json_repairs import read_repaired
from engine.events.json_values import (
    MAX_DEPTH,
    event_place,
    is_object,
    json_problem,
    kind_of_any,
    nesting_problem,
    quoted,
)
from engine.events.spec import FIELDS, IDS, NEEDS_NO_ID, OWN_OBJECTS, TITLES
from engine.events.timestamps import is_clean_time, repair_timestamp
from engine.language.functions import camel_case, snake_case
from engine.language.suggest import closest
from engine.records import Json, JsonObject, Report

BRACE = ord("{")  # a number is found in bytes faster than bytes are
_make = tuple.__new__  # makes a named tuple in half the time of its own `__new__`
Fields: TypeAlias = "tuple[JsonObject, str | None, tuple[Report, ...], str | None, float]"
"""The fields of `Normalized` as a plain tuple, which is made and taken apart in a third of the time."""


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


def normalize(event: object, *, received_at: str | None = None, now: float | None = None) -> Normalized:
    """Normalize any Python value. Every value in it is checked: an event that is not JSON is invalid.

    `received_at` is used where the event has no `receivedAt`. `now`, in Unix seconds, is the clock that times are
    compared with where neither says when the event was received; without it they are not.
    """
    if not is_object(event):
        return Normalized(*_not_an_object(event))
    reason = json_problem(event)
    return Normalized({}, None, (), reason) if reason else Normalized(*fields_of(event, received_at, now, inf))


def normalize_json(raw: bytes, *, received_at: str | None = None, now: float | None = None) -> Normalized:
    """Normalize an event in bytes, as it came over the wire or out of a file: the fast way."""
    return _make(Normalized, fields_of_json(raw, received_at, now))


def normalize_parsed(
    value: Json, raw: bytes, *, received_at: str | None = None, now: float | None = None
) -> Normalized:
    """Normalize the result of `orjson.loads(raw)`, which is certainly JSON; only its depth has to be checked."""
    return _make(Normalized, fields_of_parsed(value, raw, received_at, now))


def fields_of_json(raw: bytes, received_at: str | None, now: float | None) -> Fields:
    """Return what `normalize_json` does as a plain tuple."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return fields_of_broken(raw, error, received_at, now)
    return fields_of_parsed(value, raw, received_at, now)


def fields_of_broken(raw: bytes, error: orjson.JSONDecodeError, received_at: str | None, now: float | None) -> Fields:
    """Return the same for bytes that are not JSON; `error` says why, and they are repaired where that is possible."""
    found = read_repaired(raw)
    if found is None:
        return {}, None, (), f"not valid JSON: {error}", inf
    event, call, reports, reason, size = fields_of_parsed(found.value, found.raw, received_at, now)
    return event, call, (*found.reports, *reports), reason, size


def fields_of_parsed(value: Json, raw: bytes, received_at: str | None, now: float | None, besides: float = 0) -> Fields:
    """Return what `normalize_parsed` does as a plain tuple; `besides` are bytes of the value that `raw` lacks."""
    if type(value) is not dict:
        return _not_an_object(value)
    reason = nesting_problem(value, raw)
    if reason is not None:
        return {}, None, (), reason, inf
    return fields_of(value, received_at, now, len(raw) + besides)


def fields_of(event: JsonObject, received_at: str | None, now: float | None, size: float) -> Fields:
    """Return the same for an object that is certainly JSON and not too deep; it has `size` bytes at most."""
    if received_at is not None and event.get("receivedAt") is None:
        event = {**event, "receivedAt": received_at}
    if is_clean(event, b"", received_at, now):
        return event, event["type"], (), None, size  # type: ignore[return-value]  # a clean event has a call
    has_clean_time = is_clean_time(event.get("timestamp"), event.get("receivedAt"), received_at, now)
    draft = Draft(event, received_at, now)
    return *repair(draft, has_clean_time=has_clean_time), size * 2  # traits may be there twice


def repair(
    draft: Draft, *, has_clean_time: bool = False
) -> tuple[JsonObject, str | None, tuple[Report, ...], str | None]:
    """Return the event as mappings see it, its call, what was changed, and why it is invalid (or None).

    Times that are clean are not read again: 5 us of the 15 that any other repair takes.
    """
    call = draft.get("type")
    if type(call) is not str or call not in FIELDS:
        return draft.event, None, (), _unknown_type(call)
    _repair_shared_objects(draft)
    reasons = [_repair_ids(draft, call), *_repair_own_fields(draft, call)]
    if not has_clean_time:
        repair_timestamp(draft)
    return draft.event, call, tuple(draft.reports), next(filter(None, reasons), None)


def _not_an_object(value: object) -> Fields:
    return {}, None, (), f"an event must be a JSON object; this is {kind_of_any(value)}", inf


def is_clean(event: Json, raw: bytes, received_at: str | None, now: float | None) -> TypeGuard[JsonObject]:
    """Whether `repair` would change and report nothing, and `nesting_problem` find none; False when in doubt.

    `raw` is what the event was read from, empty where its depth is known.  Most events need no call: with the
    brackets and the times looked at here a track event takes a twentieth less of Python's time.
    """
    if type(event) is not dict or BRACE in raw.replace(b"[", b"{", MAX_DEPTH).replace(b"{", b" ", MAX_DEPTH):
        return False
    get = event.get
    call, user, anonymous, time, received = (
        get("type"),
        get("userId"),
        get("anonymousId"),
        get("timestamp"),
        get("receivedAt"),
    )
    if user is not None:
        if type(user) is not str or not user or (user[0] in DOUBTFUL and not is_id_text(user)):
            return False
    elif anonymous is None and (type(call) is not str or call not in NEEDS_NO_ID):
        return False
    if anonymous is not None and (
        type(anonymous) is not str or not anonymous or (anonymous[0] in DOUBTFUL and not is_id_text(anonymous))
    ):
        return False
    if (type(get("context")) is not dict and "context" in event) or (
        type(get("integrations")) is not dict and "integrations" in event
    ):
        return False
    if call == "track":  # most events: a call less
        name = get("event")
        if type(name) is not str or not name or name.isspace():
            return False
        if type(get("properties")) is not dict and "properties" in event:
            return False
    elif type(call) is not str or call not in _OWN_FIELDS_ARE_CLEAN or not _OWN_FIELDS_ARE_CLEAN[call](event):
        return False
    return is_clean_time(time, received, received_at, now)


def _is_clean_id(value: Json) -> bool:
    return value is None or is_id_text(value)


def _identify_is_clean(event: JsonObject) -> bool:
    traits = event.get("traits")
    if type(traits) is not dict or not traits:  # empty traits may be filled from the context
        return False
    context = event.get("context")
    if type(context) is not dict or "traits" not in context:
        return True
    return not _holds_null(traits)


def _holds_null(value: JsonObject) -> bool:
    return any(member is None or (type(member) is dict and _holds_null(member)) for member in value.values())


def _page_is_clean(event: JsonObject) -> bool:
    name, category, properties = event.get("name"), event.get("category"), event.get("properties")
    return (
        (name is None or type(name) is str)
        and (type(category) is str or category is None)
        and (type(properties) is not dict or category is not None or "category" not in properties)
        and (type(properties) is dict or "properties" not in event)
    )


def _category_of_properties(event: JsonObject) -> str | None:
    properties = event.get("properties")
    category = properties.get("category") if type(properties) is dict else None
    return category if type(category) is str else None


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
    "page": _page_is_clean,
    "screen": _page_is_clean,
    "group": _group_is_clean,
    "alias": _alias_is_clean,
    "delete": _delete_is_clean,
}


def _unknown_type(call: Json) -> str:
    calls = ", ".join(FIELDS)
    if call is None:
        return f"no type; it must be one of {calls}"
    if type(call) is not str:
        return f"type must be one of {calls}; it is {kind_of_any(call)}"
    guess = closest(call, FIELDS)
    advice = f'did you mean "{guess}"?' if guess else f"it must be one of {calls}"
    return f"unknown type {quoted(call)}; {advice}"


def _repair_shared_objects(draft: Draft) -> None:
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


def _repair_ids(draft: Draft, call: str) -> str | None:
    for name in IDS:
        if name in FIELDS[call]:
            _repair_id(draft, name)
    if draft.get("userId") is None and draft.get("anonymousId") is None and call not in NEEDS_NO_ID:
        return "neither userId nor anonymousId (no_user_anon_id)"
    return None


def _repair_id(draft: Draft, name: str) -> None:
    value = draft.get(name)
    if value is None or is_id_text(value):
        return
    digits = id_of_number(value)
    if digits is not None:
        draft.put(name, digits)
        draft.report("id-converted", name, f"{name} is the number {value}; it was converted to text")
        return
    draft.drop(name)
    if type(value) is not str:
        shown = f"{value}, which has no exact digits," if type(value) is float else kind_of_any(value)
        draft.report("id-dropped", name, f"{name} must be text or an integer; it is {shown} and was left out")
    elif value.strip():
        draft.report("id-dropped", name, f"{name} is {quoted(value)}, the text of a missing value, and was left out")


def _repair_own_fields(draft: Draft, call: str) -> list[str | None]:
    fields = FIELDS[call]
    reasons = [_event_name_problem(draft)] if "event" in fields else []
    reasons += [_repair_object(draft, name) for name in OWN_OBJECTS if name in fields]
    for name in TITLES:
        if name in fields:
            _repair_title(draft, name)
    if "category" in fields and draft.get("category") is None:
        _use_category_of_properties(draft)
    if call == "identify":
        _use_traits_of_context(draft)
        _hide_older_traits(draft)
    return reasons


def _event_name_problem(draft: Draft) -> str | None:
    name = draft.get("event")
    if name is None:
        return "no event: a track call must name what happened (event_not_defined)"
    if type(name) is not str or not name.strip():
        return "event of a track call must be non-blank text (event_not_string)"
    return None


def _repair_object(draft: Draft, name: str) -> str | None:
    value = draft.get(name)
    if is_object(value) or name not in draft.event:
        return None
    if not _is_empty(value):
        return f"{name} must be an object; it is {kind_of_any(value)} ({name}_not_object)"
    draft.put(name, {})
    return None


def _repair_title(draft: Draft, name: str) -> None:
    value = draft.get(name)
    if value is not None and type(value) is not str:
        draft.drop(name)
        draft.report(f"{name}-not-text", name, f"{name} must be text; it is {kind_of_any(value)} and was left out")


def _use_category_of_properties(draft: Draft) -> None:
    """Fill in a missing category: Segment's spec has it in the properties, its server libraries beside them."""
    category = _category_of_properties(draft.event)
    if category:
        draft.put("category", category)


def _use_traits_of_context(draft: Draft) -> None:
    """Fill in missing traits: some libraries send those of an identify call only in its context."""
    context = draft.get("context")
    traits = context.get("traits") if is_object(context) else None
    if traits and is_object(traits) and draft.get("traits") in (None, {}):
        draft.put("traits", traits)


def _hide_older_traits(draft: Draft) -> None:
    """Leave out of `context.traits` what `traits` sets to null, at any depth: an older value must not come back."""
    context, traits = draft.get("context"), draft.get("traits")
    older = context.get("traits") if is_object(context) else None
    if not is_object(context) or not is_object(older) or not is_object(traits) or older is traits:
        return
    left = _without_cleared(draft, older, traits, ["context", "traits"], ["traits"])
    if left is not older:
        draft.put("context", {**context, "traits": left})


def _without_cleared(
    draft: Draft, older: JsonObject, newer: JsonObject, place: list[str], newer_place: list[str]
) -> JsonObject:
    """Return `older` without the keys that are null in `newer`; the same object where there are none."""
    spelled = {
        form: key for key, value in newer.items() if value is None or is_object(value) for form in _case_forms(key)
    }
    left = older
    for key, value in older.items():
        name = spelled.get(key)
        if name is None or value is None:
            continue
        here, there = [*place, key], [*newer_place, name]
        inner = newer[name]
        kept = _without_cleared(draft, value, inner, here, there) if is_object(inner) and is_object(value) else value
        if inner is None:
            text = event_place(here)
            draft.report("trait-hidden", text, f"{text} was left out: {event_place(there)} is null")
        elif kept is value:
            continue
        if left is older:
            left = dict(older)  # once: a copy for each key would take the square of their number
        if inner is None:
            del left[key]
        else:
            left[key] = kept
    return left


def _case_forms(key: str) -> tuple[str, ...]:
    """Return the spellings that Segment's spec and its libraries use for a trait: `firstName` and `first_name`."""
    return key, snake_case(key), camel_case(key)
