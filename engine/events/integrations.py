"""Tell whether a destination is switched on for one event.

https://segment.com/docs/guides/filtering-data/#filtering-with-the-integrations-object has the rules.  An event's
`integrations` names destinations: `true` or an object of options switches one on, `false` off, and `All` speaks
for those that are not named.  A destination may be known under several names; the mapping lists them, and the
first of its list that says something decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.events.json_values import is_object, kind, place, quoted
from engine.records import Json, JsonObject, Report


class Switch(NamedTuple):
    """Whether a destination gets an event, with which options of its own, and if not, why not."""

    on: bool
    options: JsonObject
    reason: str | None
    reports: tuple[Report, ...]


_ON = Switch(on=True, options={}, reason=None, reports=())
"""What nearly every event gets, made once: nobody may write into its options."""


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
        reports.append(_unknown(name, value, "so it counts as not there"))
    return _switch_of_all(integrations, reports)


def _switch_of_all(integrations: JsonObject, reports: list[Report]) -> Switch:
    everything = integrations.get("All", True)
    if everything is False:
        return _off("All", reports)
    if everything is not True:
        reports.append(_unknown("All", everything, "so it counts as true"))
    return Switch(on=True, options={}, reason=None, reports=tuple(reports)) if reports else _ON


def _off(name: str, reports: list[Report]) -> Switch:
    reason = f"switched off by integrations: {{{quoted(name)}: false}}"
    return Switch(on=False, options={}, reason=reason, reports=tuple(reports))


def _unknown(name: str, value: Json, so: str) -> Report:
    where = place(["integrations", name])
    allowed = "true or false" if name == "All" else "true, false or an object of options"
    return Report("integration-unknown-value", where, f"{where} must be {allowed}; this is {kind(value)}, {so}")
