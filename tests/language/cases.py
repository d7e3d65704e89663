"""The language's cases as data: every `tests/language/*.yaml`, with defaults filled in (format: README.md beside this file)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from engine.mapping.yaml import reader
from engine.records import Json, JsonObject

HERE = Path(__file__).parent

DEFAULT_MAPPING: JsonObject = {
    "mapping": 1,
    "name": "case",
    "title": "Case",
    "integrations": ["Case"],
    "about": "A mapping of a test.",
    "docs": "https://example.com/docs",
    "http": {"base_url": "https://api.example.com"},
    "requests": {"send": {"path": "/send"}},
    "calls": {"track": [{"request": "send"}]},
}
DEFAULT_EVENT: JsonObject = {
    "type": "track",
    "userId": "u1",
    "anonymousId": "a1",
    "messageId": "m1",
    "timestamp": "2024-01-02T03:04:05.678Z",
    "context": {},
}
DEFAULT_TRACK: JsonObject = {"event": "Tested", "properties": {}}
# The second of the default event's timestamp.
DEFAULT_NOW = 1704164645.0

CASE_WORDS = {
    *("title", "body", "mapping", "settings", "event", "whole_event", "replies", "received_at", "now"),
    *("gives", "expect", "reports"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case with everything a runner needs, and what must come of it."""

    file: str
    title: str
    mapping: JsonObject
    settings: JsonObject
    event: Json
    replies: list[JsonObject]
    received_at: str | None
    now: float
    expect: JsonObject
    reports: list[list[str]]

    @property
    def id(self) -> str:
        """Name the case in a test report."""
        return f"{self.file}: {self.title}"


@cache
def load_cases() -> list[Case]:
    """Read every case of every file, in the order of the files' names."""
    return [case for path in sorted(HERE.glob("*.yaml")) for case in _cases(path)]


def wire(value: object) -> str:
    """Write a value so that two are equal exactly when their JSON is: `1`, `1.0` and `true` differ, and key order counts."""
    return json.dumps(value, ensure_ascii=False)


def _cases(path: Path) -> list[Case]:
    document = reader.parse(path.read_text(encoding="utf-8"), str(path))
    assert not document.problems, f"{path}: {document.problems}"
    content = cast("JsonObject", document.value)
    assert set(content) == {"about", "cases"}, f"{path}: a file is `about` and `cases`"
    return [_case(path.stem, cast("JsonObject", raw)) for raw in cast("list[Json]", content["cases"])]


def _case(file: str, raw: JsonObject) -> Case:
    unknown = set(raw) - CASE_WORDS
    assert not unknown, f"{file}: {raw['title']}: no such word: {unknown}"
    mapping = _mapping(raw)
    return Case(
        file=file,
        title=str(raw["title"]),
        mapping=mapping,
        settings=_settings(mapping, cast("JsonObject", raw.get("settings", {}))),
        event=_event(raw),
        replies=cast("list[JsonObject]", raw.get("replies", [])),
        received_at=cast("str | None", raw.get("received_at")),
        now=cast("float", raw.get("now", DEFAULT_NOW)),
        expect=_expect(raw),
        reports=cast("list[list[str]]", raw.get("reports", [])),
    )


def _mapping(raw: JsonObject) -> JsonObject:
    mapping = {**DEFAULT_MAPPING, **cast("JsonObject", raw.get("mapping", {}))}
    if "body" in raw:
        mapping["calls"] = {"track": [{"request": "send", **cast("JsonObject", raw["body"])}]}
    return mapping


def _settings(mapping: JsonObject, given: JsonObject) -> JsonObject:
    written = cast("dict[str, JsonObject]", mapping.get("settings", {}))
    return {name: setting["default"] for name, setting in written.items() if "default" in setting} | given


def _event(raw: JsonObject) -> Json:
    if "whole_event" in raw:
        return raw["whole_event"]
    own = cast("JsonObject", raw.get("event", {}))
    track = DEFAULT_TRACK if own.get("type", "track") == "track" else {}
    return {**DEFAULT_EVENT, **track, **own}


def _expect(raw: JsonObject) -> JsonObject:
    assert ("gives" in raw) != ("expect" in raw), f"{raw['title']}: exactly one of `gives` and `expect`"
    if "gives" in raw:
        return {"outcome": "planned", "requests": [{"body": raw["gives"]}]}
    return {"requests": [], **cast("JsonObject", raw["expect"])}
