"""Decide whether a destination is switched on for one event.

The rules are Segment's: https://segment.com/docs/guides/filtering-data/#filtering-with-the-integrations-object.
An event's `integrations` names destinations: `true` or an object of options switches one on, `false` off, and `All`
covers those that are not named.  A destination may have several names; the first in the mapping's list that
`integrations` gives a valid value decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.events.json_values import event_place, is_object, kind_of_any, quoted
from engine.records import Json, JsonObject, Report


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
