"""`context` of the Expo client's events: what the mobile libraries tell about app, device and system.

A Python program cannot ask a phone for its model or its carrier, so only what is certain is filled in
here (the platform's names, the library, the remembered traits); the rest is what the app says of its
device, once or, as networks change, through a function asked for every event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from engine.records import JsonObject, Report
from engine.sources.expo_event import Identity, Reporter, TooLarge, clean, kind

LIBRARY: Final[JsonObject] = {"name": "waybill-expo-segment-python", "version": "0.1.0"}
PLATFORMS: Final[Mapping[str, Mapping[str, JsonObject]]] = {
    "ios": {"device": {"manufacturer": "Apple", "type": "ios"}, "os": {"name": "iOS"}},
    "android": {"device": {"type": "android"}, "os": {"name": "Android"}},
}

Given = Mapping[str, object] | Callable[[], Mapping[str, object]]

_OURS: Final = ("library", "traits")  # members that the client alone fills


class DeviceContext:
    """What is known of the device, put together for every event."""

    def __init__(self, platform: str, given: Given, report: Reporter) -> None:
        self._known = PLATFORMS[platform]
        self._report = report
        self._given = given if callable(given) else self._checked(given)

    def given(self) -> JsonObject:
        """Give what the app says of its device, at this moment."""
        return self._asked(self._given) if callable(self._given) else self._given

    def of(self, identity: Identity, given: JsonObject) -> JsonObject:
        """Give the context of one event."""
        context: JsonObject = dict(given)
        device: JsonObject = {"id": identity.anonymous_id, **self._known["device"]}
        for name, known in {**self._known, "device": device}.items():
            said = given.get(name, {})
            context[name] = {**known, **said} if isinstance(said, dict) else said
        context["library"] = LIBRARY
        context["traits"] = identity.traits
        return context

    def _asked(self, ask: Callable[[], Mapping[str, object]]) -> JsonObject:
        try:
            return self._checked(ask())
        except Exception as problem:  # noqa: BLE001  an event without its context is better than none
            say = f"The function that gives the context raised {type(problem).__name__}; the event went without it."
            self._report(Report("context-failed", "context", say))
            return {}

    def _checked(self, given: object) -> JsonObject:
        if not isinstance(given, Mapping):
            self._report(
                Report("not-an-object", "context", f"The context is no object ({kind(given)}); it was left out.")
            )
            return {}
        for name in _OURS:
            if name in given:
                say = f"context.{name} is filled by the client; the one given was left out."
                self._report(Report("context-reserved", f"context.{name}", say))
        try:
            return clean({name: given[name] for name in given if name not in _OURS}, "context", self._report)
        except TooLarge:
            say = "The context holds more than an event can; it was left out."
            self._report(Report("event-too-large", "context", say))
            return {}
