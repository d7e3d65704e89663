"""Checks of examples that need no run: names that do not exist, ids written as numbers, settings that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from engine.events.spec import COMMON, FIELDS, IDS
from engine.language.suggest import closest
from engine.mapping.checks.context import Checking, meant, quoted
from engine.mapping.checks.names import unknown_request
from engine.mapping.checks.settings import value_fault
from engine.mapping.model import MappingExample
from engine.mapping.problems import Problem
from engine.records import Json, JsonObject, Place


def check_examples(checking: Checking) -> Iterator[Problem]:
    """Find examples that speak of settings, requests or calls that are not there."""
    titles: dict[str, int] = {}
    for number, example in enumerate(checking.mapping.examples):
        yield from _title(checking, example, titles.setdefault(example.title, number))
        for name, value in example.settings.items():
            yield from _setting(checking, name, value, (*example.place, "settings", name))
        yield from _expected(checking, example)
        for place, name in _replies(example):
            if name not in checking.mapping.requests:
                yield unknown_request(checking, name, place)
        yield from _event(checking, cast("JsonObject", example.event), (*example.place, "event"))


def _title(checking: Checking, example: MappingExample, first: int) -> Iterator[Problem]:
    if example.place != ("examples", first):
        message = f"Another example has this title too (line {checking.loaded.mark(('examples', first)).line})."
        advice = "Say what is special about this one."
        yield checking.problem((*example.place, "title"), "same-title", message, advice)


def _setting(checking: Checking, name: str, value: Json, place: Place) -> Iterator[Problem]:
    setting = checking.mapping.settings.get(name)
    if setting is None:
        guess, advice = meant(name, checking.mapping.settings, "settings")
        message = f"There is no setting {quoted(name)}."
        problem = checking.problem(place, "unknown-setting", message, advice, key=True)
        yield checking.unknown("settings", name, guess, problem)
    elif not setting.secret:
        fault = value_fault(setting, value)
        if fault is not None:
            yield checking.problem(place, "setting-value", f"This does not fit the setting: {fault}.")


def _expected(checking: Checking, example: MappingExample) -> Iterator[Problem]:
    if not isinstance(example.expect, list):
        return
    for number, entry in enumerate(example.expect):
        name = next(iter(cast("JsonObject", entry)))
        if name not in checking.mapping.requests:
            yield unknown_request(checking, name, (*example.place, "expect", number, name), key=True)


def _replies(example: MappingExample) -> Iterator[tuple[Place, str]]:
    for number, reply in enumerate(example.replies):
        yield (*example.place, "replies", number, "request"), cast("str", reply["request"])


def _event(checking: Checking, event: JsonObject, place: Place) -> Iterator[Problem]:
    call = event.get("type")
    if isinstance(call, str) and call not in FIELDS:
        _, advice = meant(call, FIELDS, "calls")
        yield checking.problem((*place, "type"), "unknown-call", f"There is no call {quoted(call)}.", advice)
        return
    for name in (*IDS, "messageId"):
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            message = f"{name} is a number here, and ids are text."
            yield checking.problem((*place, name), "numeric-id", message, f'Write "{value}".', level="warning")
    if isinstance(call, str):
        yield from _fields(checking, event, call, place)


def _fields(checking: Checking, event: JsonObject, call: str, place: Place) -> Iterator[Problem]:
    """Find misspelt fields: a mapping does not see them, so the example shows something else than it seems to."""
    known = {*FIELDS[call], *COMMON}
    for name in event:
        guess = closest(name, sorted(known - set(event))) if name not in known and name not in OTHER_FIELDS else None
        if guess is not None:
            article = "An" if call[0] in "aei" else "A"
            message = f"{article} {call} call has no field {quoted(name)}."
            advice = f"Did you mean {guess}?"
            yield checking.problem((*place, name), "unknown-field", message, advice, key=True, level="warning")


OTHER_FIELDS = frozenset({name for fields in FIELDS.values() for name in fields} | {"version", "channel", "writeKey"})
