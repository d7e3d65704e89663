"""The rules for an event, one by one: what is mended and reported, and what makes it invalid.

All of them run, also on an event that is already invalid, so that its reports are complete (an event without
an id because its `userId` is a list says both).  The reason is the first that was found, and carries Segment's
own discard code where it has one.
"""

from __future__ import annotations

import re
from datetime import datetime

from engine.language.times import moment_at, read_moment, read_time
from engine.records import Json, JsonObject, Report
from engine.sources.calls import FIELDS, IDS, NEEDS_NO_ID, OWN_OBJECTS, TITLES
from engine.sources.jsonvalue import is_object, kind, quoted

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def mend(event: JsonObject) -> tuple[JsonObject, str | None, tuple[Report, ...], str | None]:
    """Give the event as mappings see it, its call, what was changed, and why it is invalid (or None)."""
    call = event.get("type")
    if type(call) is not str or call not in FIELDS:
        return event, None, (), _unknown_type(call)
    draft = _Draft(event)
    _mend_shared_objects(draft)
    reasons = [_mend_ids(draft, call), *_mend_own_fields(draft, call)]
    _mend_timestamp(draft)
    return draft.event, call, tuple(draft.reports), next(filter(None, reasons), None)


def is_iso(text: str) -> bool:
    """Whether a time is written as ISO 8601, and so can be handed on as it is."""
    return (len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z") or _ISO.fullmatch(
        text
    ) is not None


class _Draft:
    """An event being mended: copied at the first change, and only its top level."""

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
        return f"no type: it says which call an event is, one of {calls}"
    if type(call) is not str:
        return f"type must be text, one of {calls}; this is {kind(call)}"
    from difflib import get_close_matches

    near = get_close_matches(call[:20].lower(), FIELDS, n=1)
    advice = f'did you mean "{near[0]}"?' if near else f"it is one of {calls}"
    return f"unknown type {quoted(call)}; {advice}"


def _mend_shared_objects(draft: _Draft) -> None:
    for name in ("context", "integrations"):
        value = draft.get(name)
        if is_object(value) or name not in draft.event:
            continue
        draft.put(name, {})
        if not _is_empty(value):
            draft.report(
                "not-an-object", name, f"{name} must be an object; this is {kind(value)}, so it counts as empty"
            )


def _is_empty(value: Json) -> bool:
    """Whether a value that is no object means an empty one: null, and `[]`, which is what PHP writes for it."""
    return value is None or value == []


def _mend_ids(draft: _Draft, call: str) -> str | None:
    for name in IDS:
        if name in FIELDS[call]:
            _mend_id(draft, name)
    if draft.get("userId") is None and draft.get("anonymousId") is None and call not in NEEDS_NO_ID:
        return "neither userId nor anonymousId (no_user_anon_id)"
    return None


def _mend_id(draft: _Draft, name: str) -> None:
    value = draft.get(name)
    if type(value) is int:
        draft.put(name, str(value))
        draft.report("id-converted", name, f"{name} is the number {value}; its digits are used as text")
    elif type(value) is str:
        if not value.strip():
            draft.drop(name)
    elif value is not None:
        draft.drop(name)
        shown = f"{value}, a number with a fraction or beyond 64 bits" if type(value) is float else kind(value)
        draft.report("id-dropped", name, f"{name} must be text or a whole number; this is {shown}, so it is left out")


def _mend_own_fields(draft: _Draft, call: str) -> list[str | None]:
    fields = FIELDS[call]
    reasons = [_event_name_flaw(draft)] if "event" in fields else []
    reasons += [_mend_object(draft, name) for name in OWN_OBJECTS if name in fields]
    for name in TITLES:
        if name in fields:
            _mend_title(draft, name)
    if call == "identify":
        _take_traits_of_context(draft)
    return reasons


def _event_name_flaw(draft: _Draft) -> str | None:
    name = draft.get("event")
    if name is None:
        return "no event: a track call says in it what happened (event_not_defined)"
    if type(name) is not str or not name.strip():
        return "event of a track call must be text that is not blank (event_not_string)"
    return None


def _mend_object(draft: _Draft, name: str) -> str | None:
    value = draft.get(name)
    if is_object(value) or name not in draft.event:
        return None
    if not _is_empty(value):
        return f"{name} must be an object; this is {kind(value)} ({name}_not_object)"
    draft.put(name, {})
    return None


def _mend_title(draft: _Draft, name: str) -> None:
    value = draft.get(name)
    if value is not None and type(value) is not str:
        draft.drop(name)
        draft.report(f"{name}-not-text", name, f"{name} must be text; this is {kind(value)}, so it is left out")


def _take_traits_of_context(draft: _Draft) -> None:
    """Some libraries send the traits of an identify call in its context only."""
    context = draft.get("context")
    traits = context.get("traits") if is_object(context) else None
    if traits and is_object(traits) and draft.get("traits") in (None, {}):
        draft.put("traits", traits)


def _mend_timestamp(draft: _Draft) -> None:
    given = draft.get("timestamp")
    if _read(draft, "timestamp") is not None:
        text = _as_iso(given)
        if text != given:
            shown = quoted(given) if type(given) is str else given
            draft.put("timestamp", text)
            draft.report("timestamp-converted", "timestamp", f"timestamp is not ISO 8601: {shown} was read as {text}")
        return
    text = _timestamp_of_the_others(draft, unreadable=given is not None)
    if text is not None:
        draft.put("timestamp", text)
        return
    if given is not None:
        draft.drop("timestamp")
    draft.report("no-timestamp", "timestamp", "there is no timestamp, and no receivedAt to take its place")


def _timestamp_of_the_others(draft: _Draft, *, unreadable: bool) -> str | None:
    """Segment's formula, which takes the error of the client's clock out; receivedAt where it cannot be worked out."""
    received = _read(draft, "receivedAt")
    if received is not None and unreadable:
        return _as_iso(draft.get("receivedAt"))
    original = _read(draft, "originalTimestamp")
    if original is None:
        return None if received is None else _as_iso(draft.get("receivedAt"))
    sent = None if received is None else _read(draft, "sentAt")
    if received is None or sent is None:
        return _as_iso(draft.get("originalTimestamp"))
    return _utc_text(moment_at(received - (sent - original))) or _as_iso(draft.get("receivedAt"))


def _as_iso(time: Json) -> str | None:
    return time if type(time) is str and is_iso(time) else _utc_text(read_moment(time))


def _utc_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _read(draft: _Draft, name: str) -> float | None:
    value = draft.get(name)
    seconds = read_time(value)
    if seconds is None and value is not None:
        shown = quoted(value) if type(value) is str else kind(value)
        draft.report("timestamp-unreadable", name, f"{name} is no time that can be read: {shown}")
    return seconds
