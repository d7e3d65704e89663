"""Checks of examples that need no run: names that do not exist, ids written as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from engine.mapping.checking import Checking
from engine.mapping.model import Example, Place
from engine.mapping.problems import Problem
from engine.mapping.suggest import closest
from engine.records import Json, JsonObject
from engine.sources.segment import FIELDS

IDS = ("userId", "anonymousId", "groupId", "previousId", "messageId")


def check_examples(checking: Checking) -> Iterator[Problem]:
    """Find examples that speak of settings, requests or calls that are not there."""
    for example in checking.mapping.examples:
        for name in example.settings:
            if name not in checking.mapping.settings:
                place: Place = (*example.place, "settings", name)
                yield _unknown(checking, "setting", name, list(checking.mapping.settings), place)
        yield from _expected(checking, example)
        for number, reply in enumerate(example.replies):
            name = cast("str", reply.get("request", ""))
            if name not in checking.mapping.requests:
                place = (*example.place, "replies", number, "request")
                yield _unknown(checking, "request", name, list(checking.mapping.requests), place)
        yield from _event(checking, example.event, (*example.place, "event"))


def _expected(checking: Checking, example: Example) -> Iterator[Problem]:
    if not isinstance(example.expect, list):
        return
    for number, entry in enumerate(example.expect):
        name = next(iter(cast("JsonObject", entry)))
        if name not in checking.mapping.requests:
            place: Place = (*example.place, "expect", number, name)
            yield _unknown(checking, "request", name, list(checking.mapping.requests), place, key=True)


def _event(checking: Checking, event: Json, place: Place) -> Iterator[Problem]:
    if not isinstance(event, dict):
        return
    call = event.get("type")
    if isinstance(call, str) and call not in FIELDS:
        yield _unknown(checking, "call", call, list(FIELDS), (*place, "type"))
    for name in IDS:
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            message = f"{name} is a number here; ids are text."
            yield checking.problem((*place, name), "numeric-id", message, f'Write "{value}".', level="warning")


def _unknown(checking: Checking, word: str, name: str, names: list[str], place: Place, *, key: bool = False) -> Problem:
    guess = closest(name, names)
    advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(names)}."
    in_key = key or word == "setting"
    return checking.problem(place, f"unknown-{word}", f'There is no {word} "{name}".', advice, key=in_key)
