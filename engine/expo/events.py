"""Segment events from the arguments of Expo's Segment calls, and their `context`; pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from math import isfinite
from typing import Final, NamedTuple

from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, JsonObject, Report

_DEPTH = 64  # the engine refuses events nested deeper than 100
_VALUES = 32_000  # an event of 32,000 bytes cannot hold more, so a larger object need not be walked
_TIMES = (datetime, date)

Reporter = Callable[[Report], None]


class TooLarge(Exception):  # noqa: N818  reads as what happened
    """An object with more values than an event can hold."""


class Identity(NamedTuple):
    """The user of the app: an anonymous ID made here, and the values of `identify`."""

    anonymous_id: str
    user_id: str | None = None
    traits: JsonObject = {}  # noqa: RUF012  never changed, only replaced

    def identified(self, user_id: str, traits: JsonObject) -> Identity:
        """Return the identity after an identify; another user starts without the previous user's traits."""
        known = self.traits if user_id == self.user_id else {}
        return Identity(self.anonymous_id, user_id, {**known, **traits})


def moment(seconds: float) -> str:
    """Format a time as Segment's clients do: `2026-01-02T03:04:05.678Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def identify(traits: JsonObject) -> JsonObject:
    """Return the specific part of an identify."""
    return {"type": "identify", "traits": traits}


def track(event: str, properties: JsonObject) -> JsonObject:
    """Return the specific part of a track."""
    return {"type": "track", "event": event, "properties": properties}


def complete(own: JsonObject, identity: Identity, context: JsonObject, message_id: str, timestamp: str) -> JsonObject:
    """Add the common part of all events of the mobile libraries."""
    user: JsonObject = {} if identity.user_id is None else {"userId": identity.user_id}
    return {
        **own,
        "anonymousId": identity.anonymous_id,
        **user,
        "context": context,
        "integrations": {},
        "channel": "mobile",
        "messageId": message_id,
        "timestamp": timestamp,
    }


def clean(value: Mapping[object, object], place: str, report: Reporter) -> JsonObject:
    """Return an object of the app as JSON; values without a JSON form are left out and reported with their path."""
    return _Cleaner(report).copy(value, place, ())


def text_of(value: str) -> str:
    """Return text that can be encoded as UTF-8: half a surrogate pair becomes U+FFFD."""
    if value.isascii():
        return str.__str__(value)  # of a subclass, a plain text
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Cleaner:
    """One walk through an object; it counts values, so that a huge or self-containing object ends it."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._left = _VALUES

    def copy(self, value: Mapping[object, object], place: str, parents: tuple[int, ...]) -> JsonObject:
        parents = (*parents, id(value))
        kept: JsonObject = {}
        for name, member in value.items():
            if not isinstance(name, str):
                self._leave_out(place, f"has a key that is not text ({kind(name)})")
                continue
            self._put(kept, text_of(name), self._value(member, f"{place}.{name}", parents))
        return kept

    def _put(self, kept: JsonObject, name: str, found: tuple[Json, ...]) -> None:
        for value in found:
            kept[name] = value

    def _value(self, value: object, place: str, parents: tuple[int, ...]) -> tuple[Json, ...]:
        """Return a value as JSON in a tuple of one; an empty tuple means it was left out."""
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        if isinstance(value, str):
            return (text_of(value),)
        if value is None or isinstance(value, bool):
            return (value,)
        if isinstance(value, (int, float)):
            return self._number(value, place)
        if isinstance(value, _TIMES):
            return (_time(value),)
        return self._holder(value, place, parents)

    def _number(self, value: float, place: str) -> tuple[Json, ...]:
        if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            return self._leave_out(place, "is a whole number of more than 64 bits")
        if not isfinite(value):
            return self._leave_out(place, "is not a finite number")
        return (int(value) if isinstance(value, int) else float(value),)  # of a subclass, a plain number

    def _holder(self, value: object, place: str, parents: tuple[int, ...]) -> tuple[Json, ...]:
        if id(value) in parents:
            return self._leave_out(place, "contains itself")
        if len(parents) >= _DEPTH:
            return self._leave_out(place, f"is nested deeper than {_DEPTH}")
        if isinstance(value, Mapping):
            return (self.copy(value, place, parents),)
        if isinstance(value, (list, tuple)):
            return (self._list(value, place, (*parents, id(value))),)
        return self._leave_out(place, f"has no JSON form ({kind(value)})")

    def _list(self, values: Sequence[object], place: str, parents: tuple[int, ...]) -> list[Json]:
        # an entry without JSON becomes null, so that the others keep their indices, as in JavaScript
        found = (self._value(value, f"{place}[{index}]", parents) for index, value in enumerate(values))
        return [entry[0] if entry else None for entry in found]

    def _leave_out(self, place: str, what: str) -> tuple[Json, ...]:
        self._report(Report("not-json", place, f"{place} {what}; it was left out. Use text, numbers or true/false."))
        return ()


def _time(value: date) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    return value.isoformat(timespec="milliseconds") if value.tzinfo is None else moment(value.timestamp())


def kind(value: object) -> str:
    """Return the type of a value without showing the value."""
    return "null" if value is None else type(value).__name__


LIBRARY: Final[JsonObject] = {"name": "waybill-expo-segment-python", "version": "0.1.0"}
PLATFORMS: Final[Mapping[str, Mapping[str, JsonObject]]] = {
    "ios": {"device": {"manufacturer": "Apple", "type": "ios"}, "os": {"name": "iOS"}},
    "android": {"device": {"type": "android"}, "os": {"name": "Android"}},
}

Given = Mapping[str, object] | Callable[[], Mapping[str, object]]

_OURS: Final = ("library", "traits")  # members that only the client sets


class DeviceContext:
    """The `context` of events: device and app."""

    def __init__(self, platform: str, given: Given, report: Reporter) -> None:
        self._known = PLATFORMS[platform]
        self._report = report
        self._given = given if callable(given) else self._checked(given)

    def given(self) -> JsonObject:
        """Return the context that the app gives now."""
        return self._asked(self._given) if callable(self._given) else self._given

    def of(self, identity: Identity, given: JsonObject) -> JsonObject:
        """Return the context of one event."""
        context: JsonObject = dict(given)
        device: JsonObject = {"id": identity.anonymous_id, **self._known["device"]}
        for name, known in {**self._known, "device": device}.items():
            own = given.get(name, {})
            context[name] = {**known, **own} if isinstance(own, dict) else own
        context["library"] = LIBRARY
        context["traits"] = identity.traits
        return context

    def _asked(self, ask: Callable[[], Mapping[str, object]]) -> JsonObject:
        try:
            return self._checked(ask())
        except Exception as problem:  # noqa: BLE001  an event without its context is better than none
            text = f"The function that returns the context raised {type(problem).__name__}; the event went without it."
            self._report(Report("context-failed", "context", text))
            return {}

    def _checked(self, given: object) -> JsonObject:
        if not isinstance(given, Mapping):
            self._report(
                Report("not-an-object", "context", f"The context is not an object ({kind(given)}); it was left out.")
            )
            return {}
        for name in _OURS:
            if name in given:
                text = f"context.{name} is set by the client; the given value was left out."
                self._report(Report("context-reserved", f"context.{name}", text))
        try:
            return clean({name: given[name] for name in given if name not in _OURS}, "context", self._report)
        except TooLarge:
            text = "The context is larger than an event can be; it was left out."
            self._report(Report("event-too-large", "context", text))
            return {}
