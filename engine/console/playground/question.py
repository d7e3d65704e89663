"""What the page asks: a mapping's text, the text of events, settings; with the bounds of each."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple, Self

from engine.errors import WaybillError
from engine.events.splitting import Chunks, Line, Splitter
from engine.records import Json, JsonObject

LONGEST_MAPPING = 256 * 1024
LONGEST_EVENTS = 64 * 1024
LONGEST_SETTINGS = 64 * 1024
"""Bytes of UTF-8."""
MOST_EVENTS = 20
TOO_LONG = {
    "mapping": "The mapping has {size:,} bytes; the playground takes {longest:,}. "
    "`engine validate-mappings` checks larger ones.",
    "events": "The events have {size:,} bytes; the playground takes {longest:,}. `engine run` takes any number.",
}
SOURCE = "event"
PLACE = re.compile(rf"{SOURCE}:([0-9]+):(?:([0-9]+):)? ")


class QuestionError(WaybillError):
    """What was sent cannot be tried; the text says why and what to do."""


class Question(NamedTuple):
    """One question of the page; `chosen` is the event that is explained, by its number from 0."""

    mapping: str
    events: str
    settings: JsonObject
    chosen: int
    home: Path | None

    @classmethod
    def of(cls, value: Json) -> Self:
        """Read a question; raises QuestionError."""
        if not isinstance(value, dict):
            raise QuestionError("The question must be a JSON object with the mapping and the event.")
        settings, chosen, home = value.get("settings") or {}, value.get("chosen") or 0, value.get("home")
        if not isinstance(settings, dict) or not isinstance(chosen, int) or not isinstance(home, str | None):
            raise QuestionError("The question has settings, a chosen event or a home of another type.")
        mapping = _text(value, "mapping", LONGEST_MAPPING)
        events = _text(value, "events", LONGEST_EVENTS)
        if sum(len(str(each)) for each in settings.values()) > LONGEST_SETTINGS:
            raise QuestionError(f"The settings have more than {LONGEST_SETTINGS:,} characters; take shorter ones.")
        return cls(mapping, events, settings, chosen, Path(home) if home else None)


def _text(value: JsonObject, name: str, longest: int) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise QuestionError(f"The question has no text `{name}`.")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > longest:
        raise QuestionError(TOO_LONG[name].format(size=size, longest=longest))
    return text


def lines_of(text: str) -> list[Line]:
    """Return the events of a text as files of events are read: one, a list, or one a line; one more than are taken."""
    data = text.encode("utf-8", "surrogatepass")
    found: list[Line] = []
    for line in Splitter(Chunks(io.BytesIO(data)), SOURCE):
        found.append(line)
        if len(found) > MOST_EVENTS:
            break
    return found


def place_of(error: str) -> tuple[int, int, str]:
    """Return line and column of the error of a `Line`, and what it says."""
    found = PLACE.match(error)
    if found is None:
        return 1, 1, error
    return int(found[1]), int(found[2] or 1), error[found.end() :]
