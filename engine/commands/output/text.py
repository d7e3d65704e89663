"""Text for one stream: sentences wrapped and JSON folded to its width, colors where it is a terminal.

A pipe or a file gets a fixed width, so that output can be compared.  Events are data: no character of them may
steer a terminal or begin a new line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import IO, cast

from engine.language.texts import shortened, visible
from engine.records import Json

__all__ = ["Display", "duration", "local_time", "short_time", "shortened"]

WIDTH = 80
"""Of what is not a terminal."""

NARROWEST = 40
"""A terminal that says it is narrower gets lines of this width."""

_encode = json.JSONEncoder(ensure_ascii=False).encode

STYLES: dict[str, dict[str, object]] = {
    "title": {"bold": True},
    "place": {"dim": True},
    "planned": {"fg": "green"},
    "delivered": {"fg": "green"},
    "ignored": {"dim": True},
    "invalid": {"fg": "red"},
    "rejected": {"fg": "red"},
    "waiting": {"fg": "yellow"},
    "held": {"fg": "yellow"},
    "paused": {"fg": "yellow"},
    "delivering": {"fg": "green"},
    "idle": {"dim": True},
    "request": {"fg": "cyan"},
    "notice": {"fg": "yellow"},
    "excerpt": {"fg": "cyan"},
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
}


class Display:
    """How to lay out text for one stream: `width` columns, and colors or none."""

    def __init__(self, stream: IO[str]) -> None:
        self.terminal = stream.isatty()
        self.width = max(_terminal_width(stream), NARROWEST) if self.terminal else WIDTH
        # NO_COLOR: https://no-color.org
        self._colors = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(self, text: str, style: str) -> str:
        """Color `text` by the name of a style."""
        if not self._colors or style not in STYLES:
            return text
        from click import style as colored

        return colored(text, **STYLES[style])  # type: ignore[arg-type]

    def wrap(self, text: str, first: str, indent: int) -> str:
        """Put `text` after `first` (`indent` characters wide); what does not fit goes on below its beginning."""
        text = visible(text)
        if indent + len(text) <= self.width:
            return first + text
        import textwrap

        room = max(self.width - indent, self.width // 2)
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        return first + ("\n" + " " * indent).join(lines)

    def fold(self, value: Json, indent: int) -> list[str]:
        """Write JSON as lines: an object or list that fits on one line stands on one, others go over several."""
        lines: list[str] = []
        _fold(value, self.width, " " * indent, "", "", lines)
        return lines


def _terminal_width(stream: IO[str]) -> int:
    """Return the columns of a terminal; COLUMNS says otherwise where it is set, as for other programs."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH
    except (OSError, ValueError):
        return WIDTH


def local_time(moment: float | None) -> str:
    """Write a time for people, in their own time zone."""
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def short_time(moment: float, now: float) -> str:
    """Write a time for people as short as its distance from now allows: with a date, or a year, only if it needs it."""
    then, today = time.localtime(moment), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M:%S", then)
    return time.strftime("%m-%d %H:%M" if then[0] == today[0] else "%Y-%m-%d", then)


def duration(seconds: float) -> str:
    """Write a duration for people in its two largest units: 12s, 3m 20s, 2h 5m, 4d 1h."""
    left, units = round(seconds), (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in units:
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}" if count else "")
    first = next((number for number, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(part for part in parts[first : first + 2] if part) or "0s"


def _fold(value: Json, width: int, indent: str, before: str, after: str, lines: list[str]) -> None:
    room = width - len(indent) - len(before) - len(after)
    is_split = isinstance(value, dict | list) and bool(value)
    # An object that is too long is not written only to see that (3 us a line otherwise).
    text = "" if is_split and _room_left(value, room) < 0 else _json(value)
    if not is_split or (text and len(text) <= room):
        lines.append(f"{indent}{before}{text}{after}")
        return
    first, last = "{}" if isinstance(value, dict) else "[]"
    lines.append(f"{indent}{before}{first}")
    members = list(_members(cast("dict[str, Json] | list[Json]", value)))
    for number, (name, member) in enumerate(members, 1):
        _fold(member, width, indent + "  ", name, "," if number < len(members) else "", lines)
    lines.append(f"{indent}{last}{after}")


def _room_left(value: Json, room: int) -> int:
    """Return how much of `room` characters is left behind a value, or more; less than 0 where it is too long."""
    if isinstance(value, str):
        return room - len(value) - 2
    if not isinstance(value, dict | list):
        return room - 1
    if not value:
        return room - 2
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        room = _room_left(member, room - 2 - (len(key) + 4 if isinstance(key, str) else 0))
        if room < 0:
            break
    return room


def _members(value: dict[str, Json] | list[Json]) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield from ((f"{_json(key)}: ", member) for key, member in value.items())
    else:
        yield from (("", member) for member in value)


def _json(value: Json) -> str:
    return visible(_encode(value))
