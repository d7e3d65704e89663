"""Templates of the settings, as plainly as possible: written out of the rules, with the oracle's own `${}`."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import quote

from engine.records import Json, JsonObject
from tests.oracle.basics import at, pieces, text_of

if TYPE_CHECKING:
    from tests.oracle.run import Run

NAMES_OF_THE_MAPPING = ("parts", "saved", "item", "index", "key")
ESCAPES = {
    "none": lambda text: text,
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "html": lambda text: html.escape(text, quote=True),
    "slack": lambda text: "".join({"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(each, each) for each in text),
    "url": lambda text: quote(text, safe=""),
}


class Template(NamedTuple):
    """A template that is not filled yet: JMESPath sees something that is no text, no list and no object."""

    setting: JsonObject
    written: Json
    place: str

    def __str__(self) -> str:
        return f"<template {self.place}>"


class Settings(dict[str, object]):
    """The settings as paths see them: a template by its name is its filled text, made once an event."""

    def __init__(self, run: Run, settings: JsonObject) -> None:
        super().__init__(prepared(cast("JsonObject", run.mapping.get("settings") or {}), settings))
        self._run = run
        self._known: dict[str, Json] = {}

    def get(self, name: str, default: object = None) -> object:
        """JMESPath reads a field through this method."""
        found = super().get(name, default)
        if not isinstance(found, Template):
            return found
        if name not in self._known:
            self._known[name] = fill(self._run, found)
        return self._known[name]


def prepared(written: JsonObject, settings: JsonObject) -> dict[str, object]:
    """Put a Template wherever the mapping says that a setting, or a field of its rows, is one."""
    kinds = cast("dict[str, JsonObject]", written)
    return {name: _prepared(kinds.get(name, {}), value, at("settings", name)) for name, value in settings.items()}


def _prepared(setting: JsonObject, value: Json, place: str) -> object:
    if setting.get("type") == "template":
        return Template(setting, value, place)
    if setting.get("type") == "rows":
        fields = cast("dict[str, JsonObject]", setting["fields"])
        return [
            {name: _prepared(fields[name], member, at(place, number, name)) for name, member in row.items()}
            for number, row in enumerate(cast("list[JsonObject]", value))
        ]
    return value


def filled(run: Run, value: object) -> Json:
    """Fill every template in a value; what has no value is left out."""
    if isinstance(value, Template):
        return fill(run, value)
    if isinstance(value, dict):
        found = {key: (filled(run, member), member) for key, member in value.items()}
        return {key: made for key, (made, member) in found.items() if made is not None or member is None}
    if isinstance(value, list):
        items = [(filled(run, item), item) for item in value]
        return [found for found, item in items if found is not None or item is None]
    return cast("Json", value)


def without(value: object) -> Json:
    """Leave out every template: where there is no event, nothing fills it."""
    if isinstance(value, dict):
        return {key: without(member) for key, member in value.items() if not isinstance(member, Template)}
    if isinstance(value, list):
        return [without(item) for item in value if not isinstance(item, Template)]
    return cast("Json", value)


def fill(run: Run, template: Template) -> Json:
    """Return the text or the JSON that a template is for the event of the run."""
    if template.setting.get("format") != "json":
        return _text(run, template, cast("str", template.written), template.place)
    document = json.loads(template.written) if isinstance(template.written, str) else template.written
    return _document(run, template, document, template.place)


def _document(run: Run, template: Template, value: Json, place: str) -> Json:
    if isinstance(value, dict):
        entries = [(key.replace("$${", "${"), member) for key, member in value.items()]
        members = [(key, _document(run, template, member, at(place, key)), member) for key, member in entries]
        return {key: made for key, made, member in members if made is not None or member is None}
    if isinstance(value, list):
        items = [(_document(run, template, entry, at(place, number)), entry) for number, entry in enumerate(value)]
        return [made for made, entry in items if made is not None or entry is None]
    if not isinstance(value, str):
        return value
    found = pieces(value)
    if len(found) == 1 and found[0].hole:
        whole = _ask(run, found[0].text, place)
        return _shaped(template, whole) if not isinstance(whole, str) else _put(template, whole)
    return _text(run, template, value, place)


def _text(run: Run, template: Template, written: str, place: str) -> str | None:
    made = ""
    for piece in pieces(written):
        if not piece.hole:
            made += piece.text
            continue
        value = _ask(run, piece.text, place)
        if isinstance(value, dict | list):
            run.report("not-text", place)
        text = _shaped(template, text_of(value))
        if text is None:
            return None
        made += _put(template, cast("str", text))
    return made


def _ask(run: Run, path: str, place: str) -> Json:
    scope = {name: value for name, value in run.scope.items() if name not in NAMES_OF_THE_MAPPING}
    return run.search(path, scope, place)


def _shaped(template: Template, value: Json) -> Json:
    return "" if value is None and template.setting.get("missing") != "drop" else value


def _put(template: Template, text: str) -> str:
    return ESCAPES[cast("str", template.setting.get("escape", "none"))](text)
