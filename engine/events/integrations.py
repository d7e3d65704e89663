"""An event's `integrations`, read for one destination: whether it gets the event, and with which options."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from engine.events.json_values import event_place, is_object, kind_of_any, quoted
from engine.records import Json, JsonObject, Report

ALL = "All"
MOST_OTHERS, LONGEST_OTHER = 1000, 100
"""Names of other destinations that are remembered, and their characters."""


class Switch(NamedTuple):
    """Whether a destination gets an event, its options in the event, and the reason where it does not."""

    on: bool
    options: JsonObject
    reason: str | None
    reports: tuple[Report, ...]


_ON = Switch(on=True, options={}, reason=None, reports=())
"""The result for nearly every event, made once: its options must not be written to."""


def lowercase(names: Sequence[str]) -> frozenset[str]:
    """Return the names that matter to a destination, with `All`, in lowercase, as `says_nothing` needs them."""
    return frozenset(name.lower() for name in (*names, ALL))


def says_nothing(integrations: JsonObject, known: frozenset[str]) -> bool:
    """Whether `switch` would return nothing but on, as for nearly every event; False when in doubt.

    `known` is what `lowercase` returns.
    """
    for key, value in integrations.items():
        if key == ALL:
            if value is not True:
                return False
        elif key.lower() in known:
            return False
    return True


class Unrelated(set[str]):
    """The names that do not matter to a destination, learned from events up to a number: they are much the same.

    Where it `issuperset` of an event's `integrations`, and `All` is true or missing, `switch` would say nothing but on.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__((ALL,))
        self._names = names
        self._known = lowercase(names)

    def switch(self, integrations: JsonObject) -> Switch:
        """Read an event's `integrations`, and learn from those that say nothing."""
        if not says_nothing(integrations, self._known):
            return switch(integrations, self._names)
        room = max(0, MOST_OTHERS - len(self))
        self.update(islice((name for name in integrations if len(name) <= LONGEST_OTHER), room))
        return _ON


def switch(integrations: JsonObject, names: Sequence[str]) -> Switch:
    """Read an event's `integrations` for the destination that goes by `names`, in letters of any case.

    The first of `names` that says something wins. A name in several spellings is off where any of them is false: a
    slip must not overrule who said no.
    """
    usual, known = _known(tuple(names))
    if says_nothing(integrations, known):
        return _ON
    odd = any(key not in usual and key.lower() in known for key in integrations)
    spellings = _Spellings(integrations) if odd else _AsUsual(integrations)
    reports = spellings.reports
    for name in names:
        key, value = spellings.of(name)
        if key is None:
            continue
        if value is False:
            return _off(key, reports)
        if _is_on(value):
            options = value if is_object(value) else {}
            return Switch(on=True, options=options, reason=None, reports=tuple(reports))
        reports.append(_unknown(key, value, "true, false or an object of options", "was ignored"))
    return _switch_of_all(spellings)


@lru_cache(maxsize=256)
def _known(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that matter to a destination, as they are usually spelled and in lowercase."""
    return frozenset([*names, ALL]), lowercase(names)


def _switch_of_all(spellings: _AsUsual) -> Switch:
    key, everything = spellings.of(ALL)
    reports = spellings.reports
    if key is None or everything is True:
        return Switch(on=True, options={}, reason=None, reports=tuple(reports)) if reports else _ON
    if everything is False:
        return _off(key, reports)
    reports.append(_unknown(key, everything, "true or false", "was treated as true"))
    return Switch(on=True, options={}, reason=None, reports=tuple(reports))


class _AsUsual:
    """The keys of `integrations`, spelled as usual, and reports about their values."""

    def __init__(self, integrations: JsonObject) -> None:
        self.reports: list[Report] = []
        self._values = integrations

    def of(self, name: str) -> tuple[str | None, Json]:
        """Return the key that decides about a name, and its value; None where the name is not there."""
        return (name, self._values[name]) if name in self._values else (None, None)


class _Spellings(_AsUsual):
    """The keys of `integrations` by their lowercase, and reports about those that are spelled unusually."""

    def __init__(self, integrations: JsonObject) -> None:
        super().__init__(integrations)
        self._keys: dict[str, list[str]] = {}
        for key in integrations:
            self._keys.setdefault(key.lower(), []).append(key)

    def of(self, name: str) -> tuple[str | None, Json]:
        keys = sorted(self._keys.get(name.lower(), ()), key=lambda key: key != name)  # the usual spelling first
        for key in keys:
            if key != name:
                place = event_place(["integrations", key])
                self.reports.append(Report("integration-spelling", place, f"{place} was read as {quoted(name)}"))
        values = [(key, self._values[key]) for key in keys]
        off = [found for found in values if found[1] is False]
        on = [found for found in values if _is_on(found[1])]
        return next(iter((*off, *on, *values)), (None, None))


def _is_on(value: Json) -> bool:
    return value is True or is_object(value)


def _off(name: str, reports: list[Report]) -> Switch:
    reason = f"switched off by integrations: {{{quoted(name)}: false}}"
    return Switch(on=False, options={}, reason=reason, reports=tuple(reports))


def _unknown(name: str, value: Json, allowed: str, effect: str) -> Report:
    where = event_place(["integrations", name])
    message = f"{where} must be {allowed}; it is {kind_of_any(value)} and {effect}"
    return Report("integration-unknown-value", where, message)
