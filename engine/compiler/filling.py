"""Templates at run time: what stands in the settings instead of a template, and what fills it for an event.

A `Template` is opaque to paths: it is filled where a path gives it, so of many rows only those are filled that an
event asks for.  Before that it has no text, so that no text leaves it unfilled.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote

from engine.language.budget import Memo, spend
from engine.language.sizes import json_size
from engine.language.texts import compact_json
from engine.records import Json, JsonObject, Report

Fill: TypeAlias = "Callable[[JsonObject, JsonObject, list[Report], Memo], Json]"
"""From an event, its options, reports and memo to a filled template; None where it is absent."""


class Template:
    """A template of the settings of a connection."""

    __slots__ = ("_fill", "_place", "_size")

    def __init__(self, fill: Fill, place: str, size: int) -> None:
        self._fill = fill
        self._place = place
        self._size = size

    def __repr__(self) -> str:
        return f"<template {self._place}>"

    def filled(self, event: JsonObject, options: JsonObject, reports: list[Report], memo: Memo) -> Json:
        """Return what the template gives for an event, counted in the event's budget."""
        value = self._fill(event, options, reports, memo)
        spend(memo, self._size, self._place)
        return value


def filled(value: Any, event: JsonObject, options: JsonObject, reports: list[Report], memo: Memo) -> Json:
    """Return a value with every template in it filled; one that is absent is left out of what has it."""
    if type(value) is Template:
        return value.filled(event, options, reports, memo)
    if type(value) is dict:
        members = [(key, filled(member, event, options, reports, memo)) for key, member in value.items()]
        return {key: member for key, member in members if member is not None or value[key] is None}
    if type(value) is list:
        items = [(filled(item, event, options, reports, memo), item) for item in value]
        return [found for found, item in items if found is not None or item is None]
    found: Json = value
    return found


def unfilled(value: Any) -> Json:
    """Return a value without the templates in it: a batch has no event to fill those from that `http` reads."""
    if type(value) is Template:
        return None
    if type(value) is dict:
        return {key: unfilled(member) for key, member in value.items() if type(member) is not Template}
    if type(value) is list:
        return [unfilled(item) for item in value if type(item) is not Template]
    found: Json = value
    return found


def counted(value: Json, memo: Memo, place: str) -> Json:
    """Count a value that a template copies."""
    if value is not None:
        spend(memo, json_size(value), place)
    return value


def object_of(members: tuple[tuple[str, Fill | Json], ...]) -> Fill:
    """Return what makes an object; a member whose value is absent is left out."""

    def fill(event: JsonObject, options: JsonObject, reports: list[Report], memo: Memo) -> Json:
        result: JsonObject = {}
        for key, member in members:
            if callable(member):
                value = member(event, options, reports, memo)
                if value is not None:
                    result[key] = value
            else:
                result[key] = member
        return result

    return fill


def list_of(items: tuple[Fill | Json, ...]) -> Fill:
    """Return what makes a list; an item whose value is absent is left out."""

    def fill(event: JsonObject, options: JsonObject, reports: list[Report], memo: Memo) -> Json:
        result: list[Json] = []
        for item in items:
            if callable(item):
                value = item(event, options, reports, memo)
                if value is not None:
                    result.append(value)
            else:
                result.append(item)
        return result

    return fill


def escape_json(text: str) -> str:
    """Escape a text for use between the quotes of JSON."""
    return compact_json(text)[1:-1]


def escape_slack(text: str) -> str:
    """Escape the three characters that control Slack's formatting."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_url(text: str) -> str:
    """Percent-encode a text whole."""
    return quote(text, safe="")


ESCAPES: dict[str, Callable[[str], str]] = {
    "html": html.escape,
    "json": escape_json,
    "slack": escape_slack,
    "url": escape_url,
}
"""How values are put into a template; literal text of the template stays as it is."""
