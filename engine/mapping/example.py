"""An entry of `examples` as a typed noun."""

from __future__ import annotations

from dataclasses import dataclass

from engine.records import Json, JsonObject, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingExample:
    """An event and what the vendor's documentation says it becomes."""

    place: Place
    title: str
    settings: JsonObject
    event: Json
    replies: tuple[JsonObject, ...]
    expect: Json
