"""An entry of `examples` as a typed noun."""

from __future__ import annotations

from engine.noun import Noun
from engine.records import Json, JsonObject, Place


class MappingExample(Noun):
    """An event and what the vendor's documentation says it becomes."""

    place: Place
    title: str
    settings: JsonObject
    event: Json
    replies: tuple[JsonObject, ...]
    expect: Json
